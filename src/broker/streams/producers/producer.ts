/** So many of a producer's youngest batches are known: it may have that many on their way (KIP-98). */
const BATCHES_MAX = 5;
const SEQUENCE_MAX = 0x7fffffff;
/** First sequence, last sequence, base offset. */
const FIELDS = 3;

/** Numbers that a snapshot keeps of a producer, before those of its batches. */
const HEAD = 7;

/** The sequence number `count` after this one: it goes on with 0 after the largest. */
export function sequenceAfter(sequence: number, count: number): number {
  const next = sequence + count;
  return next > SEQUENCE_MAX ? next - SEQUENCE_MAX - 1 : next;
}

/** What a partition knows of one producer that numbers its records. */
export class Producer {
  readonly id: number;
  /** Requests of a younger epoch are by a producer that was succeeded. */
  epoch: number;
  /** Of its last record in this epoch; -1 if there is none. */
  lastSequence = -1;
  lastTimestampMs = -1;
  /** When it was heard of last, by the broker's clock. */
  seenMs = 0;
  /** Where its transaction begins that is not over yet; -1 if there is none. */
  transactionStart = -1;
  /** Of the last end of a transaction; -1 if none has ended. */
  coordinatorEpoch = -1;
  readonly #batches = new Float64Array(BATCHES_MAX * FIELDS);
  #count = 0;
  #next = 0;

  constructor(id: number, epoch: number) {
    this.id = id;
    this.epoch = epoch;
  }

  /** Sequences begin again. */
  beginEpoch(epoch: number): void {
    this.epoch = epoch;
    this.lastSequence = -1;
    this.#count = 0;
    this.#next = 0;
  }

  /** Whether a batch that begins with this sequence number comes next. */
  isNext(firstSequence: number): boolean {
    return firstSequence === (this.lastSequence < 0 ? 0 : sequenceAfter(this.lastSequence, 1));
  }

  /** The base offset of a batch that is there already; -1 if it is not one of the last. */
  offsetOf(firstSequence: number, lastSequence: number): number {
    const batches = this.#batches;
    for (let i = 0; i < this.#count; i++) {
      const at = i * FIELDS;
      if (batches[at] === firstSequence && batches[at + 1] === lastSequence) return batches[at + 2];
    }
    return -1;
  }

  appended(firstSequence: number, lastSequence: number, baseOffset: number): void {
    const at = this.#next * FIELDS;
    this.#batches[at] = firstSequence;
    this.#batches[at + 1] = lastSequence;
    this.#batches[at + 2] = baseOffset;
    this.#next = this.#next + 1 === BATCHES_MAX ? 0 : this.#next + 1;
    if (this.#count < BATCHES_MAX) this.#count++;
    this.lastSequence = lastSequence;
  }

  state(): number[] {
    const { id, epoch, lastSequence, lastTimestampMs, seenMs, transactionStart, coordinatorEpoch } = this;
    const state = [id, epoch, lastSequence, lastTimestampMs, seenMs, transactionStart, coordinatorEpoch];
    // Oldest first.
    for (let i = 0; i < this.#count; i++) {
      const at = ((this.#next - this.#count + i + BATCHES_MAX) % BATCHES_MAX) * FIELDS;
      for (let field = at; field < at + FIELDS; field++) state.push(this.#batches[field]);
    }
    return state;
  }

  static restore(state: readonly number[]): Producer {
    const [id, epoch, lastSequence, lastTimestampMs, seenMs, transactionStart, coordinatorEpoch] =
      state as readonly [number, number, number, number, number, number, number];
    const producer = new Producer(id, epoch);
    for (let at = HEAD; at + FIELDS <= state.length; at += FIELDS) {
      producer.appended(state[at], state[at + 1], state[at + 2]);
    }
    return Object.assign(producer, {
      lastSequence,
      lastTimestampMs,
      seenMs,
      transactionStart,
      coordinatorEpoch,
    });
  }
}
