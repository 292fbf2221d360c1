import type { Clock } from '../../base/clock.ts';
import { freshMemory, type Memory } from '../../base/memory-pool.ts';
import { BatchView, batchBytes } from '../../records/batch-view.ts';
import type { File } from '../files/filesystem.ts';
import { prepareLogDirectory } from './log-directory.ts';
import { LogSlice } from './log-slice.ts';
import { LogSyncs } from './log-syncs.ts';
import { cleanedFileName, Segment, type SegmentInfo, segmentFileName } from './segment.ts';
import { type LiveCount, writeCleaned } from './segment-cleaner.ts';
import { findBatchByTime, readSlice, scanSegment } from './segment-reader.ts';
import { type BatchRewriter, writeRewritten } from './segment-rewriter.ts';
import type { SegmentStore } from './segment-store.ts';
import { Serial } from './serial.ts';

export type { SegmentInfo } from './segment.ts';

/** A segment is rewritten when fewer than one in so many of its records are live. */
const CLEAN_BELOW = 4;
/** Kafka's own index, which its tools make of our files, has the offsets of a segment as 32-bit differences. */
const DELTA_MAX = 0x7fffffff;
const NOTHING = Buffer.alloc(0);

/**
 * The part of a log that is in segment files. Offsets are given by the caller; they may have gaps, and never change.
 *
 * What a segment holds is decided by the table in the last durable snapshot. So nothing that such a snapshot may
 * count on is changed in place: appending goes behind what it knows, dropped segments stay as files, and a rewritten
 * one stands beside the original, until `deleteDropped` says that a later snapshot is durable.
 */
export class SegmentedLog {
  readonly id: number;
  /** A segment is closed and the next begun when it would grow beyond this. */
  segmentBytes: number;
  /** Messages up to here were in the last snapshot or the journal: other files of them can go. */
  knownEnd = Number.POSITIVE_INFINITY;
  readonly #store: SegmentStore;
  /** Of a stream's log, whose segments have an age; null in others. */
  readonly #clock: Clock | null;
  readonly #directory: string;
  /** In order of their offsets. */
  #segments: Segment[];
  /** The last segment, if it can still be appended to. */
  #active: Segment | null;
  /** Not in the table any more, but perhaps in that of the last snapshot. */
  #dropped: Segment[] = [];
  #endOffset: number;
  #prepared: Promise<void> | null = null;
  #appending: Promise<void> | null = null;
  readonly #syncs: LogSyncs;
  /** Reclaiming, deleting and removing exclude each other. */
  readonly #maintenance = new Serial();
  #removed = false;

  /** `clock` makes it a stream's log: its batches are producers', and its segments know how old they are. */
  constructor(
    store: SegmentStore,
    id: number,
    table: readonly SegmentInfo[],
    clock: Clock | null = null,
    prefix = '',
  ) {
    this.id = id;
    this.segmentBytes = store.segmentBytes;
    this.#store = store;
    this.#clock = clock;
    this.#directory = `${store.root}/${prefix}${id}`;
    this.#segments = table.map((info) => this.#segmentOf(info, false));
    this.#active = this.#segments.at(-1) ?? null;
    this.#endOffset = this.#active?.endOffset ?? 0;
    this.#syncs = new LogSyncs(store, this.#directory, table.length === 0);
  }

  /** The first offset that a read may find. */
  get startOffset(): number {
    return this.#segments.length > 0 ? this.#segments[0].baseOffset : this.#endOffset;
  }

  /** Behind the last record; 0 if none was ever appended, or all are gone since before the start. */
  get endOffset(): number {
    return this.#endOffset;
  }

