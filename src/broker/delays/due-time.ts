import type { Chunk } from '../../log/memory/chunks.ts';
import { FRAME_HEADER_BYTES, frameContentBytes, frameTimestampMs } from '../../log/memory/chunks.ts';
import { ContentView } from '../../records/record-content.ts';

const view = new ContentView();

/**
 * When the message of this frame comes due, in milliseconds since the epoch. Segments keep whole milliseconds: the next
 * one counts, so that nothing comes early and the order is the same wherever the message lies.
 */
export function dueAt(chunk: Chunk, at: number): number {
  const publishedMs = Math.floor(frameTimestampMs(chunk, at)) + 1;
  const isWhole = view.parse(chunk.buffer, at + FRAME_HEADER_BYTES, frameContentBytes(chunk, at));
  return isWhole && view.delayMs > 0 ? publishedMs + view.delayMs : publishedMs;
}
