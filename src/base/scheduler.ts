/** Where callbacks are scheduled: the power-cut simulation has one that runs them in an order that it can repeat. */
export interface Scheduler {
  /** In the next turn of the event loop, as setImmediate. */
  soon(run: () => void): void;
  /** Once, as setTimeout: the process stays alive for it. */
  after(ms: number, run: () => void): Timer;
  /** Repeatedly, as setInterval, but the process does not stay alive for it. */
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

const NOTHING: Promise<unknown> = Promise.resolve();

/** Runs tasks one after the other, each whether or not the one before it failed. */
export class Serial {
  /** Shared until there is a task: there are many of these. */
  #last = NOTHING;

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
