/**
 * Memory for messages: large buffers that are filled from the front with frames, shared by all queues, and given
 * back whole.
 *
 * A queue refers to a frame by its *position*: one number, `slot * 2^32 + byte offset in the chunk`, so that a
 * million waiting messages are a million doubles and no objects. A chunk counts the references to it; at zero it
 * goes back to the pool, and the next messages overwrite memory that is still in the processor's cache.
 *
 * Journal chunks are also what the journal writes to disk, block by block: a message is copied once on its way in.
 */
export type ChunkKind = 'journal' | 'transient' | 'window';

const SLOT_FACTOR = 0x1_0000_0000;

export class Chunk {
  readonly slot: number;
  readonly buffer: Buffer;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  readonly size: number;
  kind: ChunkKind = 'transient';
  /** Grows with time; chunks of both kinds that were filled in the same period share it (see `Arena`). */
  generation = 0;
  used = 0;
  /** References from queues. */
  live = 0;
  /** Being filled, or being written: not given back even without references. */
  pins = 0;

  constructor(slot: number, buffer: Buffer) {
    this.slot = slot;
    this.buffer = buffer;
    this.u32 = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length >>> 2);
    this.f64 = new Float64Array(buffer.buffer, buffer.byteOffset, buffer.length >>> 3);
    this.size = buffer.length;
  }

  position(offset: number): number {
    return this.slot * SLOT_FACTOR + offset;
  }
}

export class ChunkStore {
  readonly chunkBytes: number;
  /** By slot. The hot path reads this directly. */
  readonly chunks: Chunk[] = [];
  /** Bytes of all chunks in use. */
  bytes = 0;
  /** Bytes of the chunks that hold what was read back from segments. */
  windowBytes = 0;
  readonly #freeSlots: number[] = [];
  readonly #pool: Buffer[] = [];
  readonly #poolMax: number;

  constructor(chunkBytes: number, pooledBytesMax: number) {
    this.chunkBytes = chunkBytes;
    this.#poolMax = Math.max(1, Math.floor(pooledBytesMax / chunkBytes));
  }

  /** A chunk of the usual size, or of `size` bytes where that is larger. It comes pinned once. */
  acquire(kind: ChunkKind, size = 0): Chunk {
    const regular = size <= this.chunkBytes;
    const buffer =
      (regular ? this.#pool.pop() : undefined) ??
      Buffer.allocUnsafeSlow(regular ? this.chunkBytes : (size + 7) & ~7);
    return this.adopt(kind, buffer);
  }

  /** A chunk of just this size, for what is read back from segments. It comes pinned once. */
  acquireExact(kind: ChunkKind, size: number): Chunk {
    return size > this.chunkBytes >>> 1
      ? this.acquire(kind, size)
      : this.adopt(kind, Buffer.allocUnsafeSlow(size));
  }

  /** Takes over a buffer that holds frames already. It comes pinned once. */
  adopt(kind: ChunkKind, buffer: Buffer): Chunk {
    const slot = this.#freeSlots.pop() ?? this.chunks.length;
    const chunk = new Chunk(slot, buffer);
    chunk.kind = kind;
    chunk.pins = 1;
    this.chunks[slot] = chunk;
    this.bytes += chunk.size;
    if (kind === 'window') this.windowBytes += chunk.size;
    return chunk;
  }

  of(position: number): Chunk {
    return this.chunks[Math.floor(position / SLOT_FACTOR)];
  }

  /** One reference less. */
  release(position: number): void {
    this.releaseIn(this.of(position));
  }

  /** One reference to a frame in the chunk less. */
  releaseIn(chunk: Chunk): void {
    if (--chunk.live === 0 && chunk.pins === 0) this.#free(chunk);
  }

  unpin(chunk: Chunk): void {
    if (--chunk.pins === 0 && chunk.live === 0) this.#free(chunk);
  }

  contentLengthAt(position: number): number {
    return frameContentBytes(this.of(position), position >>> 0);
  }

  #free(chunk: Chunk): void {
    this.bytes -= chunk.size;
    if (chunk.kind === 'window') this.windowBytes -= chunk.size;
    this.chunks[chunk.slot] = undefined as unknown as Chunk;
    this.#freeSlots.push(chunk.slot);
    if (chunk.size === this.chunkBytes && this.#pool.length < this.#poolMax) this.#pool.push(chunk.buffer);
  }
}

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

/** Memory that messages are read from as frames: a chunk, or what another shard has written. */
export interface MessageMemory extends FrameMemory {
  readonly buffer: Buffer;
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
