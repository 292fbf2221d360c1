import type { BlockSink } from './journal.ts';
import type { OldestPart, Position } from './position.ts';

/**
 * What holds the journal: local files (`journal-files.ts`), or, in cluster mode, a partition of a replicated log. It takes blocks
 * at one end, and lets go of them at the other when a snapshot and the segments have what is in them.
 */
export interface JournalDevice extends BlockSink {
  /** Bytes that it holds, those that may be released included. Asked for with each message. */
  readonly lengthBytes: number;
  /** Bytes that were appended since the start. */
  readonly writtenBytes: number;
  /** Whatever the durability setting: what `append` has resolved for is on stable storage afterwards. */
  sync(): Promise<void>;
  /** Where recovery begins if a snapshot is taken now: at the oldest part that is needed, which is `from` if that is given. */
  position(from: Position | null): Position;
  /** It holds more than `lengthBytes`, or in too many parts. */
  isLongerThan(lengthBytes: number): boolean;
  /**
   * What should go, so that it is well below that length again. Null where nothing can go yet: the next block then begins a part
   * that can.
   */
  oldestBeyond(lengthBytes: number): Promise<OldestPart | null>;
  /** What is before that place is not needed any more. */
  release(before: Position): Promise<void>;
  /** There is no space: what is kept only to be used again goes. */
  dropReserves(): Promise<void>;
  close(): Promise<void>;
}
