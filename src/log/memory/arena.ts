import type { Chunk, ChunkStore } from './chunks.ts';

/** The generation of the chunks that are being filled. */
export interface Generation {
  current: number;
  /** A transaction is being written, whose messages all come in one generation: the next begins at its end. */
  isAdvancePending: boolean;
}

/**
 * Memory for frames that are in no journal: transient messages. When its chunk is full the generation goes on, which
 * closes the journal's chunk too, so that the chunks of one queue's messages come in the order of their generations.
 */
export class Arena {
  chunk: Chunk;
  readonly #store: ChunkStore;
  readonly #generation: Generation;
  readonly #isAtomic: () => boolean;

  /** `isAtomic`: whether a transaction is being written. */
  constructor(store: ChunkStore, generation: Generation, isAtomic: () => boolean) {
    this.#store = store;
    this.#isAtomic = isAtomic;
    this.#generation = generation;
    this.chunk = store.acquire('transient');
    this.chunk.generation = generation.current;
  }

  /** Room for `bytes` (a multiple of 8); the offset in `this.chunk`. */
  reserve(bytes: number): number {
    const chunk = this.chunk;
    if (chunk.used + bytes > chunk.size || chunk.generation !== this.#generation.current) this.#roll(bytes);
    const at = this.chunk.used;
    this.chunk.used = at + bytes;
    return at;
  }

  /** Goes on in another chunk if this one is larger than usual: nothing that is being filled can be freed. */
  leaveLargeChunk(): void {
    if (this.chunk.size > this.#store.chunkBytes) this.#roll(0);
  }

  #roll(bytes: number): void {
    const old = this.chunk;
    if (old.used === 0 && bytes <= old.size) {
      old.generation = this.#generation.current;
      return;
    }
    // One that is closed because its generation is over does not end the next: every transaction would take new chunks.
    if (old.generation === this.#generation.current) {
      if (this.#isAtomic()) this.#generation.isAdvancePending = true;
      else this.#generation.current++;
    }
    this.chunk = this.#store.acquire('transient', bytes);
    this.chunk.generation = this.#generation.current;
    this.#store.unpin(old);
  }
}
