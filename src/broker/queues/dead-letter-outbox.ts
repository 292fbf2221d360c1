import { BatchPace } from '../../base/batch-pace.ts';
import type { Clock } from '../../base/clock.ts';
import type { Ledger } from './message-ledger.ts';
import type { PriorityLevel } from './priority-level.ts';
import type { DeathReason } from './x-death.ts';

/** A message of a queue that goes to its dead-letter exchange. */
export interface DeadLetterEntry {
  readonly level: PriorityLevel;
  readonly offset: number;
  readonly reason: DeathReason;
}

/** How many messages are sent together at most: one block of the journal. */
const BATCH_MAX = 256;
/** How long a batch should take: each message may have to be routed anew, and go to many queues. */
const BATCH_MS_MAX = 2;
/** How long, and how many batches, before others get the processor. */
const SEND_MS_MAX = 4;
const BATCHES_MAX = 4;

const WAITING_MAX = 16 * BATCH_MAX;

export interface DeadLetterOutboxDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /**
   * Moves the first messages of a batch, which are all in memory, and returns how many. 0 if it cannot now, and will have
   * the queue pumped when it can.
   */
  deadLetter(batch: readonly DeadLetterEntry[]): number;
}

/**
 * Messages on their way from a queue to its dead-letter exchange. Each stays in the queue's log until it is in the logs
 * of the queues that it goes to: one that has to be read from its segment first waits for that, and those after it too.
 */
export class DeadLetterOutbox {
  readonly #deps: DeadLetterOutboxDeps;
  readonly #ledger: Ledger;
  readonly #pumpLater: () => void;
  readonly #pace = new BatchPace(BATCH_MAX, BATCH_MS_MAX);
  #hasExchange = false;
  #waiting: DeadLetterEntry[] = [];
  #first = 0;

  constructor(deps: DeadLetterOutboxDeps, ledger: Ledger, pumpLater: () => void) {
    this.#deps = deps;
    this.#ledger = ledger;
    this.#pumpLater = pumpLater;
  }

  get hasExchange(): boolean {
    return this.#hasExchange;
  }

  /** Messages that were not sent yet. */
  get count(): number {
    return this.#waiting.length - this.#first;
  }

  /** Without a dead-letter exchange those that were not sent yet are discarded. */
  configure(hasExchange: boolean): void {
    this.#hasExchange = hasExchange;
    if (hasExchange) return;
    for (const { level, offset, reason } of this.clear()) level.discard(offset, reason);
  }

  /** The message, which is not ready, is sent after those before it. False if the queue has no dead-letter exchange. */
  add(level: PriorityLevel, offset: number, reason: DeathReason): boolean {
    if (!this.#hasExchange) return false;
    this.#waiting.push({ level, offset, reason });
    this.#pumpLater();
    return true;
  }

  /** Whether there are enough for a batch. */
  get isFull(): boolean {
    return this.count >= BATCH_MAX;
  }

  /** Whether so many cannot leave that no more should be added that can as well stay where they are. */
  get isCongested(): boolean {
    return this.count >= WAITING_MAX;
  }

  /** Sends what is in memory, in order, and has the next message loaded. True if there is more to be sent now. */
  send(): boolean {
    const { clock } = this.#deps;
    const beganMs = clock.monotonicMs();
    let nowMs = beganMs;
    for (let batches = 0; this.count > 0; batches++) {
      if (batches >= BATCHES_MAX || nowMs - beganMs >= SEND_MS_MAX) return true;
      const { size } = this.#pace;
      const batch = this.#nextBatch(size);
      const sent = batch.length > 0 ? this.#deps.deadLetter(batch) : 0;
      if (batch.length > 0 && sent === 0) return false;
      this.#ledger.deadLettered += sent;
      this.#first += sent;
      this.#compact();
      if (batch.length < size && sent === batch.length) break;
      const endMs = clock.monotonicMs();
      this.#pace.took(endMs - nowMs);
      nowMs = endMs;
    }
    if (this.count > 0) {
      const { level, offset } = this.#waiting[this.#first];
      level.log.readAhead?.load(offset);
    }
    return false;
  }

  /** Those that were not sent yet stay in their logs. Returns them. */
  clear(): readonly DeadLetterEntry[] {
    const waiting = this.#waiting.slice(this.#first);
    this.#waiting = [];
    this.#first = 0;
    return waiting;
  }

  /** The message cannot be read any more. True if it was here. */
  forget(level: PriorityLevel, offset: number): boolean {
    const at = this.#waiting.findIndex(
      (each, index) => index >= this.#first && each.level === level && each.offset === offset,
    );
    if (at < 0) return false;
    this.#waiting.splice(at, 1);
    return true;
  }

  /** Those that would have to be read from a segment are settled instead. Returns how many. */
  giveUpUnread(): number {
    let count = 0;
    for (const entry of this.clear()) {
      if (entry.level.log.positionOf(entry.offset) >= 0) {
        this.#waiting.push(entry);
      } else {
        entry.level.settle(entry.offset);
        count++;
      }
    }
    return count;
  }

  #nextBatch(size: number): DeadLetterEntry[] {
    const batch: DeadLetterEntry[] = [];
    const waiting = this.#waiting;
    for (let at = this.#first; at < waiting.length && batch.length < size; at++) {
      const next = waiting[at];
      if (next.level.log.positionOf(next.offset) < 0) break;
      batch.push(next);
    }
    return batch;
  }

  #compact(): void {
    const waiting = this.#waiting;
    // Half of it at least, so that each entry is moved once or twice, however many wait.
    if (this.#first * 2 >= waiting.length) {
      waiting.splice(0, this.#first);
      this.#first = 0;
    }
  }
}
