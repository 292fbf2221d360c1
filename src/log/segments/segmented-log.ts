import type { Clock } from '../../base/clock.ts';
import { freshMemory, type Memory } from '../../base/memory-pool.ts';
import { BatchView, batchBytes } from '../../records/batch-view.ts';
import type { File } from '../files/filesystem.ts';
import { prepareLogDirectory } from './log-directory.ts';
import { LogSlice } from './log-slice.ts';
import { LogSyncs } from './log-syncs.ts';
import type { Segment, SegmentInfo } from './segment.ts';
import type { LiveCount } from './segment-cleaner.ts';
import { findBatchByTime, readSlice, scanSegment } from './segment-reader.ts';
import type { BatchRewriter } from './segment-rewriter.ts';
import { SegmentRewrites } from './segment-rewrites.ts';
import type { SegmentStore } from './segment-store.ts';
import { SegmentTable } from './segment-table.ts';

export type { SegmentInfo } from './segment.ts';

/** Kafka's own index, which its tools make of our files, has the offsets of a segment as 32-bit differences. */
const DELTA_MAX = 0x7fffffff;
const NOTHING = Buffer.alloc(0);
const NOTHING_TO_DO = Promise.resolve();

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
  /** The snapshot or the journal knows the offsets below: a file of such offsets that is not in the table can be deleted. */
  knownEnd = Number.POSITIVE_INFINITY;
  readonly #store: SegmentStore;
  /** For the age of segments in a stream's log; null in that of a queue. */
  readonly #clock: Clock | null;
  readonly #table: SegmentTable;
  readonly #syncs: LogSyncs;
  /** Null until it is needed: most logs of a broker with many never have a segment. */
  #rewrites: SegmentRewrites | null = null;
  #prepared: Promise<void> | null;
  #mayHaveFiles: boolean;

  /**
   * `table` is null for a new log. With `clock` it is a stream's log: its batches were made by producers, and its segments
   * know how old they are.
   */
  constructor(
    store: SegmentStore,
    id: number,
    table: readonly SegmentInfo[] | null,
    clock: Clock | null = null,
  ) {
    this.id = id;
    this.segmentBytes = store.segmentBytes;
    this.#store = store;
    this.#clock = clock;
    this.#mayHaveFiles = table !== null;
    this.#prepared = table === null ? NOTHING_TO_DO : null;
    this.#table = new SegmentTable(`${store.root}/${id}`, table ?? [], clock !== null);
    this.#syncs = new LogSyncs(store, this.#table.directory, this.#table.segments.length === 0);
  }

  /** The first offset that a read may find. */
  get startOffset(): number {
    return this.#table.startOffset;
  }

  /** Behind the last record; 0 if none was ever appended, or all are gone since before the start. */
  get endOffset(): number {
    return this.#table.endOffset;
  }

  get bytes(): number {
    return this.#table.bytes;
  }

  /** In order of their offsets; the last may be the active one. */
  get segments(): readonly Segment[] {
    return this.#table.segments;
  }

  /** The segment that the next append may go to. */
  get active(): Segment | null {
    return this.#table.active;
  }

  /** Whether it has been rewritten, and waits for a snapshot to take the place of what it was made of. */
  isReplaced(segment: Segment): boolean {
    return this.#table.isReplaced(segment);
  }

  /** For the next snapshot. Only after a `sync` that began later is all of it on disk. */
  table(): SegmentInfo[] {
    return this.#table.infos();
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
    if (this.#table.appending !== null) throw new Error(`log ${this.id}: two appends at once`);
    const isWhole = batches.every((batch) => batchBytes(batch, 0) === batch.length);
    if (firstOffset < this.#table.endOffset || endOffset <= firstOffset || !isWhole) {
      const range = `${firstOffset} to ${endOffset}`;
      throw new RangeError(
        `log ${this.id} ends at ${this.#table.endOffset}: no batch of offsets ${range} can follow`,
      );
    }
    this.#table.appending = this.#append(batches, firstOffset, endOffset, records);
    try {
      await this.#table.appending;
    } finally {
      this.#table.appending = null;
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
      if (segment !== this.#table.active) await this.#discard(segment);
      throw error;
    }
    segment.tailUnknown = false;
    this.#store.appendedBytes += bytes;
    for (const batch of batches) {
      const { baseOffset, maxTimestampMs } = new BatchView(batch, 0);
      segment.index.add(baseOffset, segment.bytes, maxTimestampMs);
      segment.bytes += batch.length;
      if (segment.maxTimestampMs !== undefined && maxTimestampMs > segment.maxTimestampMs)
        segment.maxTimestampMs = maxTimestampMs;
    }
    segment.records += records;
    segment.endOffset = endOffset;
    this.#table.endOffset = endOffset;
    this.#table.activate(segment);
    this.#syncs.add(segment);
  }

  /** The active one, or a new one, which enters the table with its first batch. */
  async #segmentToAppendTo(bytes: number, firstOffset: number): Promise<Segment> {
    const { fs, handles } = this.#store;
    const active = this.#table.active;
    if (active !== null) {
      const isFull = active.bytes + bytes > this.segmentBytes || firstOffset - active.baseOffset > DELTA_MAX;
      const hasGap = this.#clock !== null && firstOffset !== active.endOffset;
      if ((await this.#isAppendable(active)) && !isFull && !hasGap) return active;
    }
    const info = { baseOffset: firstOffset, endOffset: firstOffset, bytes: 0, records: 0 };
    const age = this.#clock === null ? {} : { createdMs: this.#clock.now(), maxTimestampMs: -1 };
    const segment = this.#table.segmentOf({ ...info, ...age }, true);
    this.#mayHaveFiles = true;
    if (this.#syncs.entryIsDirty) {
      await fs.makeDirectory(this.#table.directory);
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
    if (this.#table.appending !== null) throw new Error(`log ${this.id}: rolled during an append`);
    this.#table.appending = this.#roll();
    try {
      await this.#table.appending;
    } finally {
      this.#table.appending = null;
    }
  }

  async #roll(): Promise<void> {
    await this.#prepare();
    if (this.#table.active !== null) await this.#isAppendable(this.#table.active);
    this.#table.active = null;
  }

  /** False if it is corrupt: what comes next goes to another segment. */
  async #isAppendable(segment: Segment): Promise<boolean> {
    if (segment.missing !== null) return false;
    return this.#store.handles.tryRead(segment, (file) => this.#cutTail(segment, file));
  }

  /** The first write to a new segment failed, perhaps because the disk is full: its file must not be there either. */
  async #discard(segment: Segment): Promise<void> {
    await this.#store.handles.retire(segment);
    await this.#store.fs.remove(segment.path).catch(() => undefined);
  }

  /** Bytes of a failed write behind the end must go before something shorter is written over them, or the segment is closed. */
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
      const segment = this.#table.reaching(offset);
      if (segment === undefined) {
        return new LogSlice(NOTHING, fromOffset, Math.max(fromOffset, this.#table.endOffset), 0);
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
      const segment = this.#table.reaching(offset);
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

  /** Segments of which all offsets are below `offset` leave the table. */
  dropBelow(offset: number): void {
    this.#table.dropWhere((segment) => segment.endOffset <= offset);
  }

  /**
   * Drops segments that are wholly acknowledged, and rewrites those in which few records are live: one message that is
   * never acknowledged takes its own bytes on disk, and not the 32 MiB around it.
   */
  reclaim(isAcknowledged: (from: number, to: number) => boolean, liveCount: LiveCount): Promise<void> {
    return this.#rewriting().reclaim(isAcknowledged, liveCount);
  }

  /**
   * Puts one segment in the place of closed ones that are side by side, with what `rewriter` leaves of their batches,
   * or none; if that is all of them, they stay. False if they are not what they were any more, or wait for a snapshot since they were last rewritten.
   */
  rewrite(group: readonly Segment[], rewriter: BatchRewriter): Promise<boolean> {
    return this.#rewriting().rewrite(group, rewriter);
  }

  /**
   * The snapshot with this table is durable: deletes files that it does not name, and puts rewritten segments in the
   * place of their originals. Nothing of that has to be durable itself.
   */
  deleteDropped(durableTable: readonly SegmentInfo[]): Promise<void> {
    return this.#rewriting().deleteDropped(durableTable);
  }

  /** Whether anything of it was ever written, as far as is known: most queues that come and go are never in a file. */
  get mayHaveFiles(): boolean {
    return this.#mayHaveFiles;
  }

  /** Deletes the log with all its files; it cannot be used any more. The deletion must be in the journal already. */
  async remove(): Promise<void> {
    this.#table.isRemoved = true;
    this.#syncs.forget();
    if (this.#mayHaveFiles) await this.#rewriting().removeAll();
  }

  #rewriting(): SegmentRewrites {
    this.#rewrites ??= new SegmentRewrites(this.#store, this.#table, this.#syncs, () => this.#prepare());
    return this.#rewrites;
  }

  /** Compares the directory with the table, the first time that the log is used. */
  #prepare(): Promise<void> {
    if (this.#prepared === null) {
      // What was dropped meanwhile is in the table of the last snapshot still.
      const table = [...this.#table.segments, ...this.#table.dropped];
      const { knownEnd } = this;
      this.#prepared = prepareLogDirectory(this.#store, this.#table.directory, table, knownEnd).then(
        (missing) => {
          for (const segment of table) segment.missing = missing.get(segment.baseOffset) ?? null;
        },
      );
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
    if (this.#table.isRemoved) throw new Error(`log ${this.id} was removed`);
  }
}
