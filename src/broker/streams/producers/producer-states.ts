import { lastOffsetDeltaOf, maxTimestampMsOf } from '../../../records/batch-view.ts';
import {
  baseSequenceOf,
  hasProducer,
  isControl,
  isTransactional,
  producerEpochOf,
  producerIdOf,
} from '../../../records/producer-fields.ts';
import { coordinatorEpochOf, isAbort } from '../../../records/transaction-marker.ts';
import type { ObjectCounter } from '../../budget/object-counter.ts';
import { type AbortedTransaction, AbortedTransactions } from './aborted-transactions.ts';
import { Producer, sequenceAfter } from './producer.ts';

/**
 * What is to be done with a batch. Only `new` may be appended; of a `duplicate`, `duplicateOffset` is where it is. The
 * others are refusals: a number that is not the next one, an epoch that was succeeded, records outside of the
 * transaction that their producer has begun.
 */
export type Check = 'new' | 'duplicate' | 'out-of-order' | 'stale-epoch' | 'outside-transaction';

/** What the snapshot keeps of the producers of a partition. */
export interface ProducerStatesState {
  readonly producers: readonly (readonly number[])[];
  readonly aborted: readonly (readonly [number, number, number, number])[];
}

/** Beyond that, those are forgotten that have been silent for longest. */
const PRODUCERS_MAX = 10_000;
/** As many at a time, as finding them takes a look at all. */
const FORGOTTEN_SHARE = 0.1;
/** There may be ten thousands of partitions without any. Nothing is ever put in here. */
const NONE = new Map<number, Producer>();

/**
 * The producers that number their records in one partition (KIP-98): what they sent last, so that a batch that is sent
 * again is not stored again, and their transactions. It follows from the batches: every one that is appended, or read
 * at recovery, is shown to `appended`.
 */
export class ProducerStates {
  /** After `check` has said `duplicate`. */
  duplicateOffset = -1;
  /** Both are `NONE` until there is one. */
  #producers = NONE;
  /** So many are too many: more than usual if most cannot be forgotten, as to find that out takes a look at all. */
  #tooMany = PRODUCERS_MAX;
  /** Those within a transaction, in the order of their beginnings. */
  #ongoing = NONE;
  /** Where the oldest of these transactions begins. */
  #ongoingStart = Number.POSITIVE_INFINITY;
  /** First and last offset of transactions that are over, in pairs, until their end is durable. */
  #ended: number[] = [];
  readonly #aborted = new AbortedTransactions();
  readonly #counter: ObjectCounter | null;

  /** Without `counter` only the usual limit of one partition holds. */
  constructor(counter: ObjectCounter | null = null) {
    this.#counter = counter;
  }

  get size(): number {
    return this.#producers.size;
  }

  get(producerId: number): Producer | undefined {
    return this.#producers.get(producerId);
  }

  [Symbol.iterator](): Iterator<Producer> {
    return this.#producers.values();
  }

  /** The producers that are within a transaction here. */
  ongoing(): Iterable<Producer> {
    return this.#ongoing.values();
  }

  isInTransaction(producerId: number): boolean {
    return this.#ongoing.has(producerId);
  }

  /** Of the batch at `at`, which somebody wants to append. */
  check(bytes: Buffer, at: number): Check {
    if (!hasProducer(bytes, at)) return 'new';
    const producer = this.#producers.get(producerIdOf(bytes, at));
    // Of one that was silent for long, nothing is known any more: it may go on where it is.
    if (producer === undefined) return 'new';
    const epoch = producerEpochOf(bytes, at);
    const firstSequence = baseSequenceOf(bytes, at);
    if (epoch !== producer.epoch) {
      if (epoch < producer.epoch) return 'stale-epoch';
      return firstSequence === 0 ? 'new' : 'out-of-order';
    }
    if (!producer.isNext(firstSequence)) {
      const lastSequence = sequenceAfter(firstSequence, lastOffsetDeltaOf(bytes, at));
      this.duplicateOffset = producer.offsetOf(firstSequence, lastSequence);
      return this.duplicateOffset >= 0 ? 'duplicate' : 'out-of-order';
    }
    if (producer.transactionStart >= 0 && !isTransactional(bytes, at)) return 'outside-transaction';
    return 'new';
  }

  /** The batch at `at` has got this base offset, which need not stand in it yet. */
  appended(bytes: Buffer, at: number, baseOffset: number, nowMs: number): void {
    if (!hasProducer(bytes, at)) return;
    const producer = this.#known(producerIdOf(bytes, at), producerEpochOf(bytes, at));
    producer.seenMs = nowMs;
    producer.lastTimestampMs = maxTimestampMsOf(bytes, at);
    if (isControl(bytes, at)) {
      producer.coordinatorEpoch = coordinatorEpochOf(bytes, at);
      this.#endTransaction(producer, baseOffset, isAbort(bytes, at));
      return;
    }
    const firstSequence = baseSequenceOf(bytes, at);
    const lastSequence = sequenceAfter(firstSequence, lastOffsetDeltaOf(bytes, at));
    producer.appended(firstSequence, lastSequence, baseOffset);
    if (isTransactional(bytes, at) && producer.transactionStart < 0) {
      this.#beginTransaction(producer, baseOffset);
    }
  }

