/** A source of buffers. */
export interface Memory {
  /** The bytes are not cleared. */
  take(bytes: number): Buffer;
}

export const freshMemory: Memory = { take: (bytes) => Buffer.allocUnsafeSlow(bytes) };

const CLASS_BYTES_MIN = 16 * 1024;
const CLASS_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Large buffers that are reused. Memory outside of the heap is reported to the garbage collector, which runs the more often
 * the more of it is new: at a gigabyte a second it would do nothing else.
 */
export class MemoryPool {
  readonly #bytesMax: number;
  /** By size, a power of two. */
  readonly #free = new Map<number, Buffer[]>();
  #bytes = 0;

  /** `bytesMax`: the most that is kept of free buffers. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  lease(): Lease {
    return new Lease(this);
  }

  /** For Lease. */
  acquire(bytes: number): Buffer {
    const size = classOf(bytes);
    const buffer = this.#free.get(size)?.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size);
    this.#bytes -= size;
    return buffer;
  }

  /** For Lease. */
  release(buffer: Buffer): void {
    const size = buffer.length;
    if (size > CLASS_BYTES_MAX || this.#bytes + size > this.#bytesMax) return;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [buffer]);
    else free.push(buffer);
    this.#bytes += size;
  }
}

/** The buffers that one response takes from the pool, released together. A lease that is never released is garbage as usual. */
export class Lease implements Memory {
  readonly #pool: MemoryPool;
  #taken: Buffer[] = [];

  constructor(pool: MemoryPool) {
    this.#pool = pool;
  }

  take(bytes: number): Buffer {
    const buffer = this.#pool.acquire(bytes);
    this.#taken.push(buffer);
    return buffer.subarray(0, bytes);
  }

  /** Takes over the buffers of the other lease. */
  join(other: Lease): void {
    for (const buffer of other.#taken) this.#taken.push(buffer);
    other.#taken = [];
  }

  /** Nothing may read the buffers any more. */
  release(): void {
    const taken = this.#taken;
    this.#taken = [];
    for (const buffer of taken) this.#pool.release(buffer);
  }
}

function classOf(bytes: number): number {
  if (bytes > CLASS_BYTES_MAX) return bytes;
  let size = CLASS_BYTES_MIN;
  while (size < bytes) size *= 2;
  return size;
}
