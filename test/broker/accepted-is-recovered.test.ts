import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Broker } from '../../src/broker/broker.ts';
import { OffsetRowsBuilder } from '../../src/broker/groups/offset-commit.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import type { VirtualHost } from '../../src/broker/topology/virtual-host.ts';
import { DEFAULT_TRANSACTION_SETTINGS } from '../../src/broker/transactions/transaction-settings.ts';
import { nodeFileSystem } from '../../src/log/files/node-filesystem.ts';
import { readSnapshot } from '../../src/log/snapshot.ts';
import { anyTable } from '../wire/amqp091/arbitraries.ts';
import { TestBroker } from './test-broker.ts';

const MIB = 1024 * 1024;
const RUNS = Number(process.env.SLUICE_RUNS ?? 15);
const STEPS = 25;

/** Names as long as a protocol can carry them: 255 bytes, of characters of each width. */
const longName = fc
  .tuple(fc.constantFrom('n', 'é', '語', '😀', '"', '\\', '\u2028', "'"), fc.nat(9999))
  .map(([character, number]) => cutTo255(`${number}${character.repeat(255)}`));
const name = fc.oneof(
  longName,
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((text) => `n${text}`),
);

function cutTo255(text: string): string {
  const characters = [...text];
  while (Buffer.byteLength(characters.join('')) > 255) characters.pop();
  return characters.join('');
}

const tag = fc.constantFrom('administrator', 'monitoring', 'a-b_c', 'x'.repeat(60));

