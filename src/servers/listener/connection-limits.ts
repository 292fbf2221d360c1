/** How many connections there may be, in all and from one address. */
export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
}

/** Counts connections against their limits. */
export class ConnectionCount {
  readonly #limits: ConnectionLimits;
  readonly #byAddress = new Map<string, number>();
  #all = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** Counts one more in all; false, and it is not counted, if that is one too many. */
  add(): boolean {
    if (this.#all >= this.#limits.maxConnections) return false;
    this.#all++;
    return true;
  }

  remove(): void {
    this.#all--;
  }

  /** Counts one that `add` has counted for its address, which may be known only later; as `add`. */
  addFrom(address: string): boolean {
    const count = this.#byAddress.get(address) ?? 0;
    if (count >= this.#limits.maxConnectionsPerAddress) return false;
    this.#byAddress.set(address, count + 1);
    return true;
  }

  removeFrom(address: string): void {
    const count = this.#byAddress.get(address) ?? 0;
    if (count <= 1) this.#byAddress.delete(address);
    else this.#byAddress.set(address, count - 1);
  }
}
