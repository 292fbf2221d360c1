import { BatchView } from '../../../records/batch-view.ts';
import type { Partition } from '../../streams/partition.ts';
import { PartitionCorruption } from '../../streams/partition-corruption.ts';
import type { AbortedTransaction } from '../../streams/producers/aborted-transactions.ts';
import { AcquiredRanges } from './acquired-ranges.ts';
import type { SharePartition } from './share-partition.ts';

export interface AcquireLimits {
  /** As many records are enough. */
  readonly records: number;
  readonly bytes: number;
  /** Not one record more; else whole batches, the last of which may go beyond. */
  readonly isExact: boolean;
}

/** What a member was given: the record batches that have it, and others of the same batches. */
export interface Acquired {
  /** Copies, back to back. */
  readonly batches: Buffer[];
  bytes: number;
  readonly ranges: AcquiredRanges;
  /** The partition cannot be read. */
  isCorrupt: boolean;
}

/** Read at once: how many bytes the records take that are wanted is not known before. */
const READ_BYTES = 128 * 1024;
/** A batch of more, as no producer makes at its defaults, is handed out in parts. */
const BATCH_RECORDS_MAX = 10_000;
/** Reads for one request: records that were given back lie far apart, perhaps. */
const READS_MAX = 512;

/** Finds what is available on one partition of a stream, and gives it to members of a share group. */
export class ShareReader {
  readonly share: SharePartition;
  readonly partition: Partition;
  readonly #readsUncommitted: () => boolean;

  constructor(share: SharePartition, partition: Partition, readsUncommitted: () => boolean) {
    this.share = share;
    this.partition = partition;
    this.#readsUncommitted = readsUncommitted;
  }

  /**
   * Gives the member what is available now, if anything: at once if it is in memory. A request that comes while another
   * one waits for the disk is given nothing; `onAvailable` tells when to come again.
   */
  acquire(memberId: string, limits: AcquireLimits): Acquired | Promise<Acquired> {
    const acquired: Acquired = { batches: [], bytes: 0, ranges: new AcquiredRanges(), isCorrupt: false };
    const { share, partition } = this;
    if (share.isReading || share.isRemoved) return acquired;
    acquired.isCorrupt = partition.log.isCorrupt;
    if (acquired.isCorrupt) return acquired;
    share.startsAt(partition.startOffset);
    const from = this.#fromMemory(memberId, limits, acquired);
    if (from !== null) return this.#fromDisk(memberId, limits, acquired, from);
    share.flush();
    return acquired;
  }

  /** How many bytes of batches are available, perhaps, but at most `bytesMax`: of what is on disk that is not known. */
  availableBytes(bytesMax: number): number {
    const { share, partition } = this;
    if (share.isReading) return 0;
    const from = share.nextAvailable();
    if (from === null || from >= this.#end) return 0;
    if (from < partition.log.tailStart) return bytesMax;
    return partition.log.bytesInTail(from, this.#end, bytesMax);
  }

  get #end(): number {
    const { partition } = this;
    return this.#readsUncommitted() ? partition.highWatermark : partition.lastStableOffset;
  }

  /** Null when it is done; else the offset that has to be read from the disk. */
  #fromMemory(memberId: string, limits: AcquireLimits, acquired: Acquired): number | null {
    const { share, partition } = this;
    let before = -1;
    for (let reads = 0; reads < READS_MAX && !isEnough(limits, acquired); reads++) {
      const end = this.#end;
      const from = share.nextAvailable();
      if (from === null || from >= end || from === before) return null;
      before = from;
      const pieces = partition.readTail(from, end, READ_BYTES);
      if (pieces === null) return from;
      let next = from;
      for (const piece of pieces) {
        next = this.#take(memberId, limits, acquired, piece.buffer, piece.start, piece.end, next, true);
      }
    }
    return null;
  }

  async #fromDisk(
    memberId: string,
    limits: AcquireLimits,
    acquired: Acquired,
    first: number,
  ): Promise<Acquired> {
    const { share, partition } = this;
    share.isReading = true;
    try {
      let from: number | null = first;
      for (let reads = 0; reads < READS_MAX && from !== null; reads++) {
        const end = this.#end;
        const { bytes, nextOffset } = await partition.read(from, end, READ_BYTES);
        if (share.isRemoved) return acquired;
        this.#take(memberId, limits, acquired, bytes, 0, bytes.length, from, false);
        // Nothing is left there: it was compacted away.
        if (bytes.length === 0 && nextOffset > from) share.skip(from, Math.min(nextOffset, end));
        const next = isEnough(limits, acquired) ? null : share.nextAvailable();
        from = next === from || next === null || next >= this.#end ? null : next;
      }
    } catch (error) {
      if (!(error instanceof PartitionCorruption)) throw error;
      acquired.isCorrupt = acquired.ranges.count === 0;
    } finally {
      share.flush();
      share.readEnded();
    }
    return acquired;
  }

  /** Goes through the batches in [start, end) of the buffer. `next` is where they should begin; returns where they end. */
  #take(
    memberId: string,
    limits: AcquireLimits,
    acquired: Acquired,
    buffer: Buffer,
    start: number,
    end: number,
    next: number,
    isView: boolean,
  ): number {
    const { share } = this;
    let aborted: readonly AbortedTransaction[] | null = null;
    let runStart = start;
    let at = start;
    const endRun = (): void => {
      if (at > runStart) {
        const run = buffer.subarray(runStart, at);
        acquired.batches.push(isView ? Buffer.from(run) : run);
        acquired.bytes += run.length;
      }
    };
    const batch = new BatchView(buffer, start);
    while (at < end && !isEnough(limits, acquired, at - runStart)) {
      batch.moveTo(buffer, at);
      const { baseOffset, lastOffset } = batch;
      if (baseOffset > next) share.skip(next, baseOffset);
      let isTaken = false;
      if (batch.isControl) share.skip(baseOffset, lastOffset + 1);
      else {
        if (batch.isTransactional && !this.#readsUncommitted()) {
          aborted ??= this.partition.producers.abortedIn(baseOffset, this.#end);
        }
        if (aborted !== null && isAborted(aborted, batch)) {
          share.skip(baseOffset, lastOffset + 1);
        } else isTaken = this.#acquire(memberId, limits, acquired, Math.max(baseOffset, next), lastOffset);
      }
      next = Math.max(next, lastOffset + 1);
      if (!isTaken) {
        endRun();
        runStart = batch.end;
      }
      at = batch.end;
    }
    endRun();
    return next;
  }

  #acquire(memberId: string, limits: AcquireLimits, acquired: Acquired, from: number, last: number): boolean {
    const { share } = this;
    const { ranges } = acquired;
    const { room } = share;
    const max = limits.isExact ? limits.records - ranges.count : BATCH_RECORDS_MAX;
    // A batch is handed out as a whole if there is room for its first record: it is read as a whole, too.
    const newMax = limits.isExact || room === 0 ? room : BATCH_RECORDS_MAX;
    return share.acquire(memberId, from, last, max, newMax, ranges) > 0;
  }
}

function isEnough(limits: AcquireLimits, acquired: Acquired, bytesMore = 0): boolean {
  return acquired.ranges.count >= limits.records || acquired.bytes + bytesMore >= limits.bytes;
}

function isAborted(aborted: readonly AbortedTransaction[], batch: BatchView): boolean {
  if (!batch.isTransactional) return false;
  const { producerId, baseOffset } = batch;
  return aborted.some(
    (each) =>
      each.producerId === producerId && each.firstOffset <= baseOffset && baseOffset <= each.lastOffset,
  );
}