const step = fc.oneof(
  fc.record({ kind: fc.constant('vhost' as const), name }),
  fc.record({ kind: fc.constant('queue' as const), name, table: anyTable }),
  fc.record({
    kind: fc.constant('exchange' as const),
    name,
    type: fc.constantFrom('direct', 'topic', 'headers', 'fanout', 'x-consistent-hash'),
    table: anyTable,
  }),
  fc.record({ kind: fc.constant('binding' as const), key: name, table: anyTable }),
  fc.record({ kind: fc.constant('stream' as const), name, partitions: fc.constantFrom(1, 3, 500) }),
  fc.record({
    kind: fc.constant('offsets' as const),
    group: name,
    metadata: name,
    count: fc.constantFrom(1, 1000),
  }),
  fc.record({ kind: fc.constant('user' as const), name, tags: fc.array(tag, { maxLength: 5 }) }),
  fc.record({ kind: fc.constant('policy' as const), name, priority: fc.integer({ min: -1000, max: 1000 }) }),
  fc.record({ kind: fc.constant('transaction' as const), id: name, partitions: fc.constantFrom(1, 500) }),
  fc.record({
    kind: fc.constant('message' as const),
    bytes: fc.constantFrom(0, 1, 65_535, MIB - 1, MIB, 3 * MIB),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Does it, or is refused: then nothing has to come back. */
async function perform(test: TestBroker, each: Step): Promise<void> {
  const { broker } = test;
  const vhost = broker.vhosts.get('/') as VirtualHost<Queue>;
  switch (each.kind) {
    case 'vhost':
      return broker.access.administration.createVhost(each.name);
    case 'queue':
      vhost.declareQueue(
        { name: each.name, durable: true, exclusive: false, autoDelete: false, arguments: each.table },
        null,
      );
      return;
    case 'exchange': {
      const { name, type, table } = each;
      vhost.declareExchange({
        name,
        type,
        durable: true,
        autoDelete: false,
        internal: false,
        arguments: table,
      });
      return;
    }
    case 'binding': {
      const [queue] = vhost.queues();
      if (queue === undefined) return;
      vhost.bindQueue(
        { source: 'amq.topic', destination: queue.name, routingKey: each.key, arguments: each.table },
        null,
      );
      return;
    }
    case 'stream':
      broker.streams.create({ vhost: '/', name: each.name, partitions: each.partitions, configs: new Map() });
      return;
    case 'offsets': {
      const [stream] = broker.streams.list('/');
      if (stream === undefined) return;
      const rows = new OffsetRowsBuilder();
      for (let i = 0; i < Math.min(each.count, stream.ownPartitions.length); i++)
        rows.add(stream.id, [i, Number.MAX_SAFE_INTEGER - i, -1, each.metadata]);
      const who = { memberId: '', instanceId: null, generation: -1, knowsEpochs: false };
      broker.groups.commit({ vhost: '/', group: each.group, ...who, rows: rows.rows });
      return;
    }
    case 'user':
      return broker.access.administration.addUser(each.name, null, each.tags);
    case 'policy': {
      const { name, priority } = each;
      vhost.setPolicy({ name, pattern: '.*', priority, definition: { 'max-length': 9_007_199_254_740_991 } });
      return;
    }
    case 'transaction': {
      const identity = broker.transactions.initialize({
        vhost: '/',
        id: each.id,
        timeoutMs: 60_000,
        identity: null,
      });
      const partitions = broker.streams
        .list('/')
        .flatMap((stream) => stream.ownPartitions)
        .slice(0, each.partitions);
      broker.transactions.grow({ vhost: '/', id: each.id, identity }, partitions, []);
      return;
    }
    case 'message':
      test.queue('for messages');
      test.publish('for messages', Buffer.alloc(each.bytes, 'x'));
      return;
  }
}

/** All that is durable of a broker, as its snapshot has it; it is closed by that. */
async function stateOf(broker: Broker, directory: string): Promise<unknown> {
  await broker.close();
  const snapshot = await readSnapshot(nodeFileSystem, directory);
  assert.ok(snapshot !== null);
  const { metadata, parts = [] } = snapshot.broker as { metadata: string[]; parts?: string[] };
  const logs = snapshot.logs.map(({ id, head, end }) => ({ id, head, end }));
  return { metadata: [...metadata].sort(), parts: [...parts].sort(), logs };
}

describe('what was accepted', () => {
  it('is read back, from the journal and from the snapshot, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: STEPS, maxLength: STEPS }), async (steps) => {
        const test = await TestBroker.start();
        const copy = join(test.directory, '..', 'copy');
        try {
          for (const each of steps) {
            await perform(test, each).catch((error) => {
              // What is wrong with it is said; anything else would be a fault of the broker's.
              if (!/^(BrokerError|AccessError|GroupError|TransactionError)$/.test((error as Error).name))
                throw error;
            });
          }
          await test.flush();
          // As a kill leaves it.
          await cp(test.directory, copy, { recursive: true });
          const state = await stateOf(test.broker, test.directory);
          const fromJournal = await TestBroker.on(copy);
          assert.deepEqual(await stateOf(fromJournal.broker, copy), state);
          const fromSnapshot = await TestBroker.on(test.directory);
          assert.deepEqual(await stateOf(fromSnapshot.broker, test.directory), state);
        } finally {
          await rm(join(test.directory, '..'), { recursive: true, force: true });
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('is read back where it is as large as it may be: 10,000 partitions, each in a transaction and a group', async () => {
    await using test = await TestBroker.start();
    const { broker } = test;
    const stream = broker.streams.create({
      vhost: '/',
      name: cutTo255('語'.repeat(255)),
      partitions: 10_000,
      configs: new Map(),
    });
    const { partitionsMax } = DEFAULT_TRANSACTION_SETTINGS;
    for (let from = 0; from < 10_000; from += partitionsMax) {
      const id = cutTo255(`${from}${'😀'.repeat(255)}`);
      const identity = broker.transactions.initialize({ vhost: '/', id, timeoutMs: 60_000, identity: null });
      const partitions = stream.ownPartitions.slice(from, from + partitionsMax);
      broker.transactions.grow({ vhost: '/', id, identity }, partitions, []);
    }
    const rows = new OffsetRowsBuilder();
    for (const { index } of stream.ownPartitions)
      rows.add(stream.id, [index, index, -1, 'm'.repeat(index % 20 === 0 ? 4096 : 0)]);
    const who = { memberId: '', instanceId: null, generation: -1, knowsEpochs: false };
    broker.groups.commit({ vhost: '/', group: 'g', ...who, rows: rows.rows });
    await test.flush();
    const copy = join(test.directory, '..', 'copy');
    await cp(test.directory, copy, { recursive: true });
    const fromJournal = await TestBroker.on(copy);
    assert.equal(fromJournal.broker.streams.list('/')[0]?.ownPartitions.length, 10_000);
    await fromJournal.broker.close();
    await test.restart();
    assert.equal(test.broker.streams.list('/')[0]?.ownPartitions.length, 10_000);
  });
});
