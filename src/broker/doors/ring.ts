/**
 * A ring of bytes in shared memory, from one writing thread to one reading thread: its layout. `ring-writer.ts` and
 * `ring-reader.ts` are its two ends.
 *
 *     0          128       256       264      512                                    512 + capacity
 *     | WRITTEN  | READ    | ROOM_AT | ...    | frame | frame | ......... | frame | padding |
 *
 * WRITTEN and READ count bytes since the ring began, modulo 2 ** 32, and never go back: what lies between them is visible to the
 * reader and not freed yet. The place in the ring is the position modulo the capacity, a power of two. A frame never wraps: what
 * is left at the end of the ring is padding. Each frame begins at a multiple of 8:
 *
 *     0          4       5       6          8                 8 + bytes, then up to a multiple of 8
 *     | bytes    | kind  | role  | zero     | payload         | ..... |
 *
 * Numbers are in the byte order of the machine, as both ends are on it. Memory order: payloads, headers and padding are plain
 * writes; after them the writer stores WRITTEN with `Atomics.store`, and the reader loads it with `Atomics.load` before it reads
 * them. A load that sees the value of a store synchronizes with it, so that everything written before the store happens before
 * everything read after the load (ECMA-262, 29.10, "happens-before"). READ does the same the other way round: the writer writes
 * over a frame only after it has seen that the reader is through with it.
 */

/** Words of the control area; those that one end writes lie in cache lines (pairs of them) of their own. */
export const WRITTEN = 0;
export const READ = 32;
/** While the writer waits for room: the position that READ has to reach, with 1 added; otherwise 0. Written by the writer. */
export const ROOM_AT = 64;
/** How often the writer has waited for room. Written by the writer. */
export const FULL_WAITS = 65;
export const CONTROL_BYTES = 512;

export const HEADER_BYTES = 8;
/** The byte beside the kind; with it in the second word, a frame for a receiver is a word below 256. */
export const ROLE_SHIFT = 8;
export const ROLE_PADDING = 1;
/** Announces a large frame: its kind, and as payload its bytes, a u32. Its parts follow, with nothing between them. */
export const ROLE_LARGE = 2;
export const ROLE_PART = 3;

export const RING_BYTES = 4 * 1024 * 1024;
const RING_BYTES_MIN = 128;
const RING_BYTES_MAX = 64 * 1024 * 1024;
/** The largest AMQP message, and a batch of a Kafka producer with all that belongs to it. */
export const LARGE_BYTES_MAX = 160 * 1024 * 1024;

/** The memory of an empty ring, for both ends. Throws RangeError unless the capacity is a power of two from 128 B to 64 MiB. */
export function createRing(capacity = RING_BYTES): SharedArrayBuffer {
  if (!isCapacity(capacity)) {
    throw new RangeError(
      `A ring has a power of two of bytes, from ${RING_BYTES_MIN} to ${RING_BYTES_MAX}: ${capacity}`,
    );
  }
  return new SharedArrayBuffer(CONTROL_BYTES + capacity);
}

function isCapacity(bytes: number): boolean {
  return bytes >= RING_BYTES_MIN && bytes <= RING_BYTES_MAX && (bytes & (bytes - 1)) === 0;
}

/** What both ends see of a ring. */
export interface RingMemory {
  readonly control: Int32Array;
  /** The frames, as bytes, as 32-bit words, and for numbers of other shapes. */
  readonly buffer: Buffer;
  readonly words: Int32Array;
  readonly view: DataView;
  readonly capacity: number;
}

/** Throws RangeError if the memory is not that of a ring. */
export function ringMemory(memory: SharedArrayBuffer): RingMemory {
  const capacity = memory.byteLength - CONTROL_BYTES;
  if (!isCapacity(capacity)) throw new RangeError(`No ring has ${memory.byteLength} bytes of memory`);
  return {
    control: new Int32Array(memory, 0, CONTROL_BYTES / 4),
    buffer: Buffer.from(memory, CONTROL_BYTES, capacity),
    words: new Int32Array(memory, CONTROL_BYTES, capacity / 4),
    view: new DataView(memory, CONTROL_BYTES, capacity),
    capacity,
  };
}

/** The most bytes of payload of a frame that goes in one piece: with its header an eighth of the ring. */
export function frameBytesMax(capacity: number): number {
  return capacity / 8 - HEADER_BYTES;
}

/** What a frame with so many bytes of payload takes in the ring. */
export function frameSize(bytes: number): number {
  return (bytes + HEADER_BYTES + 7) & ~7;
}
