import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import { Participants } from '../../../src/broker/transactions/participants.ts';
import type { Owner } from '../../../src/broker/transactions/requests.ts';
import type { Refused } from '../../../src/broker/transactions/transaction-admission.ts';
import { Verification } from '../../../src/broker/transactions/verification.ts';
import { producedBatch } from '../streams/producers/produced-batch.ts';

const owner: Owner = { vhost: '/', id: 'orders', identity: { producerId: 7, epoch: 3 } };

function partitionOf(id: number): Partition {
  const stream = { vhost: '/', name: 's', id: 'S' };
  return { id, index: id, stream, producers: new Map() } as unknown as Partition;
}

const PARTITION = partitionOf(1);
const REQUEST = { owner, mayAdd: true, partitions: [PARTITION] };

class Bench {
  readonly asked: number[] = [];
  readonly answers: Refused[] = [];
  readonly verification: Verification;

  constructor(partitionsMax?: number) {
    const ask = (number: number): void => void this.asked.push(number);
    this.verification = new Verification(ask, new Participants(partitionsMax));
  }

  ask(request = REQUEST): void {
    this.verification.ask(request, (refused) => this.answers.push(refused));
  }

  admit(sequence = 0, epoch = 3, partition = PARTITION): string | null {
    const batch = producedBatch(['x'], { producerId: 7, epoch, sequence, isTransactional: true });
    const admission = { transactionalId: 'orders', mayAdd: true };
    return this.verification.admit(partition, batch, 0, admission);
  }
}

describe('what a shard knows of transactions that are coordinated in another one (KIP-890)', () => {
  it('is asked for once, and holds until the transaction ends', () => {
    const bench = new Bench();
    assert.equal(bench.admit(), 'unverified');
    bench.ask();
    assert.equal(bench.admit(), 'unverified');
    bench.verification.answered(bench.asked[0], [null]);
    assert.deepEqual(bench.answers, [new Map()]);
    assert.equal(bench.admit(), null);
    assert.equal(bench.admit(0, 2), 'unverified');
    assert.equal(bench.admit(0, 4), 'unverified');
    assert.equal(bench.admit(0, 3, partitionOf(2)), 'unverified');
    bench.verification.ended(7);
    assert.equal(bench.admit(), 'unverified');
  });

  it('does not come from an answer that the end of the transaction has overtaken: it is asked for again', () => {
    const bench = new Bench();
    bench.ask();
    bench.verification.ended(7);
    bench.verification.answered(bench.asked[0], [null]);
    assert.equal(bench.admit(), 'unverified');
    assert.equal(bench.answers.length, 0);
    assert.equal(bench.asked.length, 2);
    bench.verification.answered(bench.asked[1], ['fenced']);
    assert.deepEqual(bench.answers, [new Map([[PARTITION, 'fenced']])]);
    assert.equal(bench.admit(), 'unverified');
    assert.equal(bench.verification.pendingCount, 0);
  });

  it('does not suffer from the ends of other producers', () => {
    const bench = new Bench();
    bench.ask();
    bench.verification.ended(8);
    bench.verification.answered(bench.asked[0], [null]);
    assert.equal(bench.admit(), null);
    bench.verification.ended(8);
    assert.equal(bench.admit(), null);
  });

  it('is so much and no more: what was told first is forgotten first', () => {
    const participants = new Participants(3);
    const ownerOf = (producerId: number): Owner => ({ ...owner, identity: { producerId, epoch: 0 } });
    for (let producerId = 0; producerId < 10; producerId++) participants.add(ownerOf(producerId), 1);
    assert.equal(participants.size, 3);
    assert.equal(participants.has(ownerOf(6), 1), false);
    assert.equal(participants.has(ownerOf(7), 1), true);
    // One with more than that has what it was told, as it waits for that.
    for (let logId = 0; logId < 10; logId++) participants.add(ownerOf(20), logId);
    assert.equal(participants.size, 1);
    assert.equal(participants.has(ownerOf(20), 0), true);
    participants.ended(20);
    assert.equal(participants.size, 0);
    participants.add(ownerOf(1), 1);
    assert.equal(participants.size, 1);
  });
});
