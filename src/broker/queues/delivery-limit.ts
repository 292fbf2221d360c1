import type { ReturnCounts } from './ports.ts';
import type { PriorityLevel } from './priority-level.ts';

/**
 * Counts how often messages came back from consumers, and how often they failed there, and says when that is more than
 * x-delivery-limit. The counts are with the levels; those of durable queues are journaled once per pump.
 */
export class DeliveryLimit {
  readonly #pumpLater: () => void;
  /** Infinity for no limit. */
  #failuresMax = Number.POSITIVE_INFINITY;
  #unrecorded: ReturnCounts[] = [];

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

  /** True if the message failed once too often: then it is not counted. */
  countReturn(level: PriorityLevel, offset: number, hasFailed: boolean): boolean {
    const failures = level.failuresOf(offset) + (hasFailed ? 1 : 0);
    // Should the message not get away before a crash, it comes again with the count that it came with.
    if (failures > this.#failuresMax) return true;
    const acquisitions = level.acquisitionsOf(offset) + 1;
    level.setCounts(offset, failures, acquisitions);
    if (level.log.durable) {
      this.#unrecorded.push({ level, offset, failures, acquisitions });
      this.#pumpLater();
    }
    return false;
  }

  /** The counts that changed since the last call and have to survive a crash. */
  takeUnrecorded(): readonly ReturnCounts[] {
    return this.#unrecorded.splice(0);
  }

  clear(): void {
    this.#unrecorded = [];
  }
}
