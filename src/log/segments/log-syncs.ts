import { Serial } from '../../base/scheduler.ts';
import type { Segment } from './segment.ts';
import type { SegmentStore } from './segment-store.ts';

/** What of one log is written, but perhaps not on disk yet. */
export class LogSyncs {
  /** The directory of the log was not there when it was opened: nor is its entry in the root. */
  entryIsDirty: boolean;
  directoryIsDirty = false;
  readonly #store: SegmentStore;
  readonly #directory: string;
  /** Null until there is one: most logs of a broker with many never have a segment. */
  #dirty: Set<Segment> | null = null;
  readonly #tasks = new Serial();
  #closed = false;

  constructor(store: SegmentStore, directory: string, isNew: boolean) {
    this.#store = store;
    this.#directory = directory;
    this.entryIsDirty = isNew;
  }

  add(segment: Segment): void {
    if (!this.#store.isDurable) return;
    this.#dirty ??= new Set();
    this.#dirty.add(segment);
    this.#store.dirtyLogs.add(this);
  }

  delete(segment: Segment): void {
    this.#dirty?.delete(segment);
  }

  has(segment: Segment): boolean {
    return this.#dirty?.has(segment) === true;
  }

  /** Makes durable what was written before. A failure is final: the system may have forgotten what it did not write. */
  sync(): Promise<void> {
    return this.#tasks.run(() => this.#sync());
  }

  /** Nothing of the log matters any more; `remove` runs when no sync does. */
  close(remove: () => Promise<void>): Promise<void> {
    this.forget();
    return this.#tasks.run(remove);
  }

  forget(): void {
    this.#closed = true;
    this.#store.dirtyLogs.delete(this);
  }

  async #sync(): Promise<void> {
    if (this.#closed) return;
    const { fs, dirtyLogs } = this.#store;
    const segments = [...(this.#dirty ?? [])];
    this.#dirty?.clear();
    const directoryIsDirty = this.directoryIsDirty;
    this.directoryIsDirty = false;
    try {
      for (const segment of segments) await this.#syncSegment(segment);
      if (directoryIsDirty) await fs.syncDirectory(this.#directory);
      if (this.entryIsDirty && segments.length > 0) {
        await this.#store.syncRoot();
        this.entryIsDirty = false;
      }
      // Not earlier: until all is done, whoever syncs all logs must wait for this one.
      if ((this.#dirty?.size ?? 0) === 0 && !this.directoryIsDirty) dirtyLogs.delete(this);
    } catch (error) {
      for (const segment of segments) this.#dirty?.add(segment);
      this.directoryIsDirty ||= directoryIsDirty;
      dirtyLogs.add(this);
      throw error;
    }
  }

  async #syncSegment(segment: Segment): Promise<void> {
    // A dropped one is synced still: a snapshot that is being taken may have found it in the table.
    if (segment.isDeleted) return;
    try {
      await this.#store.handles.use(segment, (file) => file.sync());
    } catch (error) {
      segment.failure ??= error as Error;
    }
    if (segment.failure !== null && !segment.isDeleted) throw segment.failure;
  }
}
