import type { Logger } from 'pino';

/** What of the process the watch of a start uses. */
export interface SignalPort {
  /** Ends the process as the signal does by itself, whatever its threads wait for. */
  endBySignal(signal: 'SIGTERM' | 'SIGINT'): void;
}

const SAY_AFTER_MS = 5000;
/** A start that goes on is waited for; one that hangs in the file system is not. */
const PATIENCE_MS = 3000;

/**
 * Watches the opening of the data directory, which can hang in the file system: says where it is after 5 s, and then
 * ever less often; and ends the process when a signal has not been heeded for 3 s. A start that is cut short is a crash
 * like others: the next one recovers.
 */
export class StartWatch {
  readonly #log: Logger;
  readonly #port: SignalPort;
  #step = 'starting';
  #timer: NodeJS.Timeout | null = null;
  #endTimer: NodeJS.Timeout | null = null;

  constructor(log: Logger, port: SignalPort) {
    this.#log = log;
    this.#port = port;
    this.#sayAfter(SAY_AFTER_MS);
  }

  readonly onStep = (step: string): void => {
    this.#step = step;
  };

  get isOver(): boolean {
    return this.#timer === null;
  }

  /** The first signal. */
  signalled(signal: 'SIGTERM' | 'SIGINT'): void {
    if (this.isOver) return;
    this.#endTimer ??= setTimeout(() => this.end(signal), PATIENCE_MS);
  }

  end(signal: 'SIGTERM' | 'SIGINT'): void {
    this.#log.warn({ signal }, `the start is broken off: it was still ${this.#step}`);
    this.#port.endBySignal(signal);
  }

  /** It is open, or has failed. */
  over(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#endTimer !== null) clearTimeout(this.#endTimer);
    this.#timer = null;
  }

  #sayAfter(waitMs: number, soFarMs = 0): void {
    this.#timer = setTimeout(() => {
      const seconds = Math.round((soFarMs + waitMs) / 1000);
      this.#log.warn({ seconds }, `the start takes its time: still ${this.#step}`);
      this.#sayAfter(2 * waitMs, soFarMs + waitMs);
    }, waitMs);
  }
}
