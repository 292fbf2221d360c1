import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemScheduler } from '../../../src/base/scheduler.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import type { Owner } from '../../../src/broker/transactions/requests.ts';
import {
  TransactionError,
  type TransactionErrorKind,
} from '../../../src/broker/transactions/transaction-error.ts';
import type { ProducerIdentity } from '../../../src/broker/transactions/transactional-producer.ts';
import type { Transactions } from '../../../src/broker/transactions/transactions.ts';
import { producedBatch } from '../streams/producers/produced-batch.ts';
import { TestBroker } from '../test-broker.ts';

const ID = 'orders';
const TIMEOUT_MS = 60_000;
const EPOCH_MAX = 0x7fff;

class Bench implements AsyncDisposable {
  readonly test: TestBroker;

  private constructor(test: TestBroker) {
    this.test = test;
  }

  static async start(): Promise<Bench> {
    const bench = new Bench(await TestBroker.start());
    bench.test.broker.streams.create({ vhost: '/', name: 's', partitions: 3, configs: new Map() });
    return bench;
  }

  get transactions(): Transactions {
    return this.test.broker.transactions;
  }

  partition(index = 0): Partition {
    return this.test.broker.streams.get('/', 's')!.ownPartitions[index];
  }

  initialize(identity: ProducerIdentity | null = null, id = ID): ProducerIdentity {
    return this.transactions.initialize({ vhost: '/', id, timeoutMs: TIMEOUT_MS, identity });
  }

  /** As Produce does. */
  produce(identity: ProducerIdentity, sequence: number, index = 0, mayAdd = true): string {
    const batch = producedBatch(['x'], { ...identity, sequence, isTransactional: true });
    const partition = this.partition(index);
    const error = this.transactions.admit(partition, batch, 0, { transactionalId: ID, mayAdd });
    if (error !== null) return error;
    const check = partition.producers.check(batch, 0);
    if (check !== 'new') return check;
    partition.append(batch, 0, batch.length);
    return 'appended';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.test[Symbol.asyncDispose]();
  }
}

function owner(identity: ProducerIdentity, id = ID): Owner {
  return { vhost: '/', id, identity };
}

function refuses(kind: TransactionErrorKind, action: () => unknown): void {
  assert.throws(action, (error) => error instanceof TransactionError && error.kind === kind);
}

test('producers get ids of their own, also after a restart', async () => {
  await using bench = await Bench.start();
  const seen = new Set<number>();
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 1500; j++) seen.add(bench.transactions.newProducer().producerId);
    await bench.test.restart();
  }
  assert.equal(seen.size, 4500);
});

test('whoever asks for a transactional id gets it, with the next epoch, and fences who had it', async () => {
  await using bench = await Bench.start();
  const first = bench.initialize();
  const second = bench.initialize();
  assert.deepEqual(second, { producerId: first.producerId, epoch: 1 });
  assert.equal(bench.produce(first, 0), 'fenced');
  refuses('fenced', () => bench.transactions.grow(owner(first), [bench.partition()], []));
  refuses('fenced', () => bench.transactions.end(owner(first), true, false));
  await bench.test.restart();
  assert.equal(bench.produce(first, 0), 'fenced');
  assert.equal(bench.produce(second, 0), 'appended');
  refuses('unknown-producer', () => bench.transactions.end(owner({ producerId: 99, epoch: 0 }), true, false));
  refuses('unknown-producer', () => bench.transactions.end(owner(second, 'other'), true, false));
});

test('a producer may have its epoch renewed, once, however often it asks', async () => {
  await using bench = await Bench.start();
  const first = bench.initialize();
  const renewed = bench.initialize(first);
  assert.equal(renewed.epoch, 1);
  assert.deepEqual(bench.initialize(first), renewed);
  await bench.test.restart();
  assert.deepEqual(bench.initialize(first), renewed);
  const other = bench.initialize();
  refuses('fenced', () => bench.initialize(renewed));
  refuses('fenced', () => bench.initialize(first));
  assert.equal(bench.initialize(other).epoch, 3);
});

