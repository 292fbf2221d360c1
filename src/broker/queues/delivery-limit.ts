import type { Failure } from './ports.ts';
import type { PriorityLevel } from './priority-level.ts';

/**
 * Counts how often messages failed at consumers, and says when that is more than x-delivery-limit. The counts are with
 * the levels; those of durable queues are journaled once per pump.
 */
export class DeliveryLimit {
  readonly #pumpLater: () => void;
  /** Infinity for no limit. */
  #failuresMax = Number.POSITIVE_INFINITY;
  #unrecorded: Failure[] = [];

  constructor(pumpLater: () => void) {
    this.#pumpLater = pumpLater;
  }

  /** How many counts `takeUnrecorded` would give. */
  get unrecordedCount(): number {
    return this.#unrecorded.length;
  }

  /** `failuresMax`: null for no limit. */
  configure(failuresMax: number | null): void {
    this.#failuresMax = failuresMax ?? Number.POSITIVE_INFINITY;
  }

  /** True if the message, which failed, did so once too often: then it is not counted. */
  countFailure(level: PriorityLevel, offset: number): boolean {
    const count = level.failuresOf(offset) + 1;
    // Should the message not get away before a crash, it comes again with the count that it came with.
    if (count > this.#failuresMax) return true;
    level.setFailures(offset, count);
    if (level.log.durable) {
      this.#unrecorded.push({ level, offset, count });
      this.#pumpLater();
    }
    return false;
  }

  /** The counts that changed since the last call and have to survive a crash. */
  takeUnrecorded(): readonly Failure[] {
    return this.#unrecorded.splice(0);
  }

  clear(): void {
    this.#unrecorded = [];
  }
}
