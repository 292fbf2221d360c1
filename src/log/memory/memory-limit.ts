import type { StoreState } from '../store-state.ts';
import type { Pager } from './pager.ts';

const PAGE_OUT_BYTES = 2 * 1024 * 1024;
const PAGE_OUT_BYTES_PER_LOG = 16 * 1024;

/** Keeps the memory for messages within its limit: the oldest chunks are paged out. What is read ahead has a budget of its own. */
export class MemoryLimit {
  readonly #state: StoreState;
  readonly #pager: Pager;
  /** The generation in which nothing could be freed; -1 if there is none. */
  #stuckGeneration = -1;

  constructor(state: StoreState, pager: Pager) {
    this.#state = state;
    this.#pager = pager;
  }

  /** Whether there is something to free. */
  get isExceeded(): boolean {
    const { chunks, options, generation } = this.#state;
    if (chunks.bytes - chunks.windowBytes <= options.memoryBytes) return false;
    // What could not be freed the last time cannot be freed now, unless newer chunks were begun.
    return generation.current !== this.#stuckGeneration;
  }

  async freeMemory(): Promise<void> {
    const { chunks, options, generation } = this.#state;
    let excess = chunks.bytes - chunks.windowBytes - options.memoryBytes + this.#pageOutBytes();
    let pagedThrough = -1;
    const current = generation.current;
    const candidates = chunks.chunks.filter((c) => c !== undefined && c.kind !== 'window' && c.live > 0);
    candidates.sort((a, b) => a.generation - b.generation);
    for (const chunk of candidates) {
      if (excess <= 0 || chunk.generation >= current) break;
      pagedThrough = chunk.generation;
      excess -= chunk.size;
    }
    // Without a candidate the memory is in chunks that are still being filled or written.
    this.#stuckGeneration = pagedThrough < 0 ? current : -1;
    if (pagedThrough < 0) {
      this.#state.leaveLargeChunks();
      return;
    }
    await this.#pager.pageOutGeneration(pagedThrough);
    // A chunk that is still referred to would be chosen again, and again.
    if (candidates.length > 0 && candidates[0].live > 0) this.#stuckGeneration = generation.current;
  }

  /**
   * How much is paged out at a time: little, so that it fits between commits; but with many queues enough that each has
   * something worth a write.
   */
  #pageOutBytes(): number {
    const { logs, options } = this.#state;
    const wanted = Math.max(PAGE_OUT_BYTES, logs.size * PAGE_OUT_BYTES_PER_LOG);
    return Math.min(wanted, options.memoryBytes / 4);
  }
}
