import { varintLength, varlongLength, writeVarint, writeVarlong } from './record-content.ts';

/*
 * The fields that a record begins with; its content comes behind them (record-cursor.ts):
 *
 *     length varint | attributes int8 | timestampDelta varlong | offsetDelta varint
 */

/** What one record takes at most besides its content: length 5 bytes, attributes 1, timestamp 10, offset 5. */
export const RECORD_OVERHEAD_MAX = 21;

/** The bytes of a record behind its length: what that says. */
export function recordLength(timestampDeltaMs: number, offsetDelta: number, contentBytes: number): number {
  return 1 + varlongLength(timestampDeltaMs) + varintLength(offsetDelta) + contentBytes;
}

/** Writes what comes before a record's content, from length to offset delta; gives the position of the content. */
export function writeLeadingFields(
  target: Buffer,
  at: number,
  length: number,
  timestampDeltaMs: number,
  offsetDelta: number,
): number {
  at = writeVarint(target, at, length);
  target[at++] = 0;
  at = writeVarlong(target, at, timestampDeltaMs);
  return writeVarint(target, at, offsetDelta);
}
