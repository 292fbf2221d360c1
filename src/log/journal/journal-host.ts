import type { JournalDevice } from './journal-device.ts';
import type { Position } from './position.ts';
import type { JournalSource } from './run.ts';

/** A journal that was read to its end, and can be appended to. */
export interface LedJournal {
  readonly device: JournalDevice;
  /** The block that is appended next. */
  readonly nextBlock: number;
  /** What is appended has this epoch, which is higher than that of all blocks before. */
  readonly epoch: number;
  /** There was never a block. */
  readonly isNew: boolean;
  /** For whoever operates it. */
  readonly warnings: readonly string[];
}

/** A journal that is being read. */
export interface ReadJournal extends JournalSource {
  /**
   * Where others go on appending meanwhile: what snapshots ask while it is read. Its `append` rejects. Null where the journal has
   * an end: nothing is written before that is reached.
   */
  readonly followed: JournalDevice | null;
  /** The runs have ended: from here on it is appended to. */
  lead(): LedJournal;
}

/** Where a journal is kept: in local files, or, in cluster mode, in a partition of a replicated log. */
export interface JournalHost {
  /** `from` is of the last snapshot, which covers the blocks below `requiredBlock`; null if there is none. */
  open(from: Position | null, requiredBlock: number): ReadJournal;
}
