import type { DeadLetterOutbox } from './dead-letter-outbox.ts';
import type { PriorityLevel } from './priority-level.ts';
import type { DeathReason } from './x-death.ts';

/** How many messages expire or are dropped before others get the processor. */
const DISCARDS_MAX = 256;

/** Ready messages that leave their queue for good, expired or too many: a bounded number in each pump. */
export class Discards {
  readonly #outbox: DeadLetterOutbox;
  readonly #pumpLater: () => void;
  #left = 0;

  constructor(outbox: DeadLetterOutbox, pumpLater: () => void) {
    this.#outbox = outbox;
    this.#pumpLater = pumpLater;
  }

  /** Whether so many dead letters wait to be sent that no more should be added. */
  get isCongested(): boolean {
    return this.#outbox.isCongested;
  }

  /** A pump begins. */
  begin(): void {
    this.#left = DISCARDS_MAX;
  }

  /** Asked before each. False if it is enough for this pump: the queue is pumped again. */
  mayGoOn(): boolean {
    if (this.#left-- > 0) return true;
    this.#pumpLater();
    return false;
  }

  /** The message that the level's `peek` gave. */
  discard(level: PriorityLevel, offset: number, bodyBytes: number, reason: DeathReason): void {
    level.discardReady(offset, bodyBytes, reason);
    // Where sending takes long, once is enough for this pump.
    if (this.#outbox.isFull && this.#outbox.send()) this.#left = 0;
  }
}
