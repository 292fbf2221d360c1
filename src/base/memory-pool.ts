/** Where memory comes from that is filled once and then handed on. */
export interface Memory {
  /** Not cleared. */
  take(bytes: number): Buffer;
}

export const freshMemory: Memory = { take: (bytes) => Buffer.allocUnsafeSlow(bytes) };

const CLASS_BYTES_MIN = 16 * 1024;
const CLASS_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Large buffers that are used again and again. The garbage collector is told of every new one, and thinks that it has to do
 * something about them: at a gigabyte in a second it would do nothing else.
 */
export class MemoryPool {
  readonly #bytesMax: number;
  /** By size, a power of two. */
  readonly #free = new Map<number, Buffer[]>();
  #bytes = 0;

  /** `bytesMax`: of what is kept while nobody needs it. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  lease(): Lease {
    return new Lease(this);
  }

  /** From a lease. */
  acquire(bytes: number): Buffer {
    const size = classOf(bytes);
    const buffer = this.#free.get(size)?.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size);
    this.#bytes -= size;
    return buffer;
  }

  /** From a lease. */
  release(buffer: Buffer): void {
    const size = buffer.length;
    if (size > CLASS_BYTES_MAX || this.#bytes + size > this.#bytesMax) return;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [buffer]);
    else free.push(buffer);
    this.#bytes += size;
  }
}

/** What was taken for one purpose, to be given back at once. Not to give it back costs memory, and nothing else. */
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

  /** What the other one has is given back with this. */
  join(other: Lease): void {
    this.#taken.push(...other.#taken);
    other.#taken = [];
  }

  /** Nobody looks at any of it any more. */
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
