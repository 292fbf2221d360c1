import type { Clock } from '../../../base/clock.ts';

/** Whether a connection takes no new requests for now: its client exceeds a quota, or the broker is under back-pressure. */
export class Throttle {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  #isPaused = false;
  #untilMs = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `onOver` is called when one of the two has ended. */
  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
  }

  get isOn(): boolean {
    return this.#isPaused || this.#timer !== null;
  }

  /** The client exceeds a quota: no requests for this long (KIP-219). */
  wait(milliseconds: number): void {
    const untilMs = this.#clock.monotonicMs() + milliseconds;
    if (milliseconds <= 0 || (this.#timer !== null && untilMs <= this.#untilMs)) return;
    this.#untilMs = untilMs;
    this.stop();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#onOver();
    }, milliseconds);
  }

  /** Back-pressure: no requests until `onResume` calls the function that it is given. */
  pauseUntil(onResume: (resume: () => void) => void): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    onResume(() => {
      this.#isPaused = false;
      this.#onOver();
    });
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
