import type { PriorityLevel } from './priority-level.ts';

/** Why a message leaves its queue for the dead-letter exchange; these words stand in its headers. */
export type DeathReason = 'rejected' | 'expired' | 'maxlen' | 'delivery_limit';

export interface DeadLetterBatch {
  readonly lane: PriorityLevel;
  readonly offset: number;
  readonly reason: DeathReason;
}

/** How many are sent together: one piece of the journal. */
const BATCH_MAX = 256;

/** How many batches, before others get the processor: the address of each message may have to be written anew. */
const BATCHES_MAX = 2;

const WAITING_MAX = 16 * BATCH_MAX;

/**
 * Messages on their way from a queue to its dead-letter exchange. Each stays in the queue's log until it is in the logs
 * of the queues that it goes to: one that has to be read from the disk first waits for that, and those after it too.
 */
export class DeadLetterOutbox {
  readonly #send: (batch: readonly DeadLetterBatch[]) => boolean;
  #waiting: DeadLetterBatch[] = [];
  #first = 0;

  /**
   * `send` puts a batch, whose messages are all in memory, where it has to go; false if it cannot now, and will have the
   * queue pumped when it can.
   */
  constructor(send: (batch: readonly DeadLetterBatch[]) => boolean) {
    this.#send = send;
  }

  get count(): number {
    return this.#waiting.length - this.#first;
  }

  add(lane: PriorityLevel, offset: number, reason: DeathReason): void {
    this.#waiting.push({ lane, offset, reason });
  }

  /** Whether there are enough for a batch. */
  get isFull(): boolean {
    return this.count >= BATCH_MAX;
  }

  /** Whether so many cannot leave that no more should be added that can as well stay where they are. */
  get isCongested(): boolean {
    return this.count >= WAITING_MAX;
  }

  /** Sends what is in memory, in order, and has the next one loaded. True if there is more to be sent now. */
  leave(): boolean {
    // Consumers may reject faster than that: the more wait, the more go.
    const batchesMax = Math.max(BATCHES_MAX, this.count / (8 * BATCH_MAX));
    for (let batches = 0; this.count > 0; batches++) {
      if (batches >= batchesMax) return true;
      const batch = this.#nextBatch();
      if (batch.length > 0 && !this.#send(batch)) return false;
      this.#first += batch.length;
      this.#compact();
      if (batch.length < BATCH_MAX) break;
    }
    if (this.count > 0) {
      const { lane, offset } = this.#waiting[this.#first] as DeadLetterBatch;
      lane.log.readAhead?.load(offset);
    }
    return false;
  }

  /** They stay where they are: nobody sends them any more. Returns who they were. */
  clear(): readonly DeadLetterBatch[] {
    const waiting = this.#waiting.slice(this.#first);
    this.#waiting = [];
    this.#first = 0;
    return waiting;
  }

  /** One that cannot be read any more is not waited for. */
  forget(lane: PriorityLevel, offset: number): boolean {
    const at = this.#waiting.findIndex(
      (each, index) => index >= this.#first && each.lane === lane && each.offset === offset,
    );
    if (at < 0) return false;
    this.#waiting.splice(at, 1);
    return true;
  }

  /** Those that are not in memory are not waited for any more; they come out here. */
  giveUp(each: (departure: DeadLetterBatch) => void): void {
    const waiting = this.#waiting.slice(this.#first);
    this.clear();
    for (const departure of waiting) {
      if (departure.lane.log.positionOf(departure.offset) < 0) each(departure);
      else this.#waiting.push(departure);
    }
  }

  #nextBatch(): DeadLetterBatch[] {
    const batch: DeadLetterBatch[] = [];
    const waiting = this.#waiting;
    for (let at = this.#first; at < waiting.length && batch.length < BATCH_MAX; at++) {
      const next = waiting[at] as DeadLetterBatch;
      if (next.lane.log.positionOf(next.offset) < 0) break;
      batch.push(next);
    }
    return batch;
  }

  #compact(): void {
    const waiting = this.#waiting;
    if (this.#first > 1024 || this.#first === waiting.length) {
      waiting.splice(0, this.#first);
      this.#first = 0;
    }
  }
}
