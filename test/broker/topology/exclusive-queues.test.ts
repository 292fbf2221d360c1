import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, binding, newVirtualHost, queue, routed, unconditionally } from './fixture.ts';

const locked =
  "cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another " +
  'connection or the exclusive property value does not match that of the original declaration.';

test('an exclusive queue is for its owner alone and goes with it, unrecorded', () => {
  const { vhost, journal } = newVirtualHost();
  const [mine, other] = [{}, {}];
  const declared = vhost.declareQueue(queue('q', { exclusive: true }), mine);
  assert.equal(declared.durable, false);
  assert.equal(vhost.declareQueue(queue('q', { exclusive: true }), mine), declared);
  assert.equal(vhost.checkQueue('q', mine), declared);
  for (const command of [
    () => vhost.checkQueue('q', other),
    () => vhost.checkQueue('q', null),
    () => vhost.declareQueue(queue('q', { exclusive: true }), other),
    () => vhost.declareQueue(queue('q'), mine),
    () => vhost.deleteQueue('q', unconditionally, other),
  ]) {
    assertRefused(command, 'resource-locked', locked);
  }
  assert.equal(vhost.removeExclusiveQueues(other), 0);
  assert.equal(vhost.removeExclusiveQueues(mine), 1);
  assert.equal(declared.removals, 1);
  assertRefused(() => vhost.checkQueue('q', mine), 'not-found', "no queue 'q' in vhost '/'");
  assert.deepEqual(journal, []);
});

test('a queue that is shared cannot be declared exclusive', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q', { durable: false }), null);
  const declare = () => vhost.declareQueue(queue('q', { durable: false, exclusive: true }), {});
  assertRefused(declare, 'resource-locked', locked);
  assert.throws(() => vhost.declareQueue(queue('r', { exclusive: true }), null), /needs a connection/);
});

test('only its owner binds and unbinds an exclusive queue, and it takes its bindings along', () => {
  const { vhost, journal } = newVirtualHost();
  const owner = {};
  vhost.declareQueue(queue('q', { exclusive: true }), owner);
  vhost.bindQueue(binding('amq.topic', 'q', '#'), owner);
  const locked = (action: () => void) =>
    assert.throws(action, {
      kind: 'resource-locked',
      message: /^cannot obtain exclusive access to locked queue 'q'/,
    });
  locked(() => vhost.bindQueue(binding('amq.topic', 'q', 'a'), {}));
  locked(() => vhost.unbindQueue(binding('amq.topic', 'q', '#'), null));
  assert.deepEqual(routed(vhost, 'amq.topic', 'a'), ['q']);
  vhost.removeExclusiveQueues(owner);
  assert.deepEqual(vhost.listBindings(), []);
  assert.deepEqual(routed(vhost, 'amq.topic', 'a'), []);
  assert.deepEqual(journal, []);
});
