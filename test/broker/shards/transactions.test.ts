import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import {
  TransactionError,
  type TransactionErrorKind,
} from '../../../src/broker/transactions/transaction-error.ts';
import { until } from '../../support/until.ts';
import { ShardProducer } from './shard-producer.ts';
import { TestShards } from './test-shards.ts';

const SHARDS = 3;

/** A stream with a partition in each shard. */
async function start(): Promise<TestShards> {
  const shards = await TestShards.start(SHARDS);
  await create(shards, 's');
  return shards;
}

async function create(shards: TestShards, name: string): Promise<void> {
  const [first] = shards.brokers;
  first.streams.create({ vhost: '/', name, partitions: SHARDS, configs: new Map(), shards: 'spread' });
  await first.metadataIsSafe();
}

async function producerOf(shards: TestShards, id = 'orders'): Promise<ShardProducer> {
  const producer = new ShardProducer(id, () => shards.brokers);
  await producer.initialize();
  return producer;
}

function partitionIn(shards: TestShards, number: number, name = 's'): Partition {
  return shards.brokers[number].streams.get('/', name)!.ownPartitions[0];
}

function bounds(shards: TestShards): string[] {
  return [0, 1, 2].map((number) => {
    const { lastStableOffset, highWatermark } = partitionIn(shards, number);
    return `${lastStableOffset}/${highWatermark}`;
  });
}

function abortedIn(shards: TestShards, number: number): number[][] {
  const { producers, endOffset } = partitionIn(shards, number);
  return producers.abortedIn(0, endOffset).map(({ firstOffset, lastOffset }) => [firstOffset, lastOffset]);
}

function isOfKind(kind: TransactionErrorKind): (error: unknown) => boolean {
  return (error) => error instanceof TransactionError && error.kind === kind;
}

async function produceEverywhere(shards: TestShards, producer: ShardProducer, sequence = 0): Promise<void> {
  for (let number = 0; number < SHARDS; number++)
    assert.equal(await producer.produce(partitionIn(shards, number), { sequence }), 'appended');
}

