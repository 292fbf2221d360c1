import type { DamageError } from '../damage.ts';
import { OffsetIndex } from './offset-index.ts';

/** What a snapshot keeps of a segment; it is a promise: so many bytes of the file were on disk before it was made. */
export interface SegmentInfo {
  /** Of the first record that the segment was made for; also the file's name. */
  readonly baseOffset: number;
  /** Behind the last one. */
  readonly endOffset: number;
  readonly bytes: number;
  readonly records: number;
}

/** One file of a log. The numbers say what is in it for readers; bytes beyond them are an append under way. */
export class Segment implements SegmentInfo {
  readonly baseOffset: number;
  endOffset: number;
  bytes: number;
  records: number;
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
  missing: DamageError | null = null;
  /** Set when the system reported that written bytes may be lost: nothing more can be promised about this file. */
  failure: Error | null = null;
  /** Where the last read ended: the next one mostly goes on there. */
  readOnOffset = -1;
  readOnPosition = 0;

  constructor(info: SegmentInfo, path: string, isNew: boolean) {
    this.baseOffset = info.baseOffset;
    this.endOffset = info.endOffset;
    this.bytes = info.bytes;
    this.records = info.records;
    this.path = path;
    this.indexed = isNew;
    this.tailUnknown = !isNew;
  }

  /** A batch boundary at or before the first batch that reaches `offset`. */
  locate(offset: number): number {
    const position = this.index.lookup(offset);
    return offset >= this.readOnOffset && this.readOnOffset >= 0 && this.readOnPosition > position
      ? this.readOnPosition
      : position;
  }

  info(): SegmentInfo {
    return {
      baseOffset: this.baseOffset,
      endOffset: this.endOffset,
      bytes: this.bytes,
      records: this.records,
    };
  }
}

/** Twenty digits, as Kafka names them, so that names sort as offsets do and Kafka's tools know the base offset. */
export function segmentFileName(baseOffset: number): string {
  return `${String(baseOffset).padStart(20, '0')}.log`;
}

/**
 * A rewritten segment, until a snapshot that knows its size is durable. With the end offset in its name, because a
 * segment that grew, was rewritten and then forgotten in a crash could otherwise have the size that the last
 * snapshot expects of the same segment before it grew.
 */
export function cleanedFileName(info: SegmentInfo): string {
  return `${String(info.baseOffset).padStart(20, '0')}.${info.endOffset}.cleaned`;
}
