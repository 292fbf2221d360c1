import {
  baseOffsetOf,
  batchBytes,
  compressionOf,
  lastBatchAt,
  lastOffsetOf,
} from '../../../records/batch-view.ts';
import { COMPRESSION } from '../../../records/compression/compression.ts';
import { isControl, isTransactional, producerIdOf } from '../../../records/producer-fields.ts';
import { RecordCursor } from '../../../records/record-cursor.ts';
import { RecordFormatError } from '../../../records/record-format-error.ts';
import type { AbortedTransaction } from '../producers/aborted-transactions.ts';
import type { PartitionSlice, ReadablePartition } from '../readable-partition.ts';

/** How much is looked at in one go, and how much is read from segments at once. */
const TAIL_BYTES = 256 * 1024;
const READ_BYTES = 512 * 1024;
/** What is passed over takes time too, and so does decompressing: so many batches, or pieces of 16 KiB, in one go. */
const WORK_MAX = 1024;
const WORK_BYTES = 16 * 1024;
/** Decompressed records that a reader keeps while it waits; more are kept with those of all readers, within a limit. */
const KEPT_BYTES_MAX = 64 * 1024;

/** Whether to go on with the next record, or to stop in front of this one, or behind it. */
export type Visited = 'on' | 'before' | 'behind';

/**
 * What ended a round: the visitor, or that there is nothing more to read, or that something is read from the disk or
 * decompressed elsewhere; in the last case `onReady` is called when it is there.
 */
export type ReadEnd = 'stopped' | 'end' | 'loading';

export interface ReaderEvents {
  /** What had to be read is there. */
  onReady(): void;
  /** A batch, or all from here on, cannot be read: it is passed over. */
  onUnreadable(offset: number): void;
}

/**
 * Reads the records of a partition one after the other, as far as they are durable and belong to no transaction that is
 * open or was aborted. From memory without waiting, else in large pieces from the segments.
 */
export class PartitionReader {
  readonly partition: ReadablePartition;
  /** The offset to go on with. */
  next: number;
  readonly cursor = new RecordCursor();
  /** Of the last round, beside the records that were shown. */
  work = 0;
  readonly #events: ReaderEvents;
  #loaded: Buffer | null = null;
  /** The aborted transactions in it; null if the partition knows them. */
  #loadedAborted: readonly AbortedTransaction[] | null = null;
  #isLoading = false;
  /** A batch is being decompressed: nothing is read before. */
  #isOpening = false;
  /** Base offset of a batch that turned out not to be what it should; -1 for none. */
  #unreadableOffset = -1;
  #isClosed = false;

  constructor(partition: ReadablePartition, from: number, events: ReaderEvents) {
    this.partition = partition;
    this.next = from;
    this.#events = events;
  }

  /** It was enough for one round, whatever was found. */
  get isTired(): boolean {
    return this.work >= WORK_MAX;
  }

