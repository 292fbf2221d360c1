export const SMALL_SLAB_BYTES = 4096;
export const LARGE_SLAB_BYTES = 65_536;

/** How many bytes of each size are kept for the next turn. */
const SMALL_KEPT_BYTES_MAX = 4 * 1024 * 1024;
const LARGE_KEPT_BYTES_MAX = 16 * 1024 * 1024;

/** Buffers for output, shared by all connections of a server, so that an idle connection has none. */
export class SlabPool {
  readonly #small: Buffer[] = [];
  readonly #large: Buffer[] = [];

  /** At least `bytes` long; beyond the large size, just as long. */
  acquire(bytes: number): Buffer {
    if (bytes <= SMALL_SLAB_BYTES) return this.#small.pop() ?? Buffer.allocUnsafeSlow(SMALL_SLAB_BYTES);
    if (bytes <= LARGE_SLAB_BYTES) return this.#large.pop() ?? Buffer.allocUnsafeSlow(LARGE_SLAB_BYTES);
    return Buffer.allocUnsafeSlow(bytes);
  }

  release(slab: Buffer): void {
    const { length } = slab;
    if (length === SMALL_SLAB_BYTES && this.#small.length < SMALL_KEPT_BYTES_MAX / SMALL_SLAB_BYTES) {
      this.#small.push(slab);
    } else if (length === LARGE_SLAB_BYTES && this.#large.length < LARGE_KEPT_BYTES_MAX / LARGE_SLAB_BYTES) {
      this.#large.push(slab);
    }
  }
}
