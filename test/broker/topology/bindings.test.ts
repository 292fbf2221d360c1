import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertRefused,
  binding,
  exchange,
  newVirtualHost,
  queue,
  routed,
  unconditionally,
} from './fixture.ts';

test('a binding exists once, whatever the order of its arguments', () => {
  const { vhost, journal } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('amq.headers', 'q', 'k', { a: 1, b: 2 }), null);
  vhost.bindQueue(binding('amq.headers', 'q', 'k', { b: 2, a: 1n }), null);
  assert.equal(vhost.listBindings({ source: 'amq.headers' }).length, 1);
  assert.equal(journal.filter(({ op }) => op === 'binding.add').length, 1);
  vhost.unbindQueue(binding('amq.headers', 'q', 'k', { b: 2, a: 1 }), null);
  assert.equal(vhost.listBindings({ source: 'amq.headers' }).length, 0);
  assert.deepEqual(journal.at(-1), {
    op: 'binding.remove',
    vhost: '/',
    source: 'amq.headers',
    destinationKind: 'queue',
    destination: 'q',
    routingKey: 'k',
    arguments: { a: 1, b: 2 },
  });
});

test('bindings that differ in key, arguments or kind of destination are different', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('both'), null);
  vhost.declareExchange(exchange('both', 'fanout'));
  vhost.bindQueue(binding('amq.direct', 'both', 'a'), null);
  vhost.bindQueue(binding('amq.direct', 'both', 'b'), null);
  vhost.bindQueue(binding('amq.direct', 'both', 'b', { x: 1 }), null);
  vhost.bindQueue(binding('amq.direct', 'both', 'b', { x: '1' }), null);
  vhost.bindExchange(binding('amq.direct', 'both', 'b'));
  assert.equal(vhost.listBindings({ source: 'amq.direct' }).length, 5);
  vhost.unbindQueue(binding('amq.direct', 'both', 'b'), null);
  assert.equal(vhost.listBindings({ source: 'amq.direct', destinationKind: 'exchange' }).length, 1);
  assert.deepEqual(routed(vhost, 'amq.direct', 'b'), ['both'], 'two bindings, one copy');
});

test('binding what is not there is refused, unbinding it is not', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  vhost.declareExchange(exchange('x', 'direct'));
  assertRefused(() => vhost.bindQueue(binding('y', 'q'), null), 'not-found', "no exchange 'y' in vhost '/'");
  assertRefused(() => vhost.bindQueue(binding('x', 'r'), null), 'not-found', "no queue 'r' in vhost '/'");
  assertRefused(() => vhost.bindExchange(binding('x', 'y')), 'not-found', "no exchange 'y' in vhost '/'");
  assertRefused(() => vhost.bindExchange(binding('y', 'x')), 'not-found', "no exchange 'y' in vhost '/'");
  vhost.unbindQueue(binding('y', 'q'), null);
  vhost.unbindQueue(binding('x', 'r'), null);
  vhost.unbindQueue(binding('x', 'q', 'never bound'), null);
  vhost.unbindExchange(binding('x', 'y'));
});

test('the default exchange cannot be bound, from or to', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  for (const command of [
    () => vhost.bindQueue(binding('', 'q'), null),
    () => vhost.unbindQueue(binding('', 'q'), null),
    () => vhost.bindExchange(binding('', 'amq.direct')),
    () => vhost.bindExchange(binding('amq.direct', '')),
    () => vhost.unbindExchange(binding('', 'amq.direct')),
    () => vhost.unbindExchange(binding('amq.direct', '')),
  ]) {
    assertRefused(command, 'access-refused', 'operation not permitted on the default exchange');
  }
});

test('a binding is recorded only if both of its ends are durable', () => {
  const { vhost, journal } = newVirtualHost();
  vhost.declareExchange(exchange('durable', 'fanout'));
  vhost.declareExchange(exchange('transient', 'fanout', { durable: false }));
  vhost.declareQueue(queue('kept'), null);
  vhost.declareQueue(queue('lost', { durable: false }), null);
  const before = journal.length;
  vhost.bindQueue(binding('durable', 'lost'), null);
  vhost.bindQueue(binding('transient', 'kept'), null);
  vhost.bindExchange(binding('durable', 'transient'));
  vhost.unbindExchange(binding('durable', 'transient'));
  assert.equal(journal.length, before);
  vhost.bindQueue(binding('durable', 'kept'), null);
  assert.equal(journal.length, before + 1);
});

test('a binding that its exchange does not understand is refused', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  assert.throws(() => vhost.bindQueue(binding('amq.match', 'q', '', { 'x-match': 'x' }), null), {
    kind: 'precondition-failed',
    message: /^Invalid x-match field value/,
  });
  vhost.bindQueue(binding('amq.direct', 'q', '', { 'x-match': 'x' }), null);
});

test('bindings are listed by source and destination, those of the default exchange too', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  vhost.declareQueue(queue('r'), null);
  vhost.bindQueue(binding('amq.direct', 'q', 'k'), null);
  vhost.bindExchange(binding('amq.direct', 'amq.fanout', 'k'));
  const short = (filter = {}) =>
    vhost
      .listBindings(filter)
      .map((b) => `${b.source}-${b.routingKey}->${b.destinationKind}:${b.destination}`);
  const toQ = '-q->queue:q';
  const [toR, direct, chain] = ['-r->queue:r', 'amq.direct-k->queue:q', 'amq.direct-k->exchange:amq.fanout'];
  assert.deepEqual(short(), [toQ, toR, direct, chain]);
  assert.deepEqual(short({ source: '' }), [toQ, toR]);
  assert.deepEqual(short({ source: 'amq.direct' }), [direct, chain]);
  assert.deepEqual(short({ destinationKind: 'queue', destination: 'q' }), [toQ, direct]);
  assert.deepEqual(short({ destinationKind: 'exchange' }), [chain]);
  assert.deepEqual(short({ source: 'none' }), []);
  vhost.deleteQueue('q', unconditionally, null);
  assert.deepEqual(short(), [toR, chain]);
});