describe('transactions over partitions of several shards (KIP-98, KIP-890)', () => {
  it('are committed in all of them: when the end is answered, all can be read', async () => {
    await using shards = await start();
    const producer = await producerOf(shards);
    await produceEverywhere(shards, producer);
    await until(() => bounds(shards).every((each) => each === '0/1'));
    assert.equal(await producer.end(true), true);
    assert.deepEqual(bounds(shards), ['2/2', '2/2', '2/2']);
    assert.deepEqual(
      [0, 1, 2].map((number) => abortedIn(shards, number)),
      [[], [], []],
    );
  });

  it('are aborted in all of them', async () => {
    await using shards = await start();
    const producer = await producerOf(shards);
    await produceEverywhere(shards, producer);
    assert.equal(await producer.end(false), true);
    assert.deepEqual(bounds(shards), ['2/2', '2/2', '2/2']);
    for (const number of [0, 1, 2]) assert.deepEqual(abortedIn(shards, number), [[0, 1]]);
  });

  it('follow each other at once, hundreds of them, and leave nothing behind', async () => {
    await using shards = await start();
    const producer = await producerOf(shards);
    for (let round = 0; round < 200; round++) {
      await Promise.all(
        [0, 1, 2].map(async (number) => {
          assert.equal(await producer.append(partitionIn(shards, number), { sequence: 0 }), 'appended');
        }),
      );
      assert.equal(await producer.end(round % 3 > 0), true, `round ${round}`);
    }
    assert.deepEqual(bounds(shards), ['400/400', '400/400', '400/400']);
    assert.equal(abortedIn(shards, 2).length, 67);
    for (const { transactions } of shards.brokers.slice(1)) {
      assert.equal(transactions.verification?.participants.size, 0);
      assert.equal(transactions.verification?.pendingCount, 0);
    }
  });

  it('of producers that tell their partitions before (transaction version 1) go on with the same epoch', async () => {
    await using shards = await start();
    const producer = await producerOf(shards);
    const { identity } = producer;
    for (let sequence = 0; sequence < 3; sequence++) {
      const produced = { sequence, mayAdd: false };
      assert.equal(await producer.produce(partitionIn(shards, 1), produced), 'not-in-transaction');
      await producer.addPartitions('s', [0, 1]);
      assert.equal(await producer.produce(partitionIn(shards, 1), produced), 'appended');
      assert.equal(await producer.produce(partitionIn(shards, 2), produced), 'not-in-transaction');
      assert.equal(await producer.end(true, false), true);
      assert.deepEqual(producer.identity, identity);
    }
    assert.deepEqual(bounds(shards), ['0/0', '6/6', '0/0']);
  });

  it('take no records of others: of an older epoch, another producer, another id, no transaction', async () => {
    await using shards = await start();
    const producer = await producerOf(shards);
    const partition = partitionIn(shards, 1);
    const { producerId, epoch } = producer.identity;
    assert.equal(await producer.append(partition, { sequence: 0, id: 'other' }), 'unknown-producer');
    const wrong = { producerId: producerId + 7, epoch };
    assert.equal(await producer.append(partition, { sequence: 0, identity: wrong }), 'unknown-producer');
    await producer.initialize();
    const old = { producerId, epoch };
    assert.equal(await producer.append(partition, { sequence: 0, identity: old }), 'fenced');
    assert.equal(await producer.append(partition, { sequence: 0, mayAdd: false }), 'not-in-transaction');
    assert.equal(await producer.append(partition, { sequence: 4 }), 'out-of-order');
    assert.equal(await producer.append(partition, { sequence: 0 }), 'appended');
    assert.equal(await producer.append(partition, { sequence: 1, identity: old }), 'fenced');
    assert.equal(await producer.append(partition, { sequence: 1, id: 'other' }), 'unknown-producer');
  });

  it('have no late records: those of an old epoch are refused also where nothing was written', async () => {
    await using shards = await start();
    const producer = await producerOf(shards);
    await producer.addPartitions('s', [0, 1, 2]);
    assert.equal(await producer.produce(partitionIn(shards, 1), { sequence: 0 }), 'appended');
    const { identity } = producer;
    assert.equal(await producer.end(true), true);
    for (const number of [1, 2]) {
      const late = { sequence: number === 1 ? 1 : 0, identity, mayAdd: false };
      assert.equal(await producer.append(partitionIn(shards, number), late), 'fenced');
    }
    assert.deepEqual(bounds(shards), ['0/0', '2/2', '0/0']);
  });

  it('are aborted when somebody else takes the transactional id, who can begin at once', async () => {
    await using shards = await start();
    const first = await producerOf(shards);
    await produceEverywhere(shards, first);
    const second = await producerOf(shards);
    assert.deepEqual(bounds(shards), ['2/2', '2/2', '2/2']);
    for (const number of [0, 1, 2]) {
      assert.equal(await first.append(partitionIn(shards, number), { sequence: 1 }), 'fenced');
      assert.equal(await second.append(partitionIn(shards, number), { sequence: 0 }), 'appended');
    }
    await assert.rejects(first.end(true), isOfKind('fenced'));
    assert.equal(await second.end(true), true);
    assert.deepEqual(bounds(shards), ['4/4', '4/4', '4/4']);
  });

  it('are aborted in all shards when their timeout is over', async () => {
    await using shards = await start();
    const producer = new ShardProducer('orders', () => shards.brokers);
    await producer.initialize(null, 100);
    await produceEverywhere(shards, producer);
    await until(() => bounds(shards).every((each) => each === '2/2'));
    assert.equal(await producer.append(partitionIn(shards, 2), { sequence: 1 }), 'fenced');
    for (const number of [0, 1, 2]) assert.deepEqual(abortedIn(shards, number), [[0, 1]]);
  });

  it('commit the offsets of groups together with the records', async () => {
    await using shards = await start();
    const producer = await producerOf(shards);
    const [{ transactions, groups, streams }] = shards.brokers;
    for (const isCommit of [false, true]) {
      await produceEverywhere(shards, producer);
      transactions.admitGroup(producer.owner, 'g', true);
      const rows = { [streams.get('/', 's')!.id]: [[0, 7] as const] };
      const member = { memberId: '', instanceId: null, generation: -1, knowsEpochs: false };
      groups.addPending(producer.identity.producerId, { vhost: '/', group: 'g', ...member, rows });
      assert.equal(await producer.end(isCommit), true);
      const committed = groups.find('/', 'g')?.offsets.get(streams.get('/', 's')!.id, 0)?.offset;
      assert.equal(committed, isCommit ? 7 : undefined);
    }
  });

  it('go on after a restart of all shards, and end in all of them', async () => {
    await using shards = await start();
    const producer = await producerOf(shards);
    await produceEverywhere(shards, producer);
    await shards.restart();
    assert.deepEqual(bounds(shards), ['0/1', '0/1', '0/1']);
    const { transactions } = shards.brokers[0];
    const found = transactions.find('/', 'orders')!;
    assert.deepEqual([...found.partitions].map(({ shard }) => shard).sort(), [0, 1, 2]);
    for (const number of [0, 1, 2]) {
      assert.equal(await producer.append(partitionIn(shards, number), { sequence: 0 }), 'duplicate');
      assert.equal(await producer.append(partitionIn(shards, number), { sequence: 1 }), 'appended');
    }
    assert.equal(await producer.end(true), true);
    assert.deepEqual(bounds(shards), ['3/3', '3/3', '3/3']);
    await shards.restart();
    assert.deepEqual(bounds(shards), ['3/3', '3/3', '3/3']);
  });

  it('do not begin anywhere before the end of the last one is in all shards; who has ended it waits', async () => {
    await using shards = await start();
    const producer = await producerOf(shards);
    await produceEverywhere(shards, producer);
    const [{ transactions, streams }] = shards.brokers;
    const { owner } = producer;
    const next = transactions.end(owner, true, true);
    const found = transactions.find('/', 'orders')!;
    assert.equal(found.isSettling, true);
    const renewed = { ...owner, identity: next };
    const { partitions } = streams.get('/', 's')!;
    assert.throws(() => transactions.grow(renewed, partitions, []), isOfKind('concurrent'));
    assert.throws(() => transactions.grow(renewed, [], ['g']), isOfKind('concurrent'));
    assert.throws(() => transactions.admitGroup(renewed, 'g', true), isOfKind('concurrent'));
    const again = { vhost: '/', id: 'orders', timeoutMs: 1000, identity: null };
    assert.throws(() => transactions.initialize(again), isOfKind('concurrent'));
    producer.identity = next;
    assert.equal(await producer.append(partitionIn(shards, 0), { sequence: 0 }), 'concurrent');
    assert.equal(await producer.append(partitionIn(shards, 1), { sequence: 0 }), 'concurrent');
    // Once more, as a client does whose answer was lost: it is ended, and the same identity is given.
    assert.deepEqual(transactions.end(owner, true, true), next);
    assert.equal(await transactions.settling.settled(owner), true);
    assert.deepEqual(bounds(shards), ['2/2', '2/2', '2/2']);
    assert.equal(await producer.append(partitionIn(shards, 1), { sequence: 0 }), 'appended');
  });

  it('are over for an answer that was on its way when the end came: it is asked for again', async () => {
    await using shards = await start();
    const producer = await producerOf(shards);
    const partition = partitionIn(shards, 1);
    const { verification } = shards.brokers[1].transactions;
    const asked: string[] = [];
    verification!.ask({ owner: producer.owner, mayAdd: true, partitions: [partition] }, (refused) => {
      asked.push(refused.get(partition) ?? 'in the transaction');
    });
    // The end comes while the answer is awaited.
    verification!.ended(producer.identity.producerId);
    await until(() => asked.length > 0);
    assert.deepEqual(asked, ['in the transaction']);
    assert.equal(verification!.pendingCount, 0);
    const { identity } = producer;
    await producer.end(false);
    assert.equal(await producer.append(partition, { sequence: 0, identity }), 'fenced');
  });

  it('go on without a stream that was deleted', async () => {
    await using shards = await start();
    await create(shards, 't');
    const producer = await producerOf(shards);
    await produceEverywhere(shards, producer);
    for (const number of [0, 1, 2])
      assert.equal(await producer.produce(partitionIn(shards, number, 't'), { sequence: 0 }), 'appended');
    const [{ streams, metadataIsSafe }] = shards.brokers;
    streams.delete(streams.get('/', 't')!);
    await metadataIsSafe.call(shards.brokers[0]);
    assert.equal(await producer.end(true), true);
    assert.deepEqual(bounds(shards), ['2/2', '2/2', '2/2']);
  });

  it('leave producers behind that are forgotten in every shard, when they are silent for long', async () => {
    const transactions = { checkMs: 20, producerExpirationMs: 200 };
    await using shards = await TestShards.start(SHARDS, { transactions });
    await create(shards, 's');
    const producer = await producerOf(shards);
    await produceEverywhere(shards, producer);
    const sizes = () => [0, 1, 2].map((number) => partitionIn(shards, number).producers.size);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual(sizes(), [1, 1, 1], 'in an open transaction');
    assert.equal(await producer.end(true), true);
    await until(() => sizes().join() === '0,0,0');
  });

  it('are coordinated in shard 0 alone: the others refuse', async () => {
    await using shards = await start();
    const [, { transactions }] = shards.brokers;
    const refused = isOfKind('not-coordinator');
    assert.throws(() => transactions.newProducer(), refused);
    const request = { vhost: '/', id: 'x', timeoutMs: 1000, identity: null };
    assert.throws(() => transactions.initialize(request), refused);
    const owner = { vhost: '/', id: 'x', identity: { producerId: 0, epoch: 0 } };
    assert.throws(() => transactions.end(owner, true, true), refused);
    assert.throws(() => transactions.grow(owner, [], ['g']), refused);
  });

  it('wait with their end while it has no room on the way to another shard, and nothing is half done', async () => {
    await using shards = await start();
    const producer = await producerOf(shards);
    await produceEverywhere(shards, producer);
    const outboxes = shards.brokers[0].shard.outboxes!;
    const waiting: (() => void)[] = [];
    const { reserveAll, whenRoom } = outboxes;
    Object.assign(outboxes, {
      reserveAll: () => false,
      whenRoom: (listener: () => void) => waiting.push(listener),
    });
    const { transactions } = shards.brokers[0];
    assert.throws(() => transactions.end(producer.owner, true, true), isOfKind('no-room'));
    const ending = producer.end(true);
    await until(() => waiting.length > 0);
    assert.deepEqual(bounds(shards), ['0/1', '0/1', '0/1']);
    assert.equal(transactions.find('/', 'orders')?.isOngoing, true);
    assert.equal(await producer.append(partitionIn(shards, 2), { sequence: 1 }), 'appended');
    Object.assign(outboxes, { reserveAll, whenRoom });
    for (const listener of waiting) listener();
    assert.equal(await ending, true);
    assert.deepEqual(bounds(shards), ['2/2', '2/2', '3/3']);
  });
});
