/** So many are reserved at a time: what is reserved and not used at a restart is lost. */
const RESERVED = 1000;

/**
 * Ids for producers, each given once in the life of a data directory. Whoever gives one away waits until the last
 * reservation is durable.
 */
export class ProducerIds {
  #next = 0;
  #limit = 0;
  readonly #reserve: (limit: number) => void;

  /** `reserve` journals that ids below `limit` may be in use. */
  constructor(reserve: (limit: number) => void) {
    this.#reserve = reserve;
  }

  /** Ids below are reserved. */
  get limit(): number {
    return this.#limit;
  }

  next(): number {
    if (this.#next === this.#limit) {
      this.#limit += RESERVED;
      this.#reserve(this.#limit);
    }
    return this.#next++;
  }

  /** At recovery. */
  reserved(limit: number): void {
    if (limit <= this.#limit) return;
    this.#next = limit;
    this.#limit = limit;
  }
}
