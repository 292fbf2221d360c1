import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AbortedTransaction } from '../../../../src/broker/streams/producers/aborted-transactions.ts';
import { sequenceAfter } from '../../../../src/broker/streams/producers/producer.ts';
import { type Check, ProducerStates } from '../../../../src/broker/streams/producers/producer-states.ts';
import { transactionEndBatch } from '../../../../src/records/transaction-marker.ts';
import { assertLinear } from '../../../support/growth.ts';
import { batchOf } from '../batches.ts';
import { type ProducedBy, producedBatch } from './produced-batch.ts';

const SEQUENCE_MAX = 0x7fffffff;

/** A partition of which nothing counts but its producers. */
class Log {
  states = new ProducerStates();
  end = 0;

  /** What is said to the batch; it is appended if it is new. */
  offer(by: ProducedBy, records = 1, nowMs = 0): Check {
    const batch = producedBatch(Array<string>(records).fill('x'), by);
    const check = this.states.check(batch, 0);
    if (check === 'new') this.append(batch, nowMs);
    return check;
  }

  append(batch: Buffer, nowMs = 0): void {
    this.states.appended(batch, 0, this.end, nowMs);
    this.end += batch.readInt32BE(23) + 1;
  }

  finish(producerId: number, producerEpoch: number, isCommit: boolean): void {
    const end = { producerId, producerEpoch, isCommit, timestampMs: 0, coordinatorEpoch: 0 };
    this.append(transactionEndBatch(end));
  }

  abortedIn(from: number, below: number): AbortedTransaction[] {
    return this.states
      .abortedIn(from, below)
      .map(({ producerId, firstOffset, lastOffset }) => ({ producerId, firstOffset, lastOffset }));
  }

  /** As after a restart. */
  reload(): void {
    const state = this.states.state();
    this.states = new ProducerStates();
    if (state !== null) this.states.restore(JSON.parse(JSON.stringify(state)) as typeof state);
  }
}

function by(sequence: number, epoch = 0, producerId = 7): ProducedBy {
  return { producerId, epoch, sequence };
}

function within(sequence: number, epoch = 0, producerId = 7): ProducedBy {
  return { producerId, epoch, sequence, isTransactional: true };
}

test('batches without a producer are all new, and leave no trace', () => {
  const log = new Log();
  const batch = batchOf(['a']);
  assert.equal(log.states.check(batch, 0), 'new');
  log.append(batch);
  assert.equal(log.states.check(batch, 0), 'new');
  assert.equal(log.states.size, 0);
});

test('a batch that is sent again is known, with the offset that it got, as one of the last five', () => {
  const log = new Log();
  for (let i = 0; i < 6; i++) assert.equal(log.offer(by(2 * i), 2), 'new');
  log.reload();
  for (let i = 1; i < 6; i++) {
    assert.equal(log.offer(by(2 * i), 2), 'duplicate');
    assert.equal(log.states.duplicateOffset, 2 * i);
  }
  assert.equal(log.offer(by(0), 2), 'out-of-order');
  assert.equal(log.offer(by(12), 2), 'new');
});

test('a batch that only overlaps with another one is out of order', () => {
  const log = new Log();
  assert.equal(log.offer(by(0), 3), 'new');
  assert.equal(log.offer(by(0), 2), 'out-of-order');
  assert.equal(log.offer(by(2), 2), 'out-of-order');
});

test('a gap in the sequence is refused, and what follows is still expected', () => {
  const log = new Log();
  assert.equal(log.offer(by(0)), 'new');
  assert.equal(log.offer(by(2)), 'out-of-order');
  assert.equal(log.offer(by(1)), 'new');
});

test('a producer of which nothing is known may go on anywhere', () => {
  assert.equal(new Log().offer(by(1234)), 'new');
});

test('sequences go on with 0 after the largest, also within a batch', () => {
  assert.equal(sequenceAfter(SEQUENCE_MAX, 1), 0);
  const log = new Log();
  assert.equal(log.offer(by(SEQUENCE_MAX - 2), 2), 'new');
  // The last number, and 0 to 2.
  assert.equal(log.offer(by(SEQUENCE_MAX), 4), 'new');
  assert.equal(log.offer(by(SEQUENCE_MAX), 4), 'duplicate');
  assert.equal(log.offer(by(3)), 'new');
});

test('a younger epoch begins at 0, and ends the older one', () => {
  const log = new Log();
  assert.equal(log.offer(by(0, 3), 5), 'new');
  assert.equal(log.offer(by(5, 4)), 'out-of-order');
  assert.equal(log.offer(by(0, 4)), 'new');
  assert.equal(log.offer(by(5, 3)), 'stale-epoch');
  log.reload();
  assert.equal(log.offer(by(0, 3), 5), 'stale-epoch');
  assert.equal(log.offer(by(0, 4)), 'duplicate');
  assert.equal(log.offer(by(1, 4)), 'new');
});

