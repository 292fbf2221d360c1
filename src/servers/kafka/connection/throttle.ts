import type { Clock } from '../../../base/clock.ts';

/** Why nothing is taken from a client for now, besides what it has asked for already. */
export class Throttle {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  #isHeldBack = false;
  #untilMs = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `onOver` is called when there is no reason any more. */
  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
  }

  get isOn(): boolean {
    return this.#isHeldBack || this.#timer !== null;
  }

  /** It exceeds what it may have, and has to wait for so long (KIP-219). */
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

  /** It fills memory or the journal faster than they are emptied. `onResume` gets what is to be called at the end of that. */
  holdBack(onResume: (resume: () => void) => void): void {
    if (this.#isHeldBack) return;
    this.#isHeldBack = true;
    onResume(() => {
      this.#isHeldBack = false;
      this.#onOver();
    });
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
