import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RecordMessage } from '../../../src/broker/messages/message-from-record.ts';
import { FeedBatch } from '../../../src/broker/streams/bindings/feed-batch.ts';
import { OutboxNetwork } from '../../crash/outbox-network.ts';
import { OutboxNode } from '../../crash/outbox-node.ts';
import { runOutboxes } from '../../crash/outboxes.ts';
import { describeFailure } from '../../crash/power-cut.ts';
import { SimulatedTime } from '../../crash/simulated-time.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { fillView, TestConsumer } from '../test-broker.ts';

/** `npm run test:crash -- --outboxes` runs thousands; these are for every day. */
const SEEDS = 60;

describe('shards whose links lose, repeat, reorder and delay what leaves one for another, and whose power is cut', () => {
  it('have each message once, in order, and each transaction in all of them or in none', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const failure = await runOutboxes(seed);
      if (failure !== null) assert.fail(describeFailure(failure));
    }
  });
});

const KIB = 1024;

/** Two shards with a link without faults, and outboxes for so many entries. */
async function pair(entries: number): Promise<{
  readonly nodes: readonly OutboxNode[];
  readonly network: OutboxNetwork;
  pass(ms: number): Promise<void>;
}> {
  const random = seededRandom(1);
  const time = new SimulatedTime(random);
  const network = new OutboxNetwork(random, { loss: 0, repetition: 0, reordering: 0, refusal: 0 });
  const nodes = [0, 1].map(
    (number) =>
      new OutboxNode({
        number,
        count: 2,
        queues: 2,
        network,
        limits: { entries, bytes: KIB * KIB },
        storage: {
          directory: '/data',
          fileSystem: new SimulatedFileSystem({ schedule: (run) => time.operation(run) }),
          clock: time,
          scheduler: time,
          durability: { mode: 'sync' },
          chunkBytes: 64 * KIB,
          journalFileBytes: KIB * KIB,
          journalBytes: 4 * KIB * KIB,
          memoryBytes: KIB * KIB,
          segmentBytes: KIB * KIB,
          diskFreeBytes: 0,
          reclaimMs: 1000,
        },
        onProblem: (error) => assert.fail(error),
      }),
  );
  const pass = async (ms: number): Promise<void> => {
    let rang = false;
    time.after(ms, () => {
      rang = true;
    });
    while (!rang) {
      network.step();
      await time.step();
    }
  };
  for (const node of nodes) await time.outcomeOf(node.recover(), 'the start', 1000, () => null);
  for (const { vhosts } of nodes) {
    const vhost = vhosts.create('/');
    for (const [name, args] of [
      ['source', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead', 'x-message-ttl': 1 }],
      ['dead', { 'x-shard': 1 }],
    ] as const) {
      vhost.declareQueue({ name, durable: true, exclusive: false, autoDelete: false, arguments: args }, null);
    }
  }
  await pass(100);
  return { nodes, network, pass };
}

describe('an outbox', () => {
  it('is not there until something leaves', async () => {
    const { nodes } = await pair(10);
    assert.deepEqual(
      nodes.map(({ outboxes }) => outboxes.outboxes.size),
      [0, 0],
    );
  });

  it('that is full lets dead letters wait in their queue, as many as there are, and go in order when there is room', async () => {
    const { nodes, network, pass } = await pair(10);
    const [near, far] = nodes;
    const source = near.queue('source');
    const publish = (body: string): void => {
      near.shard.turn.touch();
      fillView(near.publisher.messageView, 'source', body);
      near.publisher.publish(
        {
          queues: [source],
          streams: [],
          directReplies: [],
          delayMs: -1,
          isCutOff: false,
          version: 0,
          cacheable: false,
        },
        true,
      );
    };
    publish('0');
    await pass(100);
    assert.equal(far.queue('dead').readyCount, 1);
    network.setDown(0, 1, true);
    for (let i = 1; i <= 50; i++) publish(`${i}`);
    await pass(5000);
    const outbox = near.outboxes.to(1);
    assert.deepEqual([outbox.count, source.leavingCount, source.readyCount], [10, 40, 0]);
    assert.deepEqual([source.ledger.deadLettered, far.queue('dead').readyCount], [11, 1]);
    assert.ok(source.isBalanced);
    network.setDown(0, 1, false);
    await pass(5000);
    assert.deepEqual([outbox.count, outbox.bytes, source.leavingCount], [0, 0, 0]);
    assert.deepEqual([source.ledger.deadLettered, far.queue('dead').ledger.routed], [51, 51]);
  });

  it('that is full keeps what a stream feeds where it is, until there is room', async () => {
    const { nodes, network, pass } = await pair(10);
    const [near, far] = nodes;
    const dead = near.vhost?.findQueue('dead');
    assert.ok(dead);
    const route = {
      queues: [dead],
      streams: [],
      directReplies: [],
      delayMs: -1,
      isCutOff: false,
      version: 0,
      cacheable: false,
    };
    const batch = new FeedBatch(near.shard);
    let fed = 0;
    let isWaiting = false;
    let written = 0;
    const feed = (): void => {
      isWaiting = false;
      near.shard.turn.touch();
      while (fed < 50 && !batch.isFull) {
        const message = {
          priority: 0,
          fill: (view: Parameters<typeof fillView>[0]) => fillView(view, 'k', `${fed}`),
        };
        isWaiting = !batch.add(message as unknown as RecordMessage, route, Buffer.alloc(0), feed);
        if (isWaiting) break;
        fed++;
      }
      if (batch.count === 0) return;
      written++;
      batch.write(() => Buffer.from(`{"op":"view.fed","to":${fed}}`));
    };
    feed();
    assert.deepEqual([fed, isWaiting], [0, true]);
    network.setDown(0, 1, true);
    await pass(5000);
    assert.equal(fed, 0);
    network.setDown(0, 1, false);
    await pass(5000);
    assert.deepEqual([fed, isWaiting, far.queue('dead').readyCount], [50, false, 50]);
    assert.ok(written >= 5);
    const consumer = new TestConsumer(far.queue('dead'));
    await pass(100);
    assert.deepEqual(
      consumer.bodies,
      Array.from({ length: 50 }, (_, i) => `${i}`),
    );
  });
});
