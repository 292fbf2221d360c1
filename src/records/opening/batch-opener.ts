import type { Scheduler } from '../../base/scheduler.ts';
import { BATCH_HEADER_BYTES } from '../batch-layout.ts';
import { type BatchDemands, type ValidatedBatch, validateRecords } from '../batch-validation.ts';
import { BatchView, batchBytes } from '../batch-view.ts';
import {
  COMPRESSION,
  compress,
  DECOMPRESSED_BYTES_MAX,
  decompress,
  decompressedBytesMax,
} from '../compression/compression.ts';
import { CompressionError } from '../compression/errors.ts';
import { RecordFormatError } from '../record-format-error.ts';
import { ownBuffer, type ValidatedCopy } from './jobs.ts';
import { keyOf, OpenedBatches } from './opened-batches.ts';
import { OpenedBytes } from './opened-bytes.ts';
import { RecordsThread } from './records-thread-client.ts';

/** What is compressed and as large, or becomes as large, is not for the event loop: a few hundred microseconds. */
const COMPRESSED_NOW_MAX = 8 * 1024;
const OPENED_NOW_MAX = 64 * 1024;
/** To compress takes ten times as long. */
const RECOMPRESSED_NOW_MAX = 4 * 1024;
/** In one turn of the event loop: bytes that were decompressed, and records that were walked. */
const TURN_BYTES_MAX = 256 * 1024;
const TURN_RECORDS_MAX = 250_000;
/** All batches of one request may be decompressed to as much as one batch, or to so many times the bytes that came. */
const REQUEST_RATIO_MAX = 32;
/** Of a request that the thread does before it is another owner's turn: one batch at least. */
const JOB_BYTES = 64 * 1024;
/** Of decompressed batches that are kept for their readers. */
const KEPT_BYTES_MAX = 128 * 1024 * 1024;
/** Of produced batches, as they came, that wait for the thread. */
const WAITING_BYTES_MAX = 256 * 1024 * 1024;
const WAITING_SHARES = { owner: 0.5, common: 0.75 };

const header = new BatchView(Buffer.alloc(0), 0);

/** One batch of a request, in memory that may be given away, and what is asked of it. */
export interface BatchToValidate {
  readonly bytes: Buffer;
  readonly demands: BatchDemands;
}

/**
 * Opens compressed batches: every decompression that clients cause goes through here, so that it is bounded and does not
 * hold the event loop. What is small is done at once, as far as the turn's share of that goes (`…Now`, null if it does
 * not); everything else by a thread of its own, which begins when it is needed first, and in which the owners of batches, who
 * are users, have their turns.
 */