  get bytes(): number {
    let bytes = 0;
    for (const segment of this.#segments) bytes += segment.bytes;
    return bytes;
  }

  /** In order of their offsets; the last may be the active one. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** The segment that the next append may go to. */
  get active(): Segment | null {
    return this.#active;
  }

  /** Whether it has been rewritten, and waits for a snapshot to take the place of what it was made of. */
  isReplaced(segment: Segment): boolean {
    return segment.path !== this.#pathOf(segment);
  }

  /** For the next snapshot. Only after a `sync` that began later is all of it on disk. */
  table(): SegmentInfo[] {
    return this.#segments.map((segment) => segment.info());
  }

  /**
   * Appends one finished batch with the offsets [firstOffset, endOffset), of which `records` exist. When it resolves
   * the batch can be read and the memory of the batch used again; it is durable after `sync`. One call at a time.
   */
  append(batch: Buffer, firstOffset: number, endOffset: number, records: number): Promise<void> {
    return this.appendBatches([batch], firstOffset, endOffset, records);
  }

  /** As `append`, several batches with one write. */
  async appendBatches(
    batches: readonly Buffer[],
    firstOffset: number,
    endOffset: number,
    records: number,
  ): Promise<void> {
    if (this.#appending !== null) throw new Error(`log ${this.id}: two appends at once`);
    const isWhole = batches.every((batch) => batchBytes(batch, 0) === batch.length);
    if (firstOffset < this.#endOffset || endOffset <= firstOffset || !isWhole) {
      const range = `${firstOffset} to ${endOffset}`;
      throw new RangeError(
        `log ${this.id} ends at ${this.#endOffset}: no batch of offsets ${range} can follow`,
      );
    }
    this.#appending = this.#append(batches, firstOffset, endOffset, records);
    try {
      await this.#appending;
    } finally {
      this.#appending = null;
    }
  }

  async #append(
    batches: readonly Buffer[],
    firstOffset: number,
    endOffset: number,
    records: number,
  ): Promise<void> {
    await this.#prepare();
    this.#assertPresent();
    let bytes = 0;
    for (const batch of batches) bytes += batch.length;
    const segment = await this.#segmentToAppendTo(bytes, firstOffset);
    segment.tailUnknown = true;
    try {
      await this.#store.handles.use(segment, (file) => file.write(batches, segment.bytes));
    } catch (error) {
      if (segment !== this.#active) await this.#discard(segment);
      throw error;
    }
    segment.tailUnknown = false;
    for (const batch of batches) {
      const { baseOffset, maxTimestampMs } = new BatchView(batch, 0);
      segment.index.add(baseOffset, segment.bytes, maxTimestampMs);
      segment.bytes += batch.length;
      if (segment.maxTimestampMs !== undefined && maxTimestampMs > segment.maxTimestampMs)
        segment.maxTimestampMs = maxTimestampMs;
    }
    segment.records += records;
    segment.endOffset = endOffset;
    this.#endOffset = endOffset;
    if (segment !== this.#active) {
      this.#segments.push(segment);
      this.#active = segment;
    }
    this.#syncs.add(segment);
  }

  /** The active one, or a new one, which enters the table with its first batch. */
  async #segmentToAppendTo(bytes: number, firstOffset: number): Promise<Segment> {
    const { fs, handles } = this.#store;
    const active = this.#active;
    if (active !== null) {
      const isFull = active.bytes + bytes > this.segmentBytes || firstOffset - active.baseOffset > DELTA_MAX;
      const hasGap = this.#clock !== null && firstOffset !== active.endOffset;
      if ((await this.#isAppendable(active)) && !isFull && !hasGap) return active;
    }
    const info = { baseOffset: firstOffset, endOffset: firstOffset, bytes: 0, records: 0 };
    const age = this.#clock === null ? {} : { createdMs: this.#clock.now(), maxTimestampMs: -1 };
    const segment = this.#segmentOf({ ...info, ...age }, true);
    if (this.#syncs.entryIsDirty) {
      await fs.makeDirectory(this.#directory);
      this.#store.rootChanged();
    }
    try {
      await handles.create(segment);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      // Left by an append that failed half-way: what the last snapshot names is never in the way of new offsets.
      await fs.remove(segment.path);
      await handles.create(segment);
    }
    this.#syncs.directoryIsDirty = true;
    return segment;
  }

  /** The next append begins a new segment, whatever is in this one. */
  async roll(): Promise<void> {
    if (this.#appending !== null) throw new Error(`log ${this.id}: rolled during an append`);
    this.#appending = this.#roll();
    try {
      await this.#appending;
    } finally {
      this.#appending = null;
    }
  }

  async #roll(): Promise<void> {
    await this.#prepare();
    if (this.#active !== null) await this.#isAppendable(this.#active);
    this.#active = null;
  }

  /** False if it is corrupt: what comes next must not suffer from that. */
  async #isAppendable(segment: Segment): Promise<boolean> {
    if (segment.missing !== null) return false;
    return this.#store.handles.tryRead(segment, (file) => this.#cutTail(segment, file));
  }

  /** The first write to a new segment failed, perhaps because the disk is full: its file must not be there either. */
  async #discard(segment: Segment): Promise<void> {
    await this.#store.handles.retire(segment);
    await this.#store.fs.remove(segment.path).catch(() => undefined);
  }

  /** Left-overs behind the end must not be there when something shorter is written over them, or when it is closed. */
  async #cutTail(segment: Segment, file: File): Promise<void> {
    if (!segment.tailUnknown) return;
    if (!segment.indexed) await this.#index(segment, file);
    await file.truncate(segment.bytes);
    segment.tailUnknown = false;
  }

  /**
   * Whole batches from the one that holds `fromOffset`, or the next there is, on: up to `maxBytes`, but at least one
   * record unless the log has none there. Rejects with a CorruptionError where the file is not what was written.
   */
  async read(fromOffset: number, maxBytes: number, memory: Memory = freshMemory): Promise<LogSlice> {
    await this.#prepare();
    for (let offset = fromOffset; ; ) {
      this.#assertPresent();
      const segment = this.#segmentReaching(offset);
      if (segment === undefined) {
        return new LogSlice(NOTHING, fromOffset, Math.max(fromOffset, this.#endOffset), 0);
      }
      if (segment.missing !== null) throw segment.missing;
      const segmentEnd = segment.endOffset;
      const slice = await this.#store.handles.read(segment, async (file) => {
        if (!segment.indexed) await this.#index(segment, file);
        return readSlice(file, segment, offset, maxBytes, memory);
      });
      if (slice !== null && !slice.isEmpty) return slice;
      offset = slice === null ? segmentEnd : slice.nextOffset;
    }
  }

  /** The first batch from `fromOffset` on with a timestamp of `timestampMs` or later; null if there is none. */
  async batchAtTime(timestampMs: number, fromOffset: number): Promise<Buffer | null> {
    await this.#prepare();
    for (let offset = fromOffset; ; ) {
      this.#assertPresent();
      const segment = this.#segmentReaching(offset);
      if (segment === undefined) return null;
      if (segment.missing !== null) throw segment.missing;
      offset = segment.endOffset;
      if (segment.maxTimestampMs !== undefined && segment.maxTimestampMs < timestampMs) continue;
      const batch = await this.#store.handles.read(segment, async (file) => {
        if (!segment.indexed) await this.#index(segment, file);
        return findBatchByTime(file, segment, timestampMs, fromOffset);
      });
      if (batch !== null) return batch;
    }
  }

