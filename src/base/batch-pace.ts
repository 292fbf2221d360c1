/**
 * How many things to do together where nobody knows what one of them costs: half as many after a batch that took too long,
 * twice as many after one that took next to nothing.
 */
export class BatchPace {
  size: number;
  readonly #sizeMax: number;
  readonly #msMax: number;

  /** No batch of more than `sizeMax`; one should take at most `msMax`. */
  constructor(sizeMax: number, msMax: number) {
    this.#sizeMax = sizeMax;
    this.#msMax = msMax;
    this.size = Math.min(16, sizeMax);
  }

  /** A batch took so long; one with less in it than `size` says nothing about a larger one. */
  took(ms: number, count = this.size): void {
    if (ms > this.#msMax) this.size = Math.max(1, this.size >>> 1);
    else if (ms < this.#msMax / 4 && count >= this.size) this.size = Math.min(this.#sizeMax, this.size * 2);
  }
}
