import type { Chunk } from '../../log/memory/chunks.ts';
import { FRAME_HEADER_BYTES, frameContentBytes, frameTimestampMs } from '../../log/memory/chunks.ts';
import { ContentView } from '../../records/record-content.ts';

const view = new ContentView();

/**
 * When the message of this frame comes due, in milliseconds since the epoch. Segments keep whole milliseconds: the next
 * one counts, so that nothing comes early and the order is the same wherever the message lies.
 */
export function dueAt(chunk: Chunk, at: number): number {
  const isWhole = view.parse(chunk.buffer, at + FRAME_HEADER_BYTES, frameContentBytes(chunk, at));
  return dueAfter(frameTimestampMs(chunk, at), isWhole ? view.delayMs : 0);
}

/** As `dueAt`, of a message that was published then, with such a delay. */
export function dueAfter(publishedMs: number, delayMs: number): number {
  return Math.floor(publishedMs) + 1 + Math.max(0, delayMs);
}
