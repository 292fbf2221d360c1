import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, newVirtualHost, queue } from './fixture.ts';

test('declaring a queue again gives the same one, and journals it once', () => {
  const { vhost, journal } = newVirtualHost();
  const first = vhost.declareQueue(queue('q', { arguments: { 'x-queue-mode': 'lazy' } }), null);
  assert.equal(vhost.declareQueue(queue('q', { arguments: { 'x-queue-mode': 'lazy', mine: 1 } }), {}), first);
  assert.equal(vhost.checkQueue('q', null), first);
  assert.equal(vhost.findQueue('q'), first);
  assert.deepEqual(journal, [
    {
      op: 'queue.declare',
      vhost: '/',
      name: 'q',
      id: first.id,
      autoDelete: false,
      arguments: { 'x-queue-mode': 'lazy' },
    },
  ]);
});

test('a queue without a name gets one that cannot be guessed', () => {
  const { vhost } = newVirtualHost();
  const names = [1, 2].map(() => vhost.declareQueue(queue(''), null).name);
  for (const name of names) assert.match(name, /^amq\.gen-[A-Za-z0-9_-]{22}$/);
  assert.notEqual(names[0], names[1]);
  assertRefused(
    () => vhost.declareQueue(queue(names[0]), null),
    'access-refused',
    `queue name '${names[0]}' contains reserved prefix 'amq.*'`,
  );
});

test('a queue of a type that lasts has to be named', () => {
  const { vhost } = newVirtualHost();
  for (const type of ['quorum', 'stream']) {
    assertRefused(
      () => vhost.declareQueue(queue('', { arguments: { 'x-queue-type': type } }), null),
      'precondition-failed',
      `Cannot declare a server-named queue for type rabbit_${type}_queue`,
    );
  }
  assert.deepEqual([...vhost.queues()], []);
});

test('declaring a queue differently is refused, and says in what', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  const message = (arg: string, received: string, current: string) =>
    `inequivalent arg '${arg}' for queue 'q' in vhost '/': received ${received} but current is ${current}`;
  assertRefused(
    () => vhost.declareQueue(queue('q', { durable: false }), null),
    'precondition-failed',
    message('durable', "'false'", "'true'"),
  );
  assertRefused(
    () => vhost.declareQueue(queue('q', { autoDelete: true }), null),
    'precondition-failed',
    message('auto_delete', "'true'", "'false'"),
  );
  assertRefused(
    () => vhost.declareQueue(queue('q', { arguments: { 'x-message-ttl': 1 } }), null),
    'precondition-failed',
    message('x-message-ttl', "the value '1' of type 'signedint'", 'none'),
  );
  assertRefused(
    () => vhost.declareQueue(queue('q', { arguments: { 'x-queue-type': 'quorum' } }), null),
    'precondition-failed',
    message('x-queue-type', "the value 'quorum' of type 'longstr'", 'none'),
  );
  vhost.declareQueue(queue('q', { arguments: { 'x-queue-type': 'classic' } }), null);
});

test('two argument values that differ are both named', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q', { arguments: { 'x-queue-mode': 'lazy' } }), null);
  assertRefused(
    () => vhost.declareQueue(queue('q', { arguments: { 'x-queue-mode': 'default' } }), null),
    'precondition-failed',
    "inequivalent arg 'x-queue-mode' for queue 'q' in vhost '/': received 'default' but current is 'lazy'",
  );
});

test('a quorum queue is durable, shared and stays', () => {
  const { vhost } = newVirtualHost();
  const args = { arguments: { 'x-queue-type': 'quorum' } };
  const message = (property: string) => `invalid property '${property}' for queue 'q' in vhost '/'`;
  for (const [changes, property] of [
    [{ durable: false }, 'non-durable'],
    [{ exclusive: true }, 'exclusive-owner'],
    [{ autoDelete: true }, 'auto-delete'],
  ] as const) {
    const declare = () => vhost.declareQueue(queue('q', { ...args, ...changes }), {});
    assertRefused(declare, 'precondition-failed', message(property));
  }
  vhost.declareQueue(queue('q', args), null);
});

test('deleting a queue minds if-unused and if-empty, and returns what was ready', () => {
  const { vhost, journal } = newVirtualHost();
  const declared = vhost.declareQueue(queue('q'), null);
  declared.readyCount = 3;
  declared.consumerCount = 1;
  const remove = (ifUnused: boolean, ifEmpty: boolean) => () =>
    vhost.deleteQueue('q', { ifUnused, ifEmpty }, null);
  assertRefused(remove(false, true), 'precondition-failed', "queue 'q' in vhost '/' not empty");
  assertRefused(remove(true, false), 'precondition-failed', "queue 'q' in vhost '/' in use");
  assert.equal(remove(false, false)(), 3);
  assert.equal(declared.removals, 1);
  assert.deepEqual(journal.at(-1), { op: 'queue.delete', vhost: '/', name: 'q', id: declared.id });
  assert.equal(remove(true, true)(), 0);
  assert.equal(vhost.removeQueue(declared), 0);
  assert.equal(declared.removals, 1);
});

test('a queue that is not there is not found', () => {
  const { vhost } = newVirtualHost();
  assertRefused(() => vhost.checkQueue('q', null), 'not-found', "no queue 'q' in vhost '/'");
});

test('removing a queue that was replaced under its name leaves the new one', () => {
  const { vhost } = newVirtualHost();
  const first = vhost.declareQueue(queue('q'), null);
  vhost.removeQueue(first);
  const second = vhost.declareQueue(queue('q'), null);
  vhost.removeQueue(first);
  assert.equal(vhost.findQueue('q'), second);
  assert.notEqual(first.id, second.id);
});

test('queues are listed with what the HTTP API shows of them', () => {
  const { vhost } = newVirtualHost();
  const declared = vhost.declareQueue(queue('q', { exclusive: true, autoDelete: true }), {});
  declared.readyCount = 2;
  assert.deepEqual(vhost.listQueues(), [
    {
      vhost: '/',
      id: declared.id,
      name: 'q',
      durable: false,
      exclusive: true,
      autoDelete: true,
      arguments: {},
      consumerCount: 0,
      readyCount: 2,
      policy: null,
      operatorPolicy: null,
      policyDefinition: {},
      settings: declared.settings,
    },
  ]);
});
