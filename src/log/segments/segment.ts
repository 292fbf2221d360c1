import type { CorruptionError } from '../corruption.ts';
import { OffsetIndex, type Place } from './offset-index.ts';

const READ_ON_PLACES = 4;
/** Of a segment that was not read yet, as there may be very many. */
const NOWHERE: number[] = [];

/** What a snapshot keeps of a segment; it is a promise: so many bytes of the file were on disk before it was made. */
export interface SegmentInfo {
  /** The offset of the first record, when the segment was made; also the file's name. */
  readonly baseOffset: number;
  /** One more than the last offset. */
  readonly endOffset: number;
  readonly bytes: number;
  readonly records: number;
  /** In logs of streams: how often it was rewritten. */
  readonly revision?: number;
  /** In logs of streams: when it was begun, and the latest timestamp of its records. */
  readonly createdMs?: number | undefined;
  readonly maxTimestampMs?: number | undefined;
}

/** One file of a log. The numbers say what is in it for readers; bytes beyond them are an append under way. */
export class Segment implements SegmentInfo {
  readonly baseOffset: number;
  endOffset: number;
  bytes: number;
  records: number;
  readonly revision: number;
  /** In logs of streams: its batches were made by producers, and do not have the check that those of queues have beside Kafka's. */
  readonly isForeign: boolean;
  createdMs: number | undefined;
  /** Undefined if nobody has looked yet. */
  maxTimestampMs: number | undefined;
  path: string;
  /** False after a restart, until the file has been looked through. */
  indexed: boolean;
  index = new OffsetIndex();
  /** There may be bytes behind `bytes`, left by a write that failed or by the process before this one. */
  tailUnknown: boolean;
  /** No longer in the table; the file stays until no durable snapshot names it. */
  isDropped = false;
  isDeleted = false;
  /** Its file is not there any more. */
  missing: CorruptionError | null = null;
  /** Set when the system reported that written bytes may be lost: nothing more can be promised about this file. */
  failure: Error | null = null;
  /** Where the last reads ended, offset and position: the next ones mostly go on there. */
  #readOn: number[] = NOWHERE;
  #nextReadOn = 0;

  constructor(info: SegmentInfo, path: string, isNew: boolean, isForeign = false) {
    this.isForeign = isForeign;
    this.baseOffset = info.baseOffset;
    this.endOffset = info.endOffset;
    this.bytes = info.bytes;
    this.records = info.records;
    this.revision = info.revision ?? 0;
    this.createdMs = info.createdMs;
    this.maxTimestampMs = info.maxTimestampMs;
    this.path = path;
    this.indexed = isNew;
    this.tailUnknown = !isNew;
  }

  /** A batch boundary at or before the first batch that reaches `offset`. */
  locate(offset: number): Place {
    let place = this.index.lookup(offset) ?? { position: 0, offset: this.baseOffset };
    const places = this.#readOn;
    for (let i = 0; i < places.length; i += 2) {
      if (places[i] > offset || places[i + 1] <= place.position) continue;
      place = { position: places[i + 1], offset: places[i] };
    }
    return place;
  }

  /** Whether every offset between the first and the last is there: so it is until the segment is rewritten. */
  get isDense(): boolean {
    return this.isForeign && this.revision === 0;
  }

  /** A read ended at this offset, and at this position of the file. Some consumers may be reading the segment at once. */
  readUpTo(offset: number, position: number): void {
    if (this.#readOn === NOWHERE) this.#readOn = new Array<number>(2 * READ_ON_PLACES).fill(0);
    const places = this.#readOn;
    this.#nextReadOn = (this.#nextReadOn + 2) % places.length;
    places[this.#nextReadOn] = offset;
    places[this.#nextReadOn + 1] = position;
  }

  info(): SegmentInfo {
    const { baseOffset, endOffset, bytes, records, revision, createdMs, maxTimestampMs } = this;
    return {
      baseOffset,
      endOffset,
      bytes,
      records,
      ...(revision > 0 && { revision }),
      ...(createdMs !== undefined && { createdMs }),
      ...(maxTimestampMs !== undefined && { maxTimestampMs }),
    };
  }
}

/** Twenty digits, as Kafka names them, so that names sort as offsets do and Kafka's tools know the base offset. */
export function segmentFileName(baseOffset: number): string {
  return `${String(baseOffset).padStart(20, '0')}.log`;
}

/**
 * A rewritten segment, until a snapshot that knows it is durable. With the end offset in its name, because a segment
 * that grew, was rewritten and then forgotten in a crash could otherwise have the size that the last snapshot expects of
 * the same segment before it grew. In a stream, where a rewritten segment may be as long as the original and may be
 * rewritten again, its revision tells.
 */
export function cleanedFileName(info: SegmentInfo): string {
  const revision = info.revision === undefined || info.revision === 0 ? '' : `${info.revision}.`;
  return `${String(info.baseOffset).padStart(20, '0')}.${info.endOffset}.${revision}cleaned`;
}