test('a transaction is committed or aborted in all of its partitions', async () => {
  await using bench = await Bench.start();
  for (const isCommit of [true, false]) {
    const identity = bench.initialize();
    const starts = [0, 1].map((index) => bench.partition(index).endOffset);
    assert.equal(bench.produce(identity, 0, 0), 'appended');
    assert.equal(bench.produce(identity, 0, 1), 'appended');
    await bench.test.flush();
    assert.equal(bench.partition(0).lastStableOffset, starts[0]);
    bench.transactions.end(owner(identity), isCommit, false);
    assert.equal(bench.partition(0).lastStableOffset, starts[0], 'a crash may still undo it');
    await bench.test.flush();
    for (const index of [0, 1]) {
      const { lastStableOffset, endOffset, producers } = bench.partition(index);
      assert.equal(lastStableOffset, endOffset);
      const aborted = producers.abortedIn(starts[index], endOffset);
      assert.equal(aborted.length, isCommit ? 0 : 1);
    }
  }
  assert.equal(bench.partition(2).endOffset, 0);
});

test('an open transaction is open again after a restart, with all that it has', async () => {
  await using bench = await Bench.start();
  const identity = bench.initialize();
  bench.transactions.grow(owner(identity), [bench.partition(2)], ['group']);
  assert.equal(bench.produce(identity, 0, 0), 'appended');
  assert.equal(bench.produce(identity, 0, 1), 'appended');
  for (let i = 0; i < 2; i++) {
    await bench.test.restart();
    const producer = bench.transactions.find('/', ID)!;
    assert.equal(producer.state, 'ongoing');
    assert.deepEqual([...producer.partitions].map(({ index }) => index).sort(), [0, 1, 2]);
    assert.deepEqual([...producer.groups], ['group']);
    assert.equal(bench.partition(0).lastStableOffset, 0);
  }
  assert.equal(bench.produce(identity, 0, 0), 'duplicate');
  assert.equal(bench.produce(identity, 1, 0), 'appended');
  bench.transactions.end(owner(identity), true, false);
  await bench.test.restart();
  assert.equal(bench.transactions.find('/', ID)!.state, 'committed');
  assert.equal(bench.partition(0).lastStableOffset, 3);
  assert.equal(bench.partition(1).lastStableOffset, 2);
});

test('who asks for the transactional id aborts what is open', async () => {
  await using bench = await Bench.start();
  const first = bench.initialize();
  assert.equal(bench.produce(first, 0), 'appended');
  const second = bench.initialize();
  assert.equal(bench.produce(first, 1), 'fenced');
  await bench.test.flush();
  assert.equal(bench.partition().lastStableOffset, 2);
  assert.equal(bench.partition().producers.abortedIn(0, 2).length, 1);
  assert.equal(bench.produce(second, 0), 'appended');
});

test('with each end a producer that knows of it is renewed, and nothing late gets into the next transaction', async () => {
  await using bench = await Bench.start();
  const first = bench.initialize();
  assert.equal(bench.produce(first, 0), 'appended');
  const second = bench.transactions.end(owner(first), true, true);
  assert.deepEqual(second, { producerId: first.producerId, epoch: 1 });
  assert.equal(bench.produce(first, 1), 'fenced');
  assert.equal(bench.produce(first, 0, 1), 'fenced');
  // The answer was lost.
  assert.deepEqual(bench.transactions.end(owner(first), true, true), second);
  refuses('invalid-state', () => bench.transactions.end(owner(first), false, true));
  // Nothing is open.
  refuses('invalid-state', () => bench.transactions.end(owner(second), true, true));
  const third = bench.transactions.end(owner(second), false, true);
  assert.equal(third.epoch, 2);
  await bench.test.restart();
  assert.deepEqual(bench.transactions.end(owner(second), false, true), third);
  assert.equal(bench.produce(third, 0), 'appended');
  refuses('fenced', () => bench.transactions.end(owner(second), false, true));
});

test('without that, an end may be asked for twice, but not another one', async () => {
  await using bench = await Bench.start();
  const identity = bench.initialize();
  refuses('invalid-state', () => bench.transactions.end(owner(identity), true, false));
  assert.equal(bench.produce(identity, 0, 0, false), 'not-in-transaction');
  bench.transactions.grow(owner(identity), [bench.partition()], []);
  assert.equal(bench.produce(identity, 0, 0, false), 'appended');
  assert.deepEqual(bench.transactions.end(owner(identity), true, false), identity);
  assert.deepEqual(bench.transactions.end(owner(identity), true, false), identity);
  refuses('invalid-state', () => bench.transactions.end(owner(identity), false, false));
  assert.equal(bench.produce(identity, 1, 0, false), 'not-in-transaction');
});

