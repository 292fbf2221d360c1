/** Parts of the limit. */
export interface OwnerShares {
  /** What one owner may have. */
  readonly owner: number;
  /** What is for all; the rest is for owners that have nothing yet. */
  readonly common: number;
}

const NO_SHARES: OwnerShares = { owner: 1, common: 1 };

/**
 * An account of memory that batches take which are opened, or wait for it, up to a limit. Who takes the memory reserves
 * it for its owner, and releases it when it is let go of. With shares whoever has much refuses himself, and nobody else.
 */
export class OpenedBytes {
  readonly bytesMax: number;
  readonly #shares: OwnerShares;
  #bytes = 0;
  readonly #owners = new Map<string, number>();

  constructor(bytesMax: number, shares = NO_SHARES) {
    this.bytesMax = bytesMax;
    this.#shares = shares;
  }

  /** Reserved at present. */
  get bytes(): number {
    return this.#bytes;
  }

  bytesOf(owner: string): number {
    return this.#owners.get(owner) ?? 0;
  }

  /** Who has most. */
  get largestOwner(): string {
    let largest = '';
    let most = -1;
    for (const [owner, bytes] of this.#owners) if (bytes > most) [largest, most] = [owner, bytes];
    return largest;
  }

  /** False, and nothing reserved, if it would be more than a limit; alone, anything may be reserved. */
  tryReserve(bytes: number, owner: string): boolean {
    const held = this.bytesOf(owner);
    const { bytesMax } = this;
    const { owner: ofOwner, common } = this.#shares;
    if (this.#bytes > 0 && this.#bytes + bytes > (held > 0 ? bytesMax * common : bytesMax)) return false;
    if (held > 0 && held + bytes > bytesMax * ofOwner) return false;
    this.#bytes += bytes;
    this.#owners.set(owner, held + bytes);
    return true;
  }

  release(bytes: number, owner: string): void {
    this.#bytes -= bytes;
    const left = this.bytesOf(owner) - bytes;
    if (left > 0) this.#owners.set(owner, left);
    else this.#owners.delete(owner);
  }
}
