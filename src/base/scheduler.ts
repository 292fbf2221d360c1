/** When things run, from outside: the power-cut simulation runs them in an order of its own, which it can repeat. */
export interface Scheduler {
  /** Runs it as soon as what is ready now has had its turn. */
  soon(run: () => void): void;
  /** Runs it once. The process stays alive for it. */
  after(ms: number, run: () => void): Timer;
  /** Runs it again and again, as long as the process lives for something else. */
  every(ms: number, run: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

export const systemScheduler: Scheduler = {
  soon: (run) => {
    setImmediate(run);
  },
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  every: (ms, run) => {
    const timer = setInterval(run, ms).unref();
    return { cancel: () => clearInterval(timer) };
  },
};
