import type { RetentionSettings } from './retention-settings.ts';
import type { StreamLog } from './stream-log.ts';

/** What is deleted as a whole: a segment, or as many of the batches in memory as would fill one. */
interface Piece {
  readonly endOffset: number;
  readonly bytes: number;
  /** When the youngest record in it was made. */
  readonly timestampMs: number;
}

/** Where the stream begins when only what may be as old as its settings say is left. */
export function startByTime(
  stream: StreamLog,
  { retentionMs, segmentBytes }: RetentionSettings,
  nowMs: number,
): number {
  if (retentionMs === Number.POSITIVE_INFINITY) return stream.start;
  let { start } = stream;
  for (const { endOffset, timestampMs } of piecesOf(stream, segmentBytes)) {
    if (timestampMs + retentionMs >= nowMs || endOffset > stream.highWatermark) break;
    start = endOffset;
  }
  return Math.max(start, stream.start);
}

/** Where the stream begins when only so many bytes are left as its settings say, and what of a segment goes with them. */
export function startByBytes(stream: StreamLog, { retentionBytes, segmentBytes }: RetentionSettings): number {
  let excess = stream.segments.bytes + stream.tailBytes - retentionBytes;
  let { start } = stream;
  if (excess <= 0) return start;
  for (const { endOffset, bytes } of piecesOf(stream, segmentBytes)) {
    excess -= bytes;
    if (excess < 0 || endOffset > stream.highWatermark) break;
    start = endOffset;
  }
  return Math.max(start, stream.start);
}

function* piecesOf(stream: StreamLog, segmentBytes: number): Iterable<Piece> {
  for (const { endOffset, bytes, maxTimestampMs = -1, createdMs } of stream.segments.segments) {
    // A segment without any time is as old as its file.
    const timestampMs = maxTimestampMs >= 0 ? maxTimestampMs : (createdMs ?? Number.POSITIVE_INFINITY);
    yield { endOffset, bytes, timestampMs };
  }
  const { tail } = stream;
  let bytes = 0;
  let timestampMs = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < tail.count; index++) {
    bytes += tail.bytes(index);
    const maxTimestampMs = stream.maxTimestampMsAt(index);
    timestampMs = Math.max(timestampMs, maxTimestampMs >= 0 ? maxTimestampMs : Number.POSITIVE_INFINITY);
    const isLast = index + 1 === tail.count;
    if (!isLast && bytes + tail.bytes(index + 1) <= segmentBytes) continue;
    yield { endOffset: isLast ? stream.end : tail.baseOffset(index + 1), bytes, timestampMs };
    bytes = 0;
    timestampMs = Number.NEGATIVE_INFINITY;
  }
}
