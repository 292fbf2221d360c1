/**
 * An account of memory that decompressed records take, up to a limit. Who opens batches reserves what they take, and
 * releases it when they are let go of.
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