test('when the epochs are used up, the producer gets another id', async () => {
  await using bench = await Bench.start();
  const first = bench.initialize();
  let last = first;
  while (last.epoch < EPOCH_MAX - 1) last = bench.initialize(last);
  assert.equal(last.producerId, first.producerId);
  assert.equal(bench.produce(last, 0), 'appended');
  const next = bench.transactions.end(owner(last), true, true);
  assert.notEqual(next.producerId, first.producerId);
  assert.equal(next.epoch, 0);
  assert.deepEqual(bench.transactions.end(owner(last), true, true), next);
  assert.deepEqual(bench.initialize(last), next);
  assert.equal(bench.produce(last, 1), 'unknown-producer');
  assert.equal(bench.produce(next, 0), 'appended');
  await bench.test.flush();
  assert.equal(bench.partition().lastStableOffset, 2);
});

test('a transaction goes on without a stream that was deleted', async () => {
  await using bench = await Bench.start();
  const identity = bench.initialize();
  assert.equal(bench.produce(identity, 0), 'appended');
  const { streams } = bench.test.broker;
  streams.delete(streams.get('/', 's')!);
  streams.create({ vhost: '/', name: 's', partitions: 3, configs: new Map() });
  assert.equal(bench.produce(identity, 0), 'appended');
  bench.transactions.end(owner(identity), true, false);
  await bench.test.restart();
  assert.equal(bench.partition().lastStableOffset, 2);
});

test('a transaction that takes too long is not possible', async () => {
  await using bench = await Bench.start();
  const request = { vhost: '/', id: ID, identity: null };
  refuses('invalid-timeout', () => bench.transactions.initialize({ ...request, timeoutMs: 0 }));
  refuses('invalid-timeout', () => bench.transactions.initialize({ ...request, timeoutMs: 900_001 }));
  refuses('invalid-request', () => bench.initialize(null, ''));
  refuses('invalid-request', () => bench.initialize(null, 'x'.repeat(1001)));
});

test('a transaction has so many groups, and no more', async () => {
  await using bench = await Bench.start();
  const identity = bench.initialize();
  for (let i = 0; i < 1000; i++) bench.transactions.grow(owner(identity), [], [`group ${i}`]);
  refuses('too-many', () => bench.transactions.grow(owner(identity), [], ['another']));
  bench.transactions.grow(owner(identity), [], ['group 7']);
  bench.transactions.end(owner(identity), true, false);
});

test('a transactional id that is not used for long is forgotten, one with an open transaction is not', async () => {
  let nowMs = 1_700_000_000_000;
  const clock = { now: () => nowMs, monotonicMs: () => nowMs };
  let check: () => void = () => undefined;
  const day = 24 * 60 * 60 * 1000;
  const scheduler = {
    ...systemScheduler,
    every: (ms: number, run: () => void) => {
      if (ms === 12_345) check = run;
      return systemScheduler.every(ms, run);
    },
    after: (ms: number, run: () => void) => systemScheduler.after(ms > 1000 ? day : ms, run),
  };
  await using test = await TestBroker.start({ clock, scheduler, transactions: { checkMs: 12_345 } });
  const { transactions } = test.broker;
  transactions.initialize({ vhost: '/', id: 'idle', timeoutMs: 1000, identity: null });
  const identity = transactions.initialize({ vhost: '/', id: 'busy', timeoutMs: 1000, identity: null });
  transactions.grow(owner(identity, 'busy'), [], ['group']);
  nowMs += 7 * day - 1;
  check();
  assert.notEqual(transactions.find('/', 'idle'), undefined);
  nowMs += 1;
  check();
  assert.equal(transactions.find('/', 'idle'), undefined);
  assert.equal(transactions.find('/', 'busy')?.state, 'ongoing');
});

test('a transactional id belongs to its virtual host', async () => {
  await using bench = await Bench.start();
  const identity = bench.initialize();
  const other = bench.transactions.initialize({ vhost: 'other', id: ID, timeoutMs: 1000, identity: null });
  assert.notEqual(other.producerId, identity.producerId);
  assert.equal(bench.produce(other, 0), 'unknown-producer');
  assert.equal(bench.produce(identity, 0), 'appended');
});

test('records of a transaction that nobody has begun are refused', async () => {
  await using bench = await Bench.start();
  assert.equal(bench.produce({ producerId: 12, epoch: 0 }, 0), 'unknown-producer');
});

test('with a virtual host its transactional ids go', async () => {
  await using bench = await Bench.start();
  const { vhosts } = bench.test.broker;
  vhosts.create('other');
  bench.transactions.initialize({ vhost: 'other', id: ID, timeoutMs: 1000, identity: null });
  vhosts.delete('other');
  await bench.test.restart();
  assert.equal(bench.transactions.find('other', ID), undefined);
});
