import { align8, type MessageMemory } from '../../../log/memory/chunks.ts';
import { DELIVER_HEAD_BYTES, memoryOf, messageBytes } from './deliver-frame.ts';

const FIRST_SLAB_BYTES = 4096;
const SLAB_BYTES = 64 * 1024;

interface Slab {
  readonly memory: MessageMemory;
  /** Where what is written ends. */
  end: number;
}

/** `deliver` frames of one consumer that cannot be handed on yet, copied, in order. The window of the consumer limits them. */
export class HeldDeliveries {
  count = 0;
  readonly #slabs: Slab[] = [];
  /** Of the first frame, in the first slab. */
  #at = 0;

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Where the first one is. */
  get memory(): MessageMemory {
    return this.#slabs[0].memory;
  }

  get at(): number {
    return this.#at;
  }

  /** A frame whose head is at byte `at`. */
  add(memory: MessageMemory, at: number): void {
    this.count++;
    const bytes = bytesAt(memory, at);
    // A large one has memory of its own, which may be kept.
    if (!(memory.buffer.buffer instanceof SharedArrayBuffer)) {
      this.#slabs.push({ memory, end: memory.buffer.length });
      return;
    }
    const size = align8(bytes);
    let slab = this.#slabs.at(-1);
    if (slab === undefined || slab.end + size > slab.memory.buffer.length) {
      const usual = slab === undefined ? FIRST_SLAB_BYTES : SLAB_BYTES;
      slab = { memory: memoryOf(Buffer.allocUnsafeSlow(Math.max(size, usual))), end: 0 };
      this.#slabs.push(slab);
    }
    memory.buffer.copy(slab.memory.buffer, slab.end, at, at + bytes);
    slab.end += size;
  }

  /** The first one is handed on. */
  shift(): void {
    this.count--;
    const slab = this.#slabs[0];
    this.#at += align8(bytesAt(slab.memory, this.#at));
    if (this.#at < slab.end) return;
    this.#at = 0;
    this.#slabs.shift();
  }
}

function bytesAt(memory: MessageMemory, at: number): number {
  return DELIVER_HEAD_BYTES + messageBytes(memory, at + DELIVER_HEAD_BYTES);
}
