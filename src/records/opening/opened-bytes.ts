/**
 * An account of memory that batches take which are opened, or wait for it, up to a limit. Who takes the memory reserves
 * it, and releases it when it is let go of.
 */
export class OpenedBytes {
  readonly bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Reserved at present. */
  get bytes(): number {
    return this.#bytes;
  }

  /** False, and nothing reserved, if it would be more than the limit; alone, anything may be reserved. */
  tryReserve(bytes: number): boolean {
    if (this.#bytes > 0 && this.#bytes + bytes > this.bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}
