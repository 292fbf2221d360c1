/** Bytes of large requests that are decoded and handled at a time: decoded they are some ten times as large. */
const BYTES_MAX = 32 * 1024 * 1024;

interface Waiting {
  readonly bytes: number;
  begin(): void;
}

/**
 * Large requests of all clients, over all protocols, take turns: what they are decoded to is memory, too. One that does
 * not fit waits, with its bytes alone, until those before it are handled.
 */
export class LargeRequests {
  readonly #bytesMax: number;
  #bytes = 0;
  readonly #waiting: Waiting[] = [];

  constructor(bytesMax = BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Null if the request may begin at once, otherwise a promise of that. To be followed by `leave`. */
  enter(bytes: number): Promise<void> | null {
    if (this.#waiting.length === 0 && this.#hasRoom(bytes)) {
      this.#bytes += bytes;
      return null;
    }
    return new Promise((begin) => this.#waiting.push({ bytes, begin }));
  }

  leave(bytes: number): void {
    this.#bytes -= bytes;
    while (this.#waiting.length > 0 && this.#hasRoom(this.#waiting[0].bytes)) {
      const { bytes, begin } = this.#waiting.shift() as Waiting;
      this.#bytes += bytes;
      begin();
    }
  }

  /** One alone may be larger than all together. */
  #hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bytesMax;
  }
}
