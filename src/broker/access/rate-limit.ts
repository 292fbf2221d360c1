import { ALONE_ROW, type Row } from '../../base/counter.ts';

/** What may be used at once by one who used nothing for a while: the use of this many seconds. */
const WINDOW_SECONDS = 10;

/**
 * Lets a rate be exceeded for a short time, and says how long to wait for what is too much: `(O - T) / T · W` with the
 * rate O that was observed over the last W seconds and the rate T that is allowed, as Kafka has it, without samples.
 *
 * Where several shards have the same limit, each tells the others what it has used in all, and takes what they have used since it looked last
 * as used here. One that begins later takes all of that as used, up to the window: it may be held back for a window, and never lets more pass.
 */
export class RateLimit {
  readonly #perSecond: number;
  readonly #windowSeconds: number;
  readonly #row: Row;
  /** Below 0: what was used and not allowed. */
  #left: number;
  #atMs: number;
  /** Used by this shard, and by others as far as it is taken off here. */
  #own = 0;
  #others: number;

  constructor(perSecond: number, nowMs: number, windowSeconds = WINDOW_SECONDS, row: Row = ALONE_ROW) {
    this.#perSecond = perSecond;
    this.#windowSeconds = windowSeconds;
    this.#row = row;
    this.#others = row.others(0);
    this.#left = Math.max(0, perSecond * windowSeconds - this.#others);
    this.#atMs = nowMs;
  }

  /** How many milliseconds to wait after having used this amount; 0 for not at all. */
  use(amount: number, nowMs: number): number {
    this.#refill(nowMs);
    this.#left -= amount;
    this.#own += amount;
    this.#row.add(0, amount);
    return this.#left >= 0 ? 0 : Math.ceil((-this.#left / this.#perSecond) * 1000);
  }

  /** Whether forgetting it makes no difference. */
  isUnused(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#left >= this.#perSecond * this.#windowSeconds;
  }

  /** It is not used any more. */
  close(): void {
    this.#row.add(0, -this.#own);
    this.#row.release();
  }

  #refill(nowMs: number): void {
    const gained = ((nowMs - this.#atMs) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#perSecond * this.#windowSeconds, this.#left + gained);
    this.#atMs = nowMs;
    const others = this.#row.others(0);
    // Less than before: a shard has forgotten the limit.
    if (others > this.#others) this.#left -= others - this.#others;
    this.#others = others;
  }
}
