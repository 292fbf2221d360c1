/** Time, from outside: tests and the power-cut simulation drive their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump when the system's clock is set. */
  now(): number;
  /** Milliseconds since an arbitrary start, fractional, never going back. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
};
