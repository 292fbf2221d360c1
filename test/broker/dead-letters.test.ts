import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Queue } from '../../src/broker/queue.ts';
import { bareMessage } from '../../src/broker/topology/routing.ts';
import { fillParts, TestBroker } from './test-broker.ts';

const MIB = 1024 * 1024;
const PERSISTENT = Buffer.from([0x10, 0, 2]);
const TRANSIENT = Buffer.from([0x10, 0, 1]);

function declare(broker: TestBroker, ttlMs: number): Queue {
  const vhost = broker.broker.vhost('/');
  assert.ok(vhost !== undefined);
  const args = { 'x-message-ttl': ttlMs, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' };
  const flags = { durable: true, exclusive: false, autoDelete: false };
  return vhost.declareQueue({ name: 'short', ...flags, arguments: args }, null);
}

/** Publishes as fast as the broker lets a publisher. */
async function fill(broker: TestBroker, queue: Queue, count: number, properties: Buffer): Promise<void> {
  const vhost = broker.broker.vhost('/');
  assert.ok(vhost !== undefined);
  const { publisher } = broker;
  const route = vhost.route(vhost.defaultExchange, queue.name, bareMessage);
  for (let i = 0; i < count; i++) {
    broker.broker.turn.touch();
    fillParts(publisher.parts, queue.name, Buffer.alloc(1000, 0x78));
    publisher.parts.protocol = 1;
    publisher.parts.properties = properties;
    publisher.parts.propertiesEnd = properties.length;
    publisher.publish(route, properties === PERSISTENT);
    if (i % 200 === 0) await new Promise(setImmediate);
    while (publisher.mustPause) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

for (const [kind, properties] of [
  ['persistent', PERSISTENT],
  ['transient', TRANSIENT],
] as const) {
  test(`a backlog of ${kind} messages on disk expires to the last one, and memory stays bounded`, async () => {
    await using broker = await TestBroker.start({
      memoryLimitBytes: 8 * MIB,
      journalLimitBytes: 16 * MIB,
      journalFileBytes: 4 * MIB,
    });
    const count = 50_000;
    const dead = broker.queue('dead');
    const queue = declare(broker, 1500);
    await fill(broker, queue, count, properties);
    const { chunks } = broker.broker.store;
    let most = 0;
    for (let i = 0; i < 2000 && dead.readyCount < count; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      most = Math.max(most, chunks.bytes);
    }
    assert.equal(dead.readyCount, count);
    assert.equal(queue.readyCount, 0);
    assert.equal(queue.ledger.deadLettered, count);
    assert.ok(queue.isBalanced && dead.isBalanced);
    // Four times the limit, what is added before that is noticed, and what was read back.
    assert.ok(most < 48 * MIB, `${Math.round(most / MIB)} MiB`);
  });
}