export class BatchOpener {
  /** Large batches that were opened, for whoever reads on in them. */
  readonly opened: OpenedBatches;
  /** Of produced batches that wait to be validated: who makes a copy for `validate` reserves it. */
  readonly waiting = new OpenedBytes(WAITING_BYTES_MAX, WAITING_SHARES);
  readonly #scheduler: Scheduler;
  readonly #thread = new RecordsThread();
  /** By the keys of `opened`. */
  readonly #opening = new Map<string, Promise<void>>();
  /** The last one of each owner. */
  readonly #visits = new Map<string, Promise<void>>();
  #turnBytes = 0;
  #turnRecords = 0;
  #isTurnCounted = false;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
    this.opened = new OpenedBatches(KEPT_BYTES_MAX, scheduler);
  }

  /** As `validateRecords`; null for `validate`, as it would take too long. */
  validateNow(bytes: Buffer, start: number, end: number, demands: BatchDemands): ValidatedBatch | null {
    header.moveTo(bytes, start);
    const { compression, recordCount } = header;
    const isRecompressed = demands.compression >= 0 && demands.compression !== compression;
    if (!this.#mayNow(end - start, compression, recordCount, isRecompressed)) return null;
    const bytesMax = isRecompressed ? RECOMPRESSED_NOW_MAX : OPENED_NOW_MAX;
    try {
      const validated = validateRecords(bytes, start, end, demands, bytesMax);
      this.#turnBytes += validated.openedBytes;
      return validated;
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      this.#turnBytes += bytesMax;
      return null;
    }
  }

  /**
   * Validates the batches of one request in order; they come back with what was found. `bytes` of them are given away, and
   * released from `waiting`, where the same owner has reserved them, when it is done. Other owners have their turns between.
   */
  async validate(batches: readonly BatchToValidate[], owner: string): Promise<readonly ValidatedCopy[]> {
    const requestBytes = batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const openedBytesMax = Math.max(DECOMPRESSED_BYTES_MAX, requestBytes * REQUEST_RATIO_MAX);
    const validated: ValidatedCopy[] = [];
    let openedBytesLeft = openedBytesMax;
    try {
      for (let next = 0; next < batches.length; ) {
        const some: { readonly bytes: ArrayBuffer; readonly demands: BatchDemands }[] = [];
        for (let bytes = 0; next < batches.length && bytes < JOB_BYTES; next++) {
          bytes += batches[next].bytes.length;
          some.push({ bytes: ownBuffer(batches[next].bytes), demands: batches[next].demands });
        }
        const limits = { openedBytesMax, openedBytesLeft };
        const { batches: copies, openedBytes } = await this.#thread.validate(some, limits, owner);
        openedBytesLeft -= openedBytes;
        for (const copy of copies) validated.push(copy);
      }
      return validated;
    } finally {
      this.waiting.release(requestBytes, owner);
    }
  }

  /**
   * The decompressed records of the batch at `at`; null for `open`, as it would take too long.
   * @throws RecordFormatError if they cannot be decompressed
   */
  openNow(bytes: Buffer, at: number): Buffer | null {
    header.moveTo(bytes, at);
    const { compression, end, recordCount, baseOffset } = header;
    if (!this.#mayNow(end - at, compression, 0, false)) return null;
    if (recordCount === 0) return bytes.subarray(at + BATCH_HEADER_BYTES, end);
    try {
      const records = decompress(compression, bytes.subarray(at + BATCH_HEADER_BYTES, end), OPENED_NOW_MAX);
      this.#turnBytes += records.length;
      return records;
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      this.#turnBytes += OPENED_NOW_MAX;
      if (error.isTooLarge) return null;
      throw unreadable(baseOffset, error.message);
    }
  }

  /** The decompressed records of the batch at `at`, of which a copy is made. Rejects with a RecordFormatError as `openNow`. */
  async open(bytes: Buffer, at: number, owner = ''): Promise<Buffer> {
    return this.openNow(bytes, at) ?? this.openLater(bytes, at, owner);
  }

  /** As `open`, in the turn of the owner. */
  async openLater(bytes: Buffer, at: number, owner: string): Promise<Buffer> {
    header.moveTo(bytes, at);
    const { compression, baseOffset } = header;
    const records = bytes.subarray(at + BATCH_HEADER_BYTES, at + batchBytes(bytes, at));
    const bytesMax = Math.max(decompressedBytesMax(records.length), OPENED_NOW_MAX);
    const outcome = await this.#thread.open(copyOf(records), compression, bytesMax, owner);
    if (typeof outcome === 'string') throw unreadable(baseOffset, outcome);
    return Buffer.from(outcome);
  }

  /** As `open`, for the readers of a log: the records are in `opened` then. Those who ask meanwhile wait for the same. */
  openFor(log: number, bytes: Buffer, at: number, owner: string): Promise<void> {
    const key = keyOf(log, bytes, at);
    let opening = this.#opening.get(key);
    if (opening === undefined) {
      opening = this.open(bytes, at, owner)
        .then((records) => this.opened.put(key, records, owner))
        .finally(() => this.#opening.delete(key));
      this.#opening.set(key, opening);
    }
    return opening;
  }

  /** Runs it when no other such visit of the owner has a batch open: one request can ask for very many. */
  async visitAlone<T>(owner: string, visit: () => Promise<T>): Promise<T> {
    const visited = (this.#visits.get(owner) ?? Promise.resolve()).then(visit);
    const ended = visited.then(
      () => undefined,
      () => undefined,
    );
    this.#visits.set(owner, ended);
    try {
      return await visited;
    } finally {
      if (this.#visits.get(owner) === ended) this.#visits.delete(owner);
    }
  }

  /** Compressed records, of which a copy is made. */
  async compress(compression: number, records: Buffer): Promise<Buffer> {
    if (compression === COMPRESSION.none) return records;
    if (records.length <= RECOMPRESSED_NOW_MAX) return compress(compression, records);
    return Buffer.from(await this.#thread.compress(copyOf(records), compression));
  }

  /** Others have had their turn of the event loop. */
  nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#scheduler.soon(resolve));
  }

  async close(): Promise<void> {
    this.opened.clear();
    await this.#thread.close();
  }

  #mayNow(bytes: number, compression: number, recordCount: number, isRecompressed: boolean): boolean {
    const isCompressed = compression !== COMPRESSION.none;
    if (isCompressed && (bytes > COMPRESSED_NOW_MAX || this.#turnBytes > TURN_BYTES_MAX)) return false;
    if (isRecompressed && bytes > RECOMPRESSED_NOW_MAX) return false;
    if (this.#turnRecords > 0 && this.#turnRecords + recordCount > TURN_RECORDS_MAX) return false;
    if (recordCount > TURN_RECORDS_MAX) return false;
    this.#turnRecords += recordCount;
    if (!this.#isTurnCounted) {
      this.#isTurnCounted = true;
      this.#scheduler.soon(this.#turnOver);
    }
    return true;
  }

  readonly #turnOver = (): void => {
    this.#isTurnCounted = false;
    this.#turnBytes = 0;
    this.#turnRecords = 0;
  };
}

function copyOf(bytes: Buffer): ArrayBuffer {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return ownBuffer(own);
}

function unreadable(baseOffset: number, text: string): RecordFormatError {
  return new RecordFormatError(`batch at offset ${baseOffset}: ${text}`);
}
