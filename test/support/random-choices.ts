import { seededRandom } from './seeded-random.ts';

/** Whole numbers at random, the same ones for the same seed. */
export class RandomChoices {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seededRandom(seed);
  }

  /** From 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.#next() * count);
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }
}