  /** Shows the records below `below` to `visit`, which finds the present one in `cursor`. */
  read(visit: () => Visited, below: number = Number.POSITIVE_INFINITY): ReadEnd {
    this.work = 0;
    if (this.#isOpening) return 'loading';
    const end = this.#read(visit, below);
    this.cursor.letGo(KEPT_BYTES_MAX);
    return this.#isOpening ? 'loading' : end;
  }

  #read(visit: () => Visited, below: number): ReadEnd {
    for (;;) {
      const { partition } = this;
      if (this.next < partition.startOffset) this.next = partition.startOffset;
      const limit = Math.min(below, partition.lastStableOffset);
      if (this.next >= limit) return 'end';
      const loaded = this.#takeLoaded();
      if (loaded !== null) {
        if (!this.#visitBatches(loaded, 0, loaded.length, limit, visit)) return 'stopped';
        // What is behind it may be in memory, or is loaded next.
        this.#dropLoaded();
        continue;
      }
      const pieces = partition.readTail(this.next, partition.lastStableOffset, TAIL_BYTES);
      if (pieces === null) {
        this.#load();
        return 'loading';
      }
      if (pieces.length === 0) return 'end';
      for (const { buffer, start, end } of pieces) {
        if (!this.#visitBatches(buffer, start, end, limit, visit)) return 'stopped';
      }
    }
  }

  /** Goes on elsewhere. */
  seek(offset: number): void {
    this.next = offset;
    this.#dropLoaded();
    this.cursor.close();
  }

  close(): void {
    this.#isClosed = true;
    this.#dropLoaded();
    this.cursor.close();
  }

  #dropLoaded(): void {
    if (this.#loaded !== null) this.partition.release(this.#loaded.length);
    this.#loaded = null;
    this.#loadedAborted = null;
  }

  /** False if the visitor stopped. */
  #visitBatches(buffer: Buffer, start: number, end: number, limit: number, visit: () => Visited): boolean {
    for (let at = start; at < end; at += batchBytes(buffer, at)) {
      const lastOffset = lastOffsetOf(buffer, at);
      if (lastOffset < this.next) continue;
      if (this.next >= limit) return true;
      if (this.isTired) return false;
      if (isControl(buffer, at) || this.#isAborted(buffer, at)) {
        this.next = lastOffset + 1;
        this.work++;
        continue;
      }
      if (!this.#visitRecords(buffer, at, limit, visit)) return false;
      if (this.next < limit) this.next = Math.max(this.next, lastOffset + 1);
    }
    return true;
  }

  #visitRecords(buffer: Buffer, at: number, limit: number, visit: () => Visited): boolean {
    const { cursor } = this;
    if (!this.#resume(buffer, at)) return !this.#isOpening;
    while (this.#hasNext()) {
      if (cursor.offset < this.next) continue;
      if (cursor.offset >= limit) {
        cursor.stepBack();
        this.next = limit;
        return true;
      }
      const visited = visit();
      if (visited === 'before') {
        cursor.stepBack();
        return false;
      }
      this.next = cursor.offset + 1;
      if (visited === 'behind') return false;
    }
    cursor.close();
    return true;
  }

  /** False for a batch that cannot be decompressed, or, with `#isOpening`, that is being so. */
  #resume(buffer: Buffer, at: number): boolean {
    const { cursor } = this;
    const isOpen = cursor.isAt(buffer, at) && !cursor.needsOpened;
    if (isOpen || compressionOf(buffer, at) === COMPRESSION.none) {
      cursor.resume(buffer, at);
      return true;
    }
    if (baseOffsetOf(buffer, at) === this.#unreadableOffset) {
      this.#events.onUnreadable(this.next);
      return false;
    }
    try {
      const { opener, id } = this.partition;
      const records = opener.opened.get(id, buffer, at) ?? opener.openNow(buffer, at);
      if (records === null) {
        this.#open(buffer, at);
        return false;
      }
      if (records.length <= KEPT_BYTES_MAX) this.work += Math.ceil(records.length / WORK_BYTES);
      cursor.resume(buffer, at, records);
      return true;
    } catch (error) {
      this.#unreadable(error);
      return false;
    }
  }

  #open(buffer: Buffer, at: number): void {
    this.#isOpening = true;
    const { opener, id, stream } = this.partition;
    const baseOffset = baseOffsetOf(buffer, at);
    // What is kept for all of its readers counts for who made the stream.
    opener.openFor(id, buffer, at, stream.account?.name ?? '').then(
      () => this.#opened(),
      (error) => {
        // Any other error is not the batch's: it is tried again when there is more to read.
        if (!(error instanceof RecordFormatError)) this.#isOpening = false;
        else {
          this.#unreadableOffset = baseOffset;
          this.#opened();
        }
      },
    );
  }

  #opened(): void {
    this.#isOpening = false;
    if (!this.#isClosed) this.#events.onReady();
  }

  /** Moves to the next record; false behind the last one that can be read. */
  #hasNext(): boolean {
    try {
      return this.cursor.next();
    } catch (error) {
      this.#unreadable(error);
      return false;
    }
  }

  /** The rest of the batch is passed over. */
  #unreadable(error: unknown): void {
    if (!(error instanceof RecordFormatError)) throw error;
    this.#events.onUnreadable(this.next);
  }

  #isAborted(buffer: Buffer, at: number): boolean {
    if (!isTransactional(buffer, at)) return false;
    const base = baseOffsetOf(buffer, at);
    const producerId = producerIdOf(buffer, at);
    const aborted = this.#loadedAborted ?? this.partition.abortedIn(base, lastOffsetOf(buffer, at) + 1);
    return aborted.some(
      (each) => each.producerId === producerId && each.firstOffset <= base && base <= each.lastOffset,
    );
  }

  #takeLoaded(): Buffer | null {
    const loaded = this.#loaded;
    if (loaded === null || loaded.length === 0) return null;
    const last = lastBatchAt(loaded, loaded.length);
    if (this.next > lastOffsetOf(loaded, last) || this.next < baseOffsetOf(loaded, 0)) return null;
    return loaded;
  }

  #load(): void {
    if (this.#isLoading) return;
    this.#isLoading = true;
    const { partition, next } = this;
    partition.read(next, partition.lastStableOffset, READ_BYTES).then(
      (slice) => this.#came(slice, next),
      () => {
        this.#isLoading = false;
        // Everything else goes on. The partition has told who has to know.
        if (!this.#isClosed) this.#events.onUnreadable(next);
      },
    );
  }

  /** It was asked for when `from` was next. */
  #came({ bytes, nextOffset, aborted }: PartitionSlice, from: number): void {
    this.#isLoading = false;
    if (this.#isClosed) {
      this.partition.release(bytes.length);
      return;
    }
    if (bytes.length > 0) {
      this.#dropLoaded();
      this.#loaded = bytes;
      this.#loadedAborted = aborted ?? null;
    }
    // Offsets that are not there were compacted away.
    const first = bytes.length > 0 ? baseOffsetOf(bytes, 0) : nextOffset;
    if (this.next === from && first > from) this.next = first;
    this.#events.onReady();
  }
}