test('the end of a transaction with a younger epoch fences what is late', () => {
  const log = new Log();
  assert.equal(log.offer(within(0)), 'new');
  log.finish(7, 1, true);
  log.reload();
  assert.equal(log.offer(within(1)), 'stale-epoch');
  assert.equal(log.offer(within(1, 1)), 'out-of-order');
  assert.equal(log.offer(within(0, 1)), 'new');
});

test('the end of a transaction with the same epoch lets the numbers go on', () => {
  const log = new Log();
  assert.equal(log.offer(within(0)), 'new');
  log.finish(7, 0, true);
  log.reload();
  assert.equal(log.offer(within(1)), 'new');
});

test('within its transaction a producer sends nothing outside of it', () => {
  const log = new Log();
  assert.equal(log.offer(within(0)), 'new');
  assert.equal(log.offer(by(1)), 'outside-transaction');
  log.finish(7, 0, false);
  assert.equal(log.offer(by(1)), 'new');
});

test('what is stable ends where the oldest open transaction begins, and only durable ends count', () => {
  const log = new Log();
  log.offer(by(0, 0, 1), 5);
  assert.equal(log.states.stableOffset(5), 5);
  log.offer(within(0, 0, 7));
  log.offer(within(0, 0, 8));
  assert.equal(log.states.stableOffset(5), 5);
  assert.equal(log.states.stableOffset(7), 5);
  log.reload();
  assert.equal(log.states.stableOffset(7), 5);
  log.finish(7, 0, true);
  // A crash could still undo it.
  assert.equal(log.states.stableOffset(7), 5);
  assert.equal(log.states.stableOffset(8), 6);
  log.finish(8, 0, true);
  assert.equal(log.states.stableOffset(8), 6);
  assert.equal(log.states.stableOffset(9), 9);
});

test('readers are told of the aborted transactions in what they read', () => {
  const log = new Log();
  log.offer(within(0, 0, 1), 10);
  log.offer(within(0, 0, 2), 10);
  log.offer(within(0, 0, 3), 10);
  log.finish(2, 0, false);
  log.finish(3, 0, true);
  log.finish(1, 0, false);
  log.offer(within(10, 0, 1), 10);
  log.finish(1, 0, false);
  log.reload();
  const first = { producerId: 1, firstOffset: 0, lastOffset: 32 };
  const second = { producerId: 2, firstOffset: 10, lastOffset: 30 };
  const third = { producerId: 1, firstOffset: 33, lastOffset: 43 };
  assert.deepEqual(log.abortedIn(0, 44), [second, first, third]);
  assert.deepEqual(log.abortedIn(0, 10), [first]);
  assert.deepEqual(log.abortedIn(31, 33), [first]);
  assert.deepEqual(log.abortedIn(33, 34), [third]);
  assert.deepEqual(log.abortedIn(44, 50), []);
  log.states.trim(33);
  assert.deepEqual(log.abortedIn(0, 50), [third]);
});

test('silent producers are forgotten, but for those within a transaction', () => {
  const log = new Log();
  log.offer(by(0, 0, 1), 1, 100);
  log.offer(by(0, 0, 2), 1, 200);
  log.offer(within(0, 0, 3), 1, 100);
  log.states.expire(200);
  assert.deepEqual(
    Array.from(log.states, (producer) => producer.id),
    [2, 3],
  );
});

test('the number of producers that are known is limited', () => {
  const log = new Log();
  log.offer(within(0, 0, 1), 1, 0);
  for (let id = 2; id <= 15_000; id++) log.offer(by(0, 0, id), 1, id);
  assert.ok(log.states.size <= 10_000);
  assert.ok(log.states.get(1) !== undefined, 'the one within a transaction is still known');
  assert.ok(log.states.get(2) === undefined, 'the one that was silent for longest is not');
  assert.equal(log.offer(by(0, 0, 15_000)), 'duplicate');
});

test('more producers within transactions than are kept otherwise do not make each new one a search', async () => {
  const batch = producedBatch(['x'], { producerId: 0, epoch: 0, sequence: 0, isTransactional: true });
  const begin = (log: Log, count: number): void => {
    for (let producerId = 0; producerId < count; producerId++) {
      batch.writeBigInt64BE(BigInt(producerId), 43);
      log.append(batch);
    }
    assert.equal(log.states.size, count);
  };
  const log = new Log();
  begin(log, 25_000);
  // When they are over they can be forgotten.
  for (let producerId = 0; producerId < 25_000; producerId++) log.finish(producerId, 0, true);
  for (let producerId = 30_000; producerId < 60_000; producerId++) log.offer(by(0, 0, producerId));
  assert.ok(log.states.size <= 11_000, `${log.states.size}`);
  await assertLinear(3000, (count) => begin(new Log(), count));
});