  /** Makes durable what was appended before. A failure is final: the system may have forgotten what it did not write. */
  sync(): Promise<void> {
    return this.#syncs.sync();
  }

  /** Everything below `offset` is settled: segments that hold nothing else leave the table. */
  settledBelow(offset: number): void {
    this.#dropWhere((segment) => segment.endOffset <= offset);
  }

  /**
   * Drops the segments in which everything is settled, and rewrites those in which little is live: one message that
   * is never acknowledged keeps itself on disk, and not the 32 MiB around it. Acknowledged offsets stay acknowledged.
   */
  reclaim(isWhollySettled: (from: number, to: number) => boolean, liveCount: LiveCount): Promise<void> {
    return this.#maintenance.run(async () => {
      this.#dropWhere((segment) => isWhollySettled(segment.baseOffset, segment.endOffset));
      for (const segment of [...this.#segments]) {
        if (this.#removed) return;
        // One that waits for its replacement to be durable is not rewritten again: its name is taken.
        if (segment === this.#active || segment.isDropped || segment.path !== this.#pathOf(segment)) continue;
        if (liveCount(segment.baseOffset, segment.endOffset) * CLEAN_BELOW >= segment.records) continue;
        await this.#clean(segment, liveCount);
      }
    });
  }

  async #clean(segment: Segment, liveCount: LiveCount): Promise<void> {
    const { fs, handles } = this.#store;
    const path = `${this.#directory}/${cleanedFileName(segment)}`;
    await this.#prepare();
    if (segment.missing !== null) throw segment.missing;
    // So that nobody opens the original again to sync it, when its place has been taken.
    if (this.#syncs.has(segment)) await this.sync();
    try {
      const copy = await handles.read(segment, (file) => writeCleaned(fs, file, segment, path, liveCount));
      await fs.syncDirectory(this.#directory);
      if (segment.isDropped || copy.bytes >= segment.bytes) {
        await fs.remove(path);
        return;
      }
      if (copy.bytes === 0) {
        this.#dropWhere((each) => each === segment);
        await fs.remove(path);
        return;
      }
      this.#segments[this.#segments.indexOf(segment)] = copy;
      segment.isDropped = true;
    } catch (error) {
      await fs.remove(path).catch(() => undefined);
      throw error;
    }
    await handles.retire(segment);
  }

  /**
   * Puts one segment in the place of closed ones that are side by side, with what `rewriter` leaves of their batches,
   * or none; if that is all of them, they stay. False if they are not what they were any more, or wait for a snapshot since they were last rewritten.
   */
  async rewrite(group: readonly Segment[], rewriter: BatchRewriter): Promise<boolean> {
    const { fs, handles } = this.#store;
    const first = group[0] as Segment;
    const { endOffset } = group[group.length - 1] as Segment;
    if (group.some((segment) => segment === this.#active || segment.path !== this.#pathOf(segment)))
      return false;
    await this.#prepare();
    const missing = group.find((segment) => segment.missing !== null)?.missing ?? null;
    if (missing !== null) throw missing;
    if (group.some((segment) => this.#syncs.has(segment))) await this.sync();
    const revision = Math.max(...group.map((segment) => segment.revision)) + 1;
    const info = { ...first.info(), endOffset, bytes: 0, records: 0, revision, maxTimestampMs: -1 };
    const copy = new Segment(info, `${this.#directory}/${cleanedFileName(info)}`, true, true);
    let isDone = false;
    try {
      if (await writeRewritten(fs, handles, group, copy, rewriter)) {
        if (group.length === 1 && !rewriter.changed) return true;
        await fs.syncDirectory(this.#directory);
        isDone = await this.#maintenance.run(() => this.#replace(group, copy));
      }
    } finally {
      if (!isDone || copy.bytes === 0) await fs.remove(copy.path).catch(() => undefined);
    }
    return isDone;
  }

  async #replace(group: readonly Segment[], copy: Segment): Promise<boolean> {
    const at = this.#segments.indexOf(group[0] as Segment);
    if (this.#removed || at < 0) return false;
    if (!group.every((segment, index) => this.#segments[at + index] === segment)) return false;
    const isEmpty = copy.bytes === 0;
    this.#segments = this.#segments.toSpliced(at, group.length, ...(isEmpty ? [] : [copy]));
    for (const segment of group) segment.isDropped = true;
    // The first one's file is replaced, those of the others are deleted, with a later snapshot.
    this.#dropped.push(...(isEmpty ? group : group.slice(1)));
    for (const segment of group) await this.#store.handles.retire(segment);
    return true;
  }

  /**
   * The snapshot with this table is durable: deletes files that it does not name, and puts rewritten segments in the
   * place of their originals. Nothing of that has to be durable itself.
   */
  deleteDropped(durableTable: readonly SegmentInfo[]): Promise<void> {
    const { fs, handles } = this.#store;
    const durable = new Map(durableTable.map((info) => [info.baseOffset, info]));
    return this.#maintenance.run(async () => {
      if (this.#removed) return;
      if (this.#dropped.length > 0) await this.#prepare();
      const deletable = this.#dropped.filter((segment) => !durable.has(segment.baseOffset));
      this.#dropped = this.#dropped.filter((segment) => durable.has(segment.baseOffset));
      for (const segment of deletable) {
        segment.isDeleted = true;
        this.#syncs.delete(segment);
        await handles.retire(segment);
        await fs.remove(segment.path);
        if (segment.path !== this.#pathOf(segment)) await fs.remove(this.#pathOf(segment));
      }
      for (const segment of this.#segments) {
        const path = this.#pathOf(segment);
        const known = durable.get(segment.baseOffset);
        if (segment.path === path || known?.bytes !== segment.bytes) continue;
        if ((known.revision ?? 0) !== segment.revision) continue;
        const isRenamed = await handles.tryRead(segment, async () => {
          await fs.rename(segment.path, path);
          segment.path = path;
        });
        // So that the name is free, after a crash too, when the segment is rewritten once more.
        if (isRenamed) await fs.syncDirectory(this.#directory);
      }
    });
  }

  /** Deletes the log with all its files; it cannot be used any more. The deletion must be in the journal already. */
  remove(): Promise<void> {
    this.#removed = true;
    this.#syncs.forget();
    return this.#maintenance.run(() =>
      this.#syncs.close(async () => {
        await this.#appending?.catch(() => undefined);
        for (const segment of [...this.#segments, ...this.#dropped])
          await this.#store.handles.retire(segment);
        this.#segments = [];
        this.#dropped = [];
        this.#active = null;
        await this.#store.fs.remove(this.#directory);
        this.#store.rootChanged();
      }),
    );
  }

  #dropWhere(isDroppable: (segment: Segment) => boolean): void {
    const kept: Segment[] = [];
    for (const segment of this.#segments) {
      const isInUse = segment === this.#active && this.#appending !== null;
      if (isInUse || !isDroppable(segment)) {
        kept.push(segment);
        continue;
      }
      segment.isDropped = true;
      this.#dropped.push(segment);
      if (segment === this.#active) this.#active = null;
    }
    if (kept.length < this.#segments.length) this.#segments = kept;
  }

  /** The first segment with offsets at or after `offset`. */
  #segmentReaching(offset: number): Segment | undefined {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#segments[middle].endOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return this.#segments[low];
  }

  /** Compares the directory with the table, the first time that the log is used. */
  #prepare(): Promise<void> {
    if (this.#prepared === null) {
      // What was dropped meanwhile is in the table of the last snapshot still.
      const table = [...this.#segments, ...this.#dropped];
      const { knownEnd } = this;
      this.#prepared = prepareLogDirectory(this.#store, this.#directory, table, knownEnd).then((missing) => {
        for (const segment of table) segment.missing = missing.get(segment.baseOffset) ?? null;
      });
      this.#prepared.catch(() => {
        this.#prepared = null;
      });
    }
    return this.#prepared;
  }

  async #index(segment: Segment, file: File): Promise<void> {
    const index = await scanSegment(file, segment);
    // Another reader may have been quicker, and an append may have added to its index since.
    if (segment.indexed) return;
    segment.index = index;
    segment.indexed = true;
    if (this.#clock !== null) segment.maxTimestampMs = Math.max(-1, index.maxTimestampMs);
  }

  #assertPresent(): void {
    if (this.#removed) throw new Error(`log ${this.id} was removed`);
  }

  #segmentOf(info: SegmentInfo, isNew: boolean): Segment {
    return new Segment(info, this.#pathOf(info), isNew, this.#clock !== null);
  }

  #pathOf(info: SegmentInfo): string {
    return `${this.#directory}/${segmentFileName(info.baseOffset)}`;
  }
}
