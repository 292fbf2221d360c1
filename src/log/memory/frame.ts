/**
 * A message in memory, and in a message entry of the journal, is a *frame*, aligned to eight bytes:
 *
 *     0  f64  when it was published, milliseconds since the epoch, with fractions
 *     8  u32  length of the content
 *    12  ...  the content: a Kafka v2 record from its key length on (`records/record-content.ts`)
 *
 * These functions take the offset of the frame's first byte in its chunk. The hot path calls them: they allocate
 * nothing, and are small enough to be inlined.
 */
export const FRAME_HEADER_BYTES = 12;

/** A chunk, as far as a frame in it goes. */
export interface FrameMemory {
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
}

export function align8(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** What a frame with so many bytes of content takes, padding included. */
export function frameBytes(contentBytes: number): number {
  return align8(FRAME_HEADER_BYTES + contentBytes);
}

/** When the message was published, in milliseconds since the epoch, with fractions. */
export function frameTimestampMs(memory: FrameMemory, at: number): number {
  return memory.f64[at >>> 3];
}

export function frameContentBytes(memory: FrameMemory, at: number): number {
  return memory.u32[(at >>> 2) + 2];
}

/** The content is written behind it. */
export function writeFrameHeader(
  memory: FrameMemory,
  at: number,
  timestampMs: number,
  contentBytes: number,
): void {
  memory.f64[at >>> 3] = timestampMs;
  memory.u32[(at >>> 2) + 2] = contentBytes;
}
