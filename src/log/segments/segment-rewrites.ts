import { Serial } from '../../base/scheduler.ts';
import type { LogSyncs } from './log-syncs.ts';
import { cleanedFileName, Segment, type SegmentInfo } from './segment.ts';
import { type LiveCount, writeCleaned } from './segment-cleaner.ts';
import { type BatchRewriter, writeRewritten } from './segment-rewriter.ts';
import type { SegmentStore } from './segment-store.ts';
import type { SegmentTable } from './segment-table.ts';

/** A segment is rewritten when fewer than one in so many of its records are live. */
const CLEAN_BELOW = 4;

/**
 * Rewrites closed segments of one log, and deletes files that are not needed any more. A rewritten segment stands beside
 * the original until a snapshot that names it is durable: `deleteDropped`.
 */
export class SegmentRewrites {
  readonly #store: SegmentStore;
  readonly #table: SegmentTable;
  readonly #syncs: LogSyncs;
  readonly #prepare: () => Promise<void>;
  /** Reclaiming, replacing, deleting and removing exclude each other. */
  readonly #tasks = new Serial();

  /** `prepare` has compared the directory with the table when it resolves. */
  constructor(store: SegmentStore, table: SegmentTable, syncs: LogSyncs, prepare: () => Promise<void>) {
    this.#store = store;
    this.#table = table;
    this.#syncs = syncs;
    this.#prepare = prepare;
  }

  /** Drops segments that are wholly acknowledged, and rewrites those in which few records are live. */
  reclaim(isAcknowledged: (from: number, to: number) => boolean, liveCount: LiveCount): Promise<void> {
    const table = this.#table;
    return this.#tasks.run(async () => {
      table.dropWhere((segment) => isAcknowledged(segment.baseOffset, segment.endOffset));
      for (const segment of [...table.segments]) {
        if (table.isRemoved) return;
        // One that waits for its replacement to be durable is not rewritten again: its name is taken.
        if (segment === table.active || segment.isDropped || table.isReplaced(segment)) continue;
        if (liveCount(segment.baseOffset, segment.endOffset) * CLEAN_BELOW >= segment.records) continue;
        await this.#clean(segment, liveCount);
      }
    });
  }

  async #clean(segment: Segment, liveCount: LiveCount): Promise<void> {
    const { fs, handles } = this.#store;
    const { directory } = this.#table;
    const path = `${directory}/${cleanedFileName(segment)}`;
    await this.#prepare();
    if (segment.missing !== null) throw segment.missing;
    // So that nobody opens the original again to sync it, when its place has been taken.
    if (this.#syncs.has(segment)) await this.#syncs.sync();
    try {
      const copy = await handles.read(segment, (file) => writeCleaned(fs, file, segment, path, liveCount));
      await fs.syncDirectory(directory);
      const isSmaller = copy.bytes < segment.bytes;
      const isReplaced = isSmaller && !segment.isDropped && this.#table.replace([segment], copy);
      if (!isReplaced || copy.bytes === 0) {
        await fs.remove(path);
        return;
      }
    } catch (error) {
      await fs.remove(path).catch(() => undefined);
      throw error;
    }
    await handles.retire(segment);
  }

  /** See `SegmentedLog.rewrite`. */
  async rewrite(group: readonly Segment[], rewriter: BatchRewriter): Promise<boolean> {
    const { fs, handles } = this.#store;
    const table = this.#table;
    const { endOffset } = group[group.length - 1];
    if (group.some((segment) => segment === table.active || table.isReplaced(segment))) return false;
    await this.#prepare();
    const missing = group.find((segment) => segment.missing !== null)?.missing ?? null;
    if (missing !== null) throw missing;
    if (group.some((segment) => this.#syncs.has(segment))) await this.#syncs.sync();
    const revision = group.reduce((largest, segment) => Math.max(largest, segment.revision), 0) + 1;
    const info = { ...group[0].info(), endOffset, bytes: 0, records: 0, revision, maxTimestampMs: -1 };
    const copy = new Segment(info, `${table.directory}/${cleanedFileName(info)}`, true, true);
    let isDone = false;
    try {
      if (await writeRewritten(fs, handles, group, copy, rewriter)) {
        if (group.length === 1 && !rewriter.changed) return true;
        await fs.syncDirectory(table.directory);
        isDone = await this.#tasks.run(() => this.#replace(group, copy));
      }
    } finally {
      if (!isDone || copy.bytes === 0) await fs.remove(copy.path).catch(() => undefined);
    }
    return isDone;
  }

  async #replace(group: readonly Segment[], copy: Segment): Promise<boolean> {
    if (!this.#table.replace(group, copy)) return false;
    for (const segment of group) await this.#store.handles.retire(segment);
    return true;
  }

  /** See `SegmentedLog.deleteDropped`. */
  deleteDropped(durableTable: readonly SegmentInfo[]): Promise<void> {
    const durable = new Map(durableTable.map((info) => [info.baseOffset, info]));
    return this.#tasks.run(async () => {
      if (this.#table.isRemoved) return;
      await this.#deleteFiles(durable);
      await this.#renameReplaced(durable);
    });
  }

  async #deleteFiles(durable: ReadonlyMap<number, SegmentInfo>): Promise<void> {
    const { fs, handles } = this.#store;
    const table = this.#table;
    if (table.dropped.length > 0) await this.#prepare();
    const deletable = table.dropped.filter((segment) => !durable.has(segment.baseOffset));
    table.dropped = table.dropped.filter((segment) => durable.has(segment.baseOffset));
    for (const segment of deletable) {
      segment.isDeleted = true;
      this.#syncs.delete(segment);
      await handles.retire(segment);
      await fs.remove(segment.path);
      if (table.isReplaced(segment)) await fs.remove(table.pathOf(segment));
    }
  }

  /** Rewritten segments that the durable snapshot names take the place of what they were made of. */
  async #renameReplaced(durable: ReadonlyMap<number, SegmentInfo>): Promise<void> {
    const { fs, handles } = this.#store;
    const table = this.#table;
    for (const segment of table.segments) {
      const path = table.pathOf(segment);
      const known = durable.get(segment.baseOffset);
      if (segment.path === path || known?.bytes !== segment.bytes) continue;
      if ((known.revision ?? 0) !== segment.revision) continue;
      const isRenamed = await handles.tryRead(segment, async () => {
        await fs.rename(segment.path, path);
        segment.path = path;
      });
      // So that the name is free, after a crash too, when the segment is rewritten once more.
      if (isRenamed) await fs.syncDirectory(table.directory);
    }
  }

  /** Deletes the directory when nothing else uses it. The table says already that the log is removed. */
  removeAll(): Promise<void> {
    const table = this.#table;
    return this.#tasks.run(() =>
      this.#syncs.close(async () => {
        await table.appending?.catch(() => undefined);
        for (const segment of [...table.segments, ...table.dropped])
          await this.#store.handles.retire(segment);
        table.clear();
        await this.#store.fs.remove(table.directory);
        this.#store.rootChanged();
      }),
    );
  }
}
