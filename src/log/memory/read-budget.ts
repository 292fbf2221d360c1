import type { ChunkStore } from './chunks.ts';
import type { ReadAhead, ReadAheadBudget } from './read-ahead.ts';

/** How many logs are read from at once: with thousands of queues, as after a start, the rest waits its turn. */
const READS_MAX = 8;

/** Limits what the read-ahead of all logs together holds in memory, and how many of them read at once. */
export class ReadBudget implements ReadAheadBudget {
  readonly #chunks: ChunkStore;
  readonly #bytesMax: number;
  /** Those with something in memory, the least recently read first. */
  readonly #readers = new Set<ReadAhead>();
  #reads = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(chunks: ChunkStore, bytesMax: number) {
    this.#chunks = chunks;
    this.#bytesMax = bytesMax;
  }

  /** Others give way if there is too much in memory already. */
  async begin(reader: ReadAhead, bytes: number): Promise<void> {
    // Whoever ends leaves its place to the next one.
    if (this.#reads === READS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#reads++;
    if (reader.isClosed) return;
    this.#readers.delete(reader);
    for (const other of this.#readers) {
      if (this.#chunks.windowBytes + bytes <= this.#bytesMax) break;
      other.drop();
      this.#readers.delete(other);
    }
    this.#readers.add(reader);
  }

  end(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#reads--;
    else next();
  }

  delete(reader: ReadAhead): void {
    this.#readers.delete(reader);
  }
}