  /**
   * Below this offset everything is decided, and is so for good: there is no transaction that is not over, or whose end
   * a crash could undo.
   */
  stableOffset(highWatermark: number): number {
    let stable = this.#ongoingStart < highWatermark ? this.#ongoingStart : highWatermark;
    const ended = this.#ended;
    if (ended.length === 0) return stable;
    let kept = 0;
    for (let i = 0; i < ended.length; i += 2) {
      const first = ended[i];
      const last = ended[i + 1];
      if (last < highWatermark) continue;
      if (first < stable) stable = first;
      ended[kept++] = first;
      ended[kept++] = last;
    }
    ended.length = kept;
    return stable;
  }

  /** Everything below `highWatermark` is durable. */
  settled(highWatermark: number): void {
    if (this.#ended.length > 0) this.stableOffset(highWatermark);
  }

  get hasAborted(): boolean {
    return this.#aborted.count > 0;
  }

  /** Of the transactions that were aborted, those with something in the offsets from `from` to below `below`. */
  abortedIn(from: number, below: number): AbortedTransaction[] {
    return this.#aborted.count === 0 ? [] : this.#aborted.between(from, below);
  }

  /** Offsets below this one are gone. */
  trim(start: number): void {
    if (this.#aborted.count > 0) this.#aborted.trim(start);
  }

  /** Forgets those that were not heard of since. */
  expire(sinceMs: number): void {
    for (const producer of this.#producers.values()) {
      if (producer.seenMs < sinceMs && producer.transactionStart < 0) this.#producers.delete(producer.id);
    }
    this.#counter?.set(this.#producers.size);
  }

  /** The partition is gone. */
  dispose(): void {
    this.#counter?.set(0);
  }

  /** Null if there is nothing to keep. */
  state(): ProducerStatesState | null {
    if (this.#producers.size === 0 && this.#aborted.count === 0) return null;
    return {
      producers: Array.from(this.#producers.values(), (producer) => producer.state()),
      aborted: this.#aborted.state(),
    };
  }

  restore(state: ProducerStatesState): void {
    const producers = state.producers.map((each) => Producer.restore(each));
    for (const producer of producers) this.#add(producer);
    this.#counter?.set(this.#producers.size);
    const ongoing = producers.filter((producer) => producer.transactionStart >= 0);
    ongoing.sort((one, other) => one.transactionStart - other.transactionStart);
    for (const producer of ongoing) this.#addOngoing(producer);
    this.#findOngoingStart();
    for (const [id, first, last, stable] of state.aborted) this.#aborted.add(id, first, last, stable);
  }

  #add(producer: Producer): void {
    if (this.#producers === NONE) this.#producers = new Map();
    this.#producers.set(producer.id, producer);
  }

  #addOngoing(producer: Producer): void {
    if (this.#ongoing === NONE) this.#ongoing = new Map();
    this.#ongoing.set(producer.id, producer);
  }

  #known(id: number, epoch: number): Producer {
    let producer = this.#producers.get(id);
    if (producer === undefined) {
      const { size } = this.#producers;
      if (size >= this.#tooMany || (size > 0 && this.#counter?.isFull === true)) this.#forgetSome();
      producer = new Producer(id, epoch);
      this.#add(producer);
      this.#counter?.set(this.#producers.size);
    } else if (epoch !== producer.epoch) {
      producer.beginEpoch(epoch);
    }
    return producer;
  }

  #beginTransaction(producer: Producer, firstOffset: number): void {
    producer.transactionStart = firstOffset;
    this.#addOngoing(producer);
    if (firstOffset < this.#ongoingStart) this.#ongoingStart = firstOffset;
  }

  #endTransaction(producer: Producer, lastOffset: number, isAborted: boolean): void {
    const first = producer.transactionStart;
    if (first < 0) return;
    producer.transactionStart = -1;
    this.#ongoing.delete(producer.id);
    this.#findOngoingStart();
    this.#ended.push(first, lastOffset);
    if (isAborted) {
      this.#aborted.add(producer.id, first, lastOffset, Math.min(this.#ongoingStart, lastOffset + 1));
    }
  }

  /** The oldest is the first: offsets grow. */
  #findOngoingStart(): void {
    this.#ongoingStart = Number.POSITIVE_INFINITY;
    for (const producer of this.#ongoing.values()) {
      this.#ongoingStart = producer.transactionStart;
      break;
    }
  }

  #forgetSome(): void {
    const idle = [...this.#producers.values()].filter((producer) => producer.transactionStart < 0);
    idle.sort((one, other) => one.seenMs - other.seenMs);
    idle.length = Math.ceil(idle.length * FORGOTTEN_SHARE);
    for (const producer of idle) this.#producers.delete(producer.id);
    this.#tooMany = Math.max(PRODUCERS_MAX, this.#producers.size + PRODUCERS_MAX * FORGOTTEN_SHARE);
  }
}
