import { FRAME_HEADER_BYTES, frameContentBytes, type MessageMemory } from '../../../log/memory/chunks.ts';

/**
 * A message on its way from the shard of its queue to that of a consumer, in the byte order of the machine:
 *
 *      0  u32  number of the consumer, or of the basic.get
 *      4  u32  flags
 *      8  f64  tag, by which it is settled
 *     16  u32  how often it came back from consumers before
 *     20  u32  how often it failed there
 *     24  u32  how many messages are ready behind it (basic.get)
 *     28  u32  the log of the message
 *     32  f64  its offset there
 *     40  ...  the frame of the message, as it lies in a chunk
 */
export const DELIVER_HEAD_BYTES = 40;

export const REDELIVERED = 1;
/** The queue counts how often messages come back and fail. */
export const COUNTED = 2;
/** Half of what may be on the way is: whoever takes this message is to give room back. */
export const WANTS_CREDIT = 4;
/** Of a basic.get: there is no message. */
export const EMPTY = 8;
/** Of a basic.get: what is wrong comes behind the head, as JSON. */
export const FAILED = 16;

/** What is said of a message beside its frame: one instance is used for all that are written. */
export class DeliverHead {
  number = 0;
  flags = 0;
  tag = 0;
  acquisitions = 0;
  failures = 0;
  remaining = 0;
  logId = 0;
  offset = 0;

  write(memory: MessageMemory, at: number): void {
    const word = at >>> 2;
    const { u32 } = memory;
    u32[word] = this.number;
    u32[word + 1] = this.flags;
    memory.f64[(at >>> 3) + 1] = this.tag;
    u32[word + 4] = this.acquisitions;
    u32[word + 5] = this.failures;
    u32[word + 6] = this.remaining;
    u32[word + 7] = this.logId;
    memory.f64[(at >>> 3) + 4] = this.offset;
  }
}

export function numberAt(memory: MessageMemory, at: number): number {
  return memory.u32[at >>> 2];
}

export function flagsAt(memory: MessageMemory, at: number): number {
  return memory.u32[(at >>> 2) + 1];
}

export function tagAt(memory: MessageMemory, at: number): number {
  return memory.f64[(at >>> 3) + 1];
}

export function acquisitionsAt(memory: MessageMemory, at: number): number {
  return memory.u32[(at >>> 2) + 4];
}

export function failuresAt(memory: MessageMemory, at: number): number {
  return memory.u32[(at >>> 2) + 5];
}

export function remainingAt(memory: MessageMemory, at: number): number {
  return memory.u32[(at >>> 2) + 6];
}

export function logIdAt(memory: MessageMemory, at: number): number {
  return memory.u32[(at >>> 2) + 7];
}

export function offsetAt(memory: MessageMemory, at: number): number {
  return memory.f64[(at >>> 3) + 4];
}

/** What the frame of a message takes, without padding: as much of the window is used. */
export function messageBytes(memory: MessageMemory, at: number): number {
  return FRAME_HEADER_BYTES + frameContentBytes(memory, at);
}

/** The buffer as memory of frames. It begins at a multiple of 8. */
export function memoryOf(buffer: Buffer): MessageMemory {
  return {
    buffer,
    u32: new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length >>> 2),
    f64: new Float64Array(buffer.buffer, buffer.byteOffset, buffer.length >>> 3),
  };
}

/** The memory of the frames that a door brings: nearly all are in its ring, the large ones have memory of their own. */
export class ReceivedMemory {
  #ring: MessageMemory | null = null;

  of(buffer: Buffer): MessageMemory {
    const ring = this.#ring;
    if (ring !== null && ring.buffer === buffer) return ring;
    const memory = memoryOf(buffer);
    if (buffer.buffer instanceof SharedArrayBuffer) this.#ring = memory;
    return memory;
  }
}
