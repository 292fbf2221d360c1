import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { fillView, settled, TestBroker, TestConsumer } from '../test-broker.ts';

test('what is on its way out when the dead-letter exchange is taken away is dropped, and goes nowhere else', async () => {
  await using broker = await TestBroker.start();
  const vhost = broker.broker.vhosts.get('/');
  assert.ok(vhost);
  const queue = broker.queue('q');
  const dead = broker.queue('dead');
  vhost.setPolicy({
    name: 'dead',
    pattern: '^q$',
    definition: { 'dead-letter-exchange': '', 'dead-letter-routing-key': 'dead' },
  });
  const consumer = new TestConsumer(queue, { prefetch: 3 });
  for (let i = 0; i < 3; i++) broker.publish('q', `m${i}`);
  await settled();
  consumer.unacknowledged.reject(0, true, false);
  consumer.consumer.cancel();
  vhost.clearPolicy('dead');
  await settled();
  assert.deepEqual([queue.readyCount, queue.leavingCount, dead.readyCount], [0, 0, 0]);
  assert.deepEqual([queue.ledger.dropped, queue.ledger.deadLettered], [3, 0]);
  assert.ok(queue.isBalanced);
});

test('however many messages expire, are dropped or rejected at once, each turn moves a limited number of them', async () => {
  await using broker = await TestBroker.start();
  const vhost = broker.broker.vhosts.get('/');
  assert.ok(vhost);
  const count = 6000;
  for (const definition of [{ 'message-ttl': 0 }, { 'max-length': 0 }, {}]) {
    const queue = broker.queue('q');
    const dead = broker.queue('dead');
    const consumer =
      'message-ttl' in definition || 'max-length' in definition ? null : new TestConsumer(queue);
    for (let i = 0; i < count; i++) broker.publish('q', 'm', false);
    await settled();
    vhost.setPolicy({
      name: 'dead',
      pattern: '^q$',
      definition: { ...definition, 'dead-letter-exchange': '', 'dead-letter-routing-key': 'dead' },
    });
    consumer?.unacknowledged.reject(0, true, false);
    let most = 0;
    for (let before = 0; dead.readyCount < count; ) {
      await new Promise(setImmediate);
      most = Math.max(most, dead.readyCount - before);
      before = dead.readyCount;
    }
    assert.ok(most <= 2048, `${most} in one turn`);
    consumer?.consumer.cancel();
    assert.ok(queue.isBalanced);
    vhost.clearPolicy('dead');
    vhost.deleteQueue('dead', { ifUnused: false, ifEmpty: false }, null);
    vhost.deleteQueue('q', { ifUnused: false, ifEmpty: false }, null);
  }
});

test('messages that each take long to be routed leave a few at a time, however quickly those before them went', async () => {
  await using broker = await TestBroker.start();
  const vhost = broker.broker.vhosts.get('/');
  assert.ok(vhost);
  const queue = broker.queue('q');
  const dead = broker.queue('dead');
  const { clock, turn } = broker.broker.shard;
  const monotonicMs = clock.monotonicMs.bind(clock);
  // Time stands still but for messages that differ from those before them: each of these takes 10 ms.
  let nowMs = monotonicMs();
  clock.monotonicMs = () => nowMs;
  const view = broker.publisher.messageView;
  const publish = (messageId: string) => {
    turn.touch();
    fillView(view, 'q', 'm');
    const id = Buffer.from(messageId);
    view.properties = Buffer.concat([Buffer.from([0, 0x80, id.length]), id]);
    view.propertiesEnd = view.properties.length;
    broker.publisher.publish(vhost.route(vhost.defaultExchange, 'q', bareMessage), false);
  };
  const [alike, different] = [2000, 300];
  for (let i = 0; i < alike; i++) publish('same');
  for (let i = 0; i < different; i++) publish(`other ${i}`);
  let routed = 0;
  const route = vhost.route.bind(vhost);
  vhost.route = (...message) => {
    nowMs += 10;
    routed++;
    return route(...message);
  };
  const { deadLettering } = broker.broker;
  const send = deadLettering.send.bind(deadLettering);
  let most = 0;
  deadLettering.send = (from, batch) => {
    const before = routed;
    const sent = send(from, batch);
    most = Math.max(most, routed - before);
    return sent;
  };
  vhost.setPolicy({
    name: 'dead',
    pattern: '^q$',
    definition: { 'message-ttl': 0, 'dead-letter-exchange': '', 'dead-letter-routing-key': 'dead' },
  });
  let mostInTurn = 0;
  while (dead.readyCount < alike + different) {
    const before = routed;
    await new Promise(setImmediate);
    mostInTurn = Math.max(mostInTurn, routed - before);
  }
  assert.equal(most, 1);
  assert.ok(mostInTurn <= 8, `${mostInTurn} in one turn`);
  clock.monotonicMs = monotonicMs;
  assert.ok(queue.isBalanced);
});
