import type { FileSystem } from './filesystem.ts';

/** The limit is over when so much more than it is free, so that it does not come and go. */
const HYSTERESIS = 1.1;

/** Watches the free space of the data directory's volume, and whether the journal found it full. */
export class FreeDiskSpace {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #freeBytesMin: number;
  readonly #onPressure: (isLow: boolean) => void;
  #isLow = false;
  #journalIsFull = false;
  #stopped = false;

  constructor(fs: FileSystem, directory: string, freeBytesMin: number, onPressure: (isLow: boolean) => void) {
    this.#fs = fs;
    this.#directory = directory;
    this.#freeBytesMin = freeBytesMin;
    this.#onPressure = onPressure;
  }

  /** Nobody waits for it. A volume that does not tell its free space is not watched. */
  watch(): void {
    this.#fs.freeBytes(this.#directory).then(
      (free) => {
        const limit = this.#isLow ? this.#freeBytesMin * HYSTERESIS : this.#freeBytesMin;
        if (free < limit === this.#isLow || this.#stopped) return;
        this.#isLow = free < limit;
        this.report();
      },
      () => undefined,
    );
  }

  journalIsFull(full: boolean): void {
    if (full === this.#journalIsFull) return;
    this.#journalIsFull = full;
    this.report();
  }

  report(): void {
    this.#onPressure(this.#isLow || this.#journalIsFull);
  }

  stop(): void {
    this.#stopped = true;
  }
}
