import { crc32c } from '../../base/crc32c.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import type { Chunk, ChunkStore } from '../chunks.ts';
import { align8, BLOCK_HEADER_BYTES, BLOCK_MAGIC } from './format.ts';

/** A closed block: bytes [start, end) of a chunk. */
export interface SealedBlock {
  readonly number: number;
  readonly chunk: Chunk;
  readonly start: number;
  readonly end: number;
}

/**
 * Where blocks go. The local files are one device (`journal-files.ts`); in cluster mode it is a partition of a
 * replicated log. Called with one batch at a time.
 */
export interface JournalDevice {
  /** Resolves when the blocks are as safe as the durability setting says. */
  append(blocks: readonly SealedBlock[]): Promise<void>;
}

export interface JournalOptions {
  readonly epoch: number;
  readonly firstBlock: number;
  /** Wait before a write that found the disk full is tried again. */
  readonly retryMs: number;
  readonly scheduler: Scheduler;
}

export interface JournalEvents {
  /** Called before a batch is closed: the last chance for entries that were held back to be folded. */
  beforeCommit(): void;
  /** Blocks up to this number are safe. */
  onDurable(blockNumber: number): void;
  /** The device failed and cannot be trusted any more: the process must stop, without confirming anything else. */
  onFailure(error: Error): void;
  /** The device is full (true), or took the blocks after all (false). */
  onFull(full: boolean): void;
}

/**
 * The journal in memory, with group commit: while one batch of blocks is on its way to the device, everything that
 * arrives joins the next one. Entries are written in place: `reserve` gives room in `chunk`, the caller fills it
 * before anything else happens.
 */
export class Journal {
  /** Where the last reservation is. */
  chunk: Chunk;
  /** The number of the open block. */
  blockNumber: number;
  durableBlock: number;
  /** Bytes that wait for the device, those in flight included. */
  pendingBytes = 0;
  readonly #store: ChunkStore;
  readonly #device: JournalDevice;
  readonly #options: JournalOptions;
  readonly #events: JournalEvents;
  #generation: { current: number };
  #blockStart = -1;
  #atomic = false;
  #sealed: SealedBlock[] = [];
  #writing = false;
  #stopped = false;
  #waiters: { block: number; resolve: () => void }[] = [];

  constructor(
    store: ChunkStore,
    generation: { current: number },
    device: JournalDevice,
    options: JournalOptions,
    events: JournalEvents,
  ) {
    this.#store = store;
    this.#generation = generation;
    this.#device = device;
    this.#options = options;
    this.#events = events;
    this.blockNumber = options.firstBlock;
    this.durableBlock = options.firstBlock - 1;
    this.chunk = store.acquire('journal');
    this.chunk.generation = generation.current;
  }

  /** Room for one entry of `bytes` (a multiple of 8) in the open block; the offset in `this.chunk`. */
  reserve(bytes: number): number {
    if (this.chunk.generation !== this.#generation.current) this.#followGeneration(bytes);
    if (this.chunk.used + bytes + BLOCK_HEADER_BYTES > this.chunk.size) this.#roll(bytes);
    const chunk = this.chunk;
    if (this.#blockStart < 0) {
      this.#blockStart = chunk.used;
      chunk.used += BLOCK_HEADER_BYTES;
    }
    const at = chunk.used;
    chunk.used = at + bytes;
    this.pendingBytes += bytes;
    return at;
  }

  /** From here to `endAtomic`, entries of at most `bytes` together go into one block. */
  beginAtomic(bytes: number): void {
    if (this.chunk.used + bytes + BLOCK_HEADER_BYTES > this.chunk.size) this.#roll(bytes);
    this.#atomic = true;
  }

  endAtomic(): void {
    this.#atomic = false;
  }

  get isIdle(): boolean {
    return !this.#writing && this.#sealed.length === 0 && this.#blockStart < 0;
  }

  /** Starts a group commit unless one is in flight; the end of that one starts the next. */
  commit(): void {
    if (this.#writing || this.#stopped) return;
    this.#events.beforeCommit();
    this.#seal();
    if (this.#sealed.length === 0) return;
    const batch = this.#sealed;
    this.#sealed = [];
    this.#writing = true;
    this.#write(batch);
  }

  /** Closes the open block; returns the number of the next one. */
  cut(): number {
    this.#seal();
    return this.blockNumber;
  }

  /** Resolves when everything that was appended before the call is safe. */
  flush(): Promise<void> {
    this.commit();
    if (this.isIdle) return Promise.resolve();
    const block = this.#blockStart < 0 ? this.blockNumber - 1 : this.blockNumber;
    return new Promise((resolve) => this.#waiters.push({ block, resolve }));
  }

  stop(): void {
    this.#stopped = true;
  }

  #write(batch: SealedBlock[]): void {
    this.#device.append(batch).then(
      () => this.#written(batch),
      (error: NodeJS.ErrnoException) => {
        if (this.#stopped) return;
        if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') {
          this.#stopped = true;
          this.#events.onFailure(error);
          return;
        }
        this.#events.onFull(true);
        this.#options.scheduler.after(this.#options.retryMs, () => {
          if (!this.#stopped) this.#write(batch);
        });
      },
    );
  }

  #written(batch: readonly SealedBlock[]): void {
    if (this.#stopped) return;
    for (const block of batch) {
      this.pendingBytes -= block.end - block.start - BLOCK_HEADER_BYTES;
      this.#store.unpin(block.chunk);
    }
    this.durableBlock = (batch[batch.length - 1] as SealedBlock).number;
    this.#writing = false;
    this.#events.onFull(false);
    this.#events.onDurable(this.durableBlock);
    if (this.#waiters.length > 0) this.#wake();
    // What arrived meanwhile goes at once: its producers are waiting.
    this.commit();
  }

  #wake(): void {
    const ready = this.#waiters.filter((waiter) => waiter.block <= this.durableBlock);
    this.#waiters = this.#waiters.filter((waiter) => waiter.block > this.durableBlock);
    for (const waiter of ready) waiter.resolve();
  }

  #seal(): void {
    if (this.#blockStart < 0) return;
    const { chunk } = this;
    const start = this.#blockStart;
    const end = chunk.used;
    const word = start >>> 2;
    chunk.u32[word] = BLOCK_MAGIC;
    chunk.u32[word + 2] = end - start;
    chunk.u32[word + 3] = this.#options.epoch;
    chunk.f64[(start >>> 3) + 2] = this.blockNumber;
    chunk.f64[(start >>> 3) + 3] = this.durableBlock;
    chunk.u32[word + 1] = crc32c(chunk.buffer.subarray(start + 8, end));
    chunk.pins++;
    this.#sealed.push({ number: this.blockNumber, chunk, start, end });
    this.#blockStart = -1;
    this.blockNumber++;
  }

  /** The transient arena has begun a new period: so does the journal, except in the middle of a transaction. */
  #followGeneration(bytes: number): void {
    if (this.#atomic) this.chunk.generation = this.#generation.current;
    else this.#roll(bytes);
  }

  #roll(bytes: number): void {
    const old = this.chunk;
    if (old.used === 0 && bytes + BLOCK_HEADER_BYTES <= old.size) {
      old.generation = this.#generation.current;
      return;
    }
    this.#seal();
    if (old.generation === this.#generation.current) this.#generation.current++;
    this.chunk = this.#store.acquire('journal', align8(bytes) + BLOCK_HEADER_BYTES);
    this.chunk.generation = this.#generation.current;
    this.#store.unpin(old);
  }
}
