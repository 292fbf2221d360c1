import type { Chunk } from '../../log/memory/chunks.ts';

/** Has the message at this offset on its way out: it is settled when `take` has returned. False if it cannot go now: nothing is taken on. */
export type Visit = (offset: number, chunk: Chunk, at: number) => boolean;

/** How many messages are looked at in one go: a millisecond, or less. */
export const LOOKED_AT_MAX = 2048;

/** How the messages of an open bucket are taken out of it. */
export interface BucketReader {
  /** When there will be something to take, as far as is known now; Infinity if that depends on others. */
  readonly nextDueMs: number;
  /**
   * Visits messages that came due by `nowMs`, at most so many. True if it stopped before it had seen all that is in
   * memory, to let others have the processor. Nothing is read meanwhile, as that may drop what was visited.
   */
  take(nowMs: number, countMax: number, visit: Visit): boolean;
  /** Has read what is not in memory; the events of the log tell when it is. */
  readOn(): void;
  /** The message is settled, or about to be: its memory is not needed any more. */
  release(offset: number): void;
  /** Lets go of all memory. */
  close(): void;
}
