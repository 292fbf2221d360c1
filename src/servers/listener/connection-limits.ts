import type { Counter, Row, Rows } from '../../base/counter.ts';
import { ALONE, type CountedTogether } from '../../broker/budget/counted-together.ts';

/** How many connections there may be, in all and from one address. */
export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
}

/** A listener that is one of several with the same port, each in another shard: what its connections are counted as. */
export type ListenerName = 'amqp' | 'amqps' | 'kafka' | 'kafkas';

/** Counts connections against their limits. Those of the listener of the same name in other shards count too. */
export class ConnectionCount {
  readonly #limits: ConnectionLimits;
  readonly #name: ListenerName;
  readonly #ofAll: Counter;
  readonly #rows: Rows;
  /** Of this shard. */
  readonly #byAddress = new Map<string, number>();
  readonly #rowsByAddress = new Map<string, Row>();
  #own = 0;

  constructor(limits: ConnectionLimits, name: ListenerName = 'amqp', together: CountedTogether = ALONE) {
    this.#limits = limits;
    this.#name = name;
    this.#ofAll = together.counter(`${name}-connections`);
    this.#rows = together.connections;
  }

  /** Counts one more in all; false, and it is not counted, if that is one too many. */
  add(): boolean {
    if (this.#own + this.#ofAll.others >= this.#limits.maxConnections) return false;
    this.#ofAll.set(++this.#own);
    return true;
  }

  remove(): void {
    this.#ofAll.set(--this.#own);
  }

  /** Counts one that `add` has counted for its address, which may be known only later; as `add`. */
  addFrom(address: string): boolean {
    const own = this.#byAddress.get(address) ?? 0;
    const row = this.#rowsByAddress.get(address) ?? this.#rows.claim(`${this.#name} ${address}`);
    if (own + row.others(0) >= this.#limits.maxConnectionsPerAddress) {
      if (own === 0) row.release();
      return false;
    }
    if (own === 0) this.#rowsByAddress.set(address, row);
    this.#byAddress.set(address, own + 1);
    row.add(0, 1);
    return true;
  }

  removeFrom(address: string): void {
    const own = this.#byAddress.get(address) ?? 0;
    this.#rowsByAddress.get(address)?.add(0, -1);
    if (own > 1) {
      this.#byAddress.set(address, own - 1);
      return;
    }
    this.#byAddress.delete(address);
    this.#rowsByAddress.get(address)?.release();
    this.#rowsByAddress.delete(address);
  }
}
