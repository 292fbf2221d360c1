import { type Chunk, FRAME_HEADER_BYTES } from '../../log/memory/chunks.ts';
import { ContentView } from '../../records/record-content.ts';

const view = new ContentView();

/**
 * When the message of this frame comes due, in milliseconds since the epoch. Segments keep whole milliseconds: the next
 * one counts, so that nothing comes early and the order is the same wherever the message lies.
 */
export function dueAt(chunk: Chunk, at: number): number {
  const publishedMs = Math.floor(chunk.f64[at >>> 3] as number) + 1;
  const isWhole = view.parse(chunk.buffer, at + FRAME_HEADER_BYTES, chunk.u32[(at >>> 2) + 2] as number);
  return isWhole && view.delayMs > 0 ? publishedMs + view.delayMs : publishedMs;
}
