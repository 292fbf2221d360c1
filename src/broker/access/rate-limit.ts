/** What may be used at once by one who used nothing for a while: the use of this many seconds. */
const WINDOW_SECONDS = 10;

/**
 * Lets a rate be exceeded for a short time, and says how long to wait for what is too much: `(O - T) / T · W` with the
 * rate O that was observed over the last W seconds and the rate T that is allowed, as Kafka has it, without samples.
 */
export class RateLimit {
  readonly #perSecond: number;
  readonly #windowSeconds: number;
  /** Below 0: what was used and not allowed. */
  #left: number;
  #atMs: number;

  constructor(perSecond: number, nowMs: number, windowSeconds = WINDOW_SECONDS) {
    this.#perSecond = perSecond;
    this.#windowSeconds = windowSeconds;
    this.#left = perSecond * windowSeconds;
    this.#atMs = nowMs;
  }

  /** How many milliseconds to wait after having used this amount; 0 for not at all. */
  use(amount: number, nowMs: number): number {
    this.#refill(nowMs);
    this.#left -= amount;
    return this.#left >= 0 ? 0 : Math.ceil((-this.#left / this.#perSecond) * 1000);
  }

  /** Whether forgetting it makes no difference. */
  isUnused(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#left >= this.#perSecond * this.#windowSeconds;
  }

  #refill(nowMs: number): void {
    const gained = ((nowMs - this.#atMs) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#perSecond * this.#windowSeconds, this.#left + gained);
    this.#atMs = nowMs;
  }
}
