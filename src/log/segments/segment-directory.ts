import { posix } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { Serial } from '../../base/scheduler.ts';
import type { FileSystem } from '../files/filesystem.ts';
import { setAside } from '../files/set-aside.ts';
import { FileHandles } from './file-handles.ts';
import type { SegmentInfo } from './segment.ts';
import type { SegmentStore } from './segment-store.ts';
import { SegmentedLog } from './segmented-log.ts';
import { TRANSIENT_DIRECTORY } from './transient-logs.ts';

export interface SegmentDirectoryOptions {
  /** A segment is closed and the next begun when it would grow beyond this. */
  readonly segmentBytes?: number;
  /** How many files of segments are open at once. */
  readonly maxOpenFiles?: number;
  /** A file that neither the snapshot nor the journal knows was moved to this path. */
  readonly onSetAside?: (path: string) => void;
}

const SEGMENT_BYTES = 32 * 1024 * 1024;
const MAX_OPEN_FILES = 128;
/** Enough for the disk to merge its flushes; the other threads of the pool are wanted elsewhere. */
const CONCURRENT_SYNCS = 8;

/**
 * The segments of all logs of a data directory:
 *
 *     <root>/<log id>/00000000000000000000.log    record batches, back to back and nothing else
 *                     00000000000000131072.log    named by the first offset
 *
 * Which of them count, and up to which byte, is known by the snapshot alone (`SegmentInfo`). What else is found was
 * mostly left by a process that ended before its next snapshot; its messages are in the journal still. What is neither
 * in the snapshot nor in the journal is set aside (`stray-logs.ts`, `log-directory.ts`).
 *
 * How the caller takes a snapshot: `table()` of every log; `syncAll()`; make the snapshot durable; `deleteDropped`
 * of every log with the table that was saved.
 */
export class SegmentDirectory {
  readonly #store: SegmentStore;
  readonly #transient: SegmentStore;

  constructor(fs: FileSystem, root: string, options: SegmentDirectoryOptions = {}) {
    const rootSyncs = new Serial();
    let rootIsDirty = false;
    let parentIsDirty = true;
    this.#store = {
      fs,
      isDurable: true,
      root,
      segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
      handles: new FileHandles(fs, options.maxOpenFiles ?? MAX_OPEN_FILES),
      appendedBytes: 0,
      dirtyLogs: new Set(),
      async setAside(path) {
        const to = await setAside(fs, posix.dirname(root), path);
        options.onSetAside?.(to);
      },
      rootChanged() {
        rootIsDirty = true;
      },
      syncRoot() {
        return rootSyncs.run(async () => {
          if (!rootIsDirty) return;
          rootIsDirty = false;
          try {
            await fs.syncDirectory(root);
            if (parentIsDirty) await fs.syncDirectory(posix.dirname(root));
            parentIsDirty = false;
          } catch (error) {
            rootIsDirty = true;
            throw error;
          }
        });
      },
    };
    this.#transient = {
      ...this.#store,
      isDurable: false,
      root: `${root}/${TRANSIENT_DIRECTORY}`,
      dirtyLogs: new Set(),
      rootChanged: () => undefined,
      syncRoot: async () => undefined,
    };
  }

  /** Since the start. */
  get appendedBytes(): number {
    return this.#store.appendedBytes + this.#transient.appendedBytes;
  }

  get openFiles(): number {
    return this.#store.handles.openCount;
  }

  /** Touches no file yet. `table` is what the last snapshot says of this log; null for a new one, which has no files. */
  openLog(id: number, table: readonly SegmentInfo[] | null, durable = true): SegmentedLog {
    return new SegmentedLog(durable ? this.#store : this.#transient, id, table, null);
  }

  /** As `openLog`, for a stream's: with batches of producers, and segments that know their age. */
  openStream(id: number, table: readonly SegmentInfo[] | null, clock: Clock): SegmentedLog {
    return new SegmentedLog(this.#store, id, table, clock);
  }

  /** Everything that was appended to any log before the call is durable after it. */
  async syncAll(): Promise<void> {
    const logs = [...this.#store.dirtyLogs];
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < logs.length) await logs[next++].sync();
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENT_SYNCS, logs.length) }, worker));
    await this.#store.syncRoot();
  }

  /** Closes all files, without making anything durable. */
  async close(): Promise<void> {
    await this.#store.handles.closeAll();
  }
}
