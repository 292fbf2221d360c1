import type { Clock } from '../../base/clock.ts';
import type { Scheduler, Timer } from '../../base/scheduler.ts';
import { isDiskFull } from '../files/system-error.ts';
import type { Generation } from '../memory/arena.ts';
import type { Chunk, ChunkStore } from '../memory/chunks.ts';
import { align8 } from '../memory/chunks.ts';
import { BLOCK_HEADER_BYTES, writeBlockHeader } from './format.ts';

/** A closed block: bytes [start, end) of a chunk. */
export interface SealedBlock {
  readonly number: number;
  readonly chunk: Chunk;
  readonly start: number;
  readonly end: number;
}

/** Where the journal's blocks go. */
export interface BlockSink {
  /** So many batches may be on their way at once. */
  readonly inFlightMax: number;
  /**
   * Resolves when the blocks, and all before them, are as safe as the durability setting says. Batches are given in the order
   * of their blocks, and settle in that order. If one finds the device full, those on their way behind it reject as well: all of them
   * are given again, from the first on.
   */
  append(blocks: readonly SealedBlock[]): Promise<void>;
  /** Blocks up to this one are on stable storage, whatever the durability setting promises. */
  readonly syncedBlock: number;
}

export interface JournalOptions {
  readonly epoch: number;
  readonly firstBlock: number;
  /** Wait before a write that found the disk full is tried again. */
  readonly retryMs: number;
  /** So many bytes are written beside what is in flight, however quick the device is. */
  readonly besideBytes: number;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly scheduler: Scheduler;
}

export interface JournalEvents {
  /** Called before a batch is closed: pending acknowledgements are appended. */
  beforeCommit(): void;
  /** Whether anybody waits for a block after this one. */
  isAwaited(after: number): boolean;
  /** Blocks up to this number are safe. */
  onDurable(blockNumber: number): void;
  /** The device failed and cannot be trusted any more: the process must stop, without confirming anything else. */
  onFailure(error: Error): void;
  /** The device is full (true), or took the blocks after all (false). */
  onFull(full: boolean): void;
}

/** Entries that will be appended to the open block before it is closed: room for them is reserved in it. */
export interface Reservations {
  /** Of the entries; 0 if there are none. */
  bytes: number;
  /** Appends them, by `takeReserved`, and sets `bytes` to 0. */
  flush(): void;
}

/** After so long without a commit the end of the journal is marked. */
const MARK_AFTER_MS = 1000;

/** How long, and up to how many bytes, entries wait that nobody waits for. */
const LAZY_MS = 5;
const LAZY_BYTES_MAX = 1024 * 1024;

/**
 * A device that takes less, lately, is soon done: what comes meanwhile waits for it and goes together, which costs fewer writes.
 * Of one that takes longer, most of that is waiting, in which it can take something else.
 */
const BESIDE_MS = 1;
/** The part of the newest write in the time that writes take. */
const RECENT = 1 / 8;

/**
 * The journal in memory, with group commit: while as many batches of blocks are on their way to the device as it takes,
 * everything that arrives joins the next one. Entries are written in place: `reserve` gives room in `chunk`, the caller fills it
 * before anything else happens.
 */
export class Journal {
  /** Where the last reservation is. */
  chunk: Chunk;
  /** The number of the open block. */
  blockNumber: number;
  durableBlock: number;
  /** In the middle of a transaction: no new generation may begin. */
  isAtomic = false;
  /** Bytes that wait for the device, those in flight included. */
  pendingBytes = 0;
  reservations: Reservations = { bytes: 0, flush: () => undefined };
  readonly #store: ChunkStore;
  readonly #device: BlockSink;
  readonly #options: JournalOptions;
  readonly #events: JournalEvents;
  readonly #generation: Generation;
  #blockStart = -1;
  #epoch: number;
  #sealed: SealedBlock[] = [];
  /** Batches that are on their way. */
  #inFlight = 0;
  /** The last block that was given to the device. */
  #givenBlock: number;
  /** The device had no room: nothing new is given to it until it has taken these. */
  #isFull = false;
  /** Of `pendingBytes`, what is on its way. */
  #givenBytes = 0;
  /** What a write has taken lately. */
  #writeMs = 0;
  /** Blocks that it had no room for, and those that were on their way behind them, in order. */
  #refused: SealedBlock[] = [];
  #isLazy = false;
  #markTimer: Timer | null = null;
  #markBlock = -1;
  #isClosing = false;
  #stopped = false;
  #waiters: { block: number; resolve: () => void }[] = [];

  constructor(
    store: ChunkStore,
    generation: Generation,
    device: BlockSink,
    options: JournalOptions,
    events: JournalEvents,
  ) {
    this.#store = store;
    this.#generation = generation;
    this.#device = device;
    this.#options = options;
    this.#epoch = options.epoch;
    this.#events = events;
    this.blockNumber = options.firstBlock;
    this.durableBlock = options.firstBlock - 1;
    this.#givenBlock = options.firstBlock - 1;
    this.chunk = store.acquire('journal');
    this.chunk.generation = generation.current;
  }

  /** Room for one entry of `bytes` (a multiple of 8) in the open block; the offset in `this.chunk`. */
  reserve(bytes: number): number {
    const isStale = this.chunk.generation !== this.#generation.current;
    const header = this.#blockStart < 0 ? BLOCK_HEADER_BYTES : 0;
    const needed = header + bytes + this.reservations.bytes;
    if (isStale || this.chunk.used + needed > this.chunk.size) this.#roll(bytes);
    return this.takeReserved(bytes);
  }

  /** As `reserve`, for an entry that `reserveLater` has reserved room for: it is in the block that was open then. */
  takeReserved(bytes: number): number {
    const chunk = this.chunk;
    if (this.#blockStart < 0) {
      this.#blockStart = chunk.used;
      chunk.used += BLOCK_HEADER_BYTES;
    }
    const at = chunk.used;
    // Typed arrays would swallow what is beyond their end, and the block would be broken when it is read.
    if (at + bytes > chunk.size) throw new Error('more is appended to a block than room was reserved for');
    chunk.used = at + bytes;
    this.pendingBytes += bytes;
    return at;
  }

  /** Whether the open block has room for so many bytes more. */
  canReserveLater(bytes: number): boolean {
    const { chunk, reservations } = this;
    return this.isAtomic || chunk.used + bytes + reservations.bytes + BLOCK_HEADER_BYTES <= chunk.size;
  }

  /** Reserves room for entries that come later: in the open block, or in the one that begins here. */
  reserveLater(bytes: number): void {
    const { chunk, reservations } = this;
    if (!this.isAtomic) {
      const isStale = chunk.generation !== this.#generation.current;
      const needed = bytes + reservations.bytes + BLOCK_HEADER_BYTES;
      if ((isStale && reservations.bytes === 0) || chunk.used + needed > chunk.size) this.#roll(bytes);
    }
    reservations.bytes += bytes;
  }

  /** From here to `endAtomic`, entries of at most `bytes` together go into one block. */
  beginAtomic(bytes: number): void {
    if (this.reservations.bytes > 0) this.reservations.flush();
    const { chunk } = this;
    const isStale = chunk.generation !== this.#generation.current;
    if (isStale || chunk.used + bytes + BLOCK_HEADER_BYTES > chunk.size) this.#roll(bytes);
    this.isAtomic = true;
  }

  endAtomic(): void {
    if (this.reservations.bytes > 0) this.reservations.flush();
    this.isAtomic = false;
    if (!this.#generation.isAdvancePending) return;
    this.#generation.isAdvancePending = false;
    this.#generation.current++;
  }

  /** Everything that was appended so far is in this block, or in one before it. */
  get lastBlock(): number {
    return this.#blockStart < 0 && this.reservations.bytes === 0 ? this.blockNumber - 1 : this.blockNumber;
  }

  get isIdle(): boolean {
    return (
      this.#inFlight === 0 &&
      !this.#isFull &&
      this.#sealed.length === 0 &&
      this.#blockStart < 0 &&
      this.reservations.bytes === 0
    );
  }

  /** Nothing can be given to the device now; the end of what is in flight gives the next. */
  get #isBusy(): boolean {
    return this.#inFlight >= this.#device.inFlightMax || this.#isFull || this.#stopped;
  }

  /**
   * Starts a group commit, unless as many are in flight as may be. What nobody waits for, as
   * acknowledgements, is given a little time to be joined by something that somebody does wait for: a commit that is
   * under way for nothing would delay it.
   */
  commit(): void {
    if (this.#isBusy) return;
    if (this.#inFlight > 0 && !this.#isWorthBeside) return;
    if (this.#isAwaited()) {
      this.#commitNow();
    } else if (this.#inFlight === 0 && !this.#isLazy) {
      this.#isLazy = true;
      this.#options.scheduler.after(LAZY_MS, () => {
        this.#isLazy = false;
        this.#commitNow();
      });
    }
  }

  /** Whether what is open should not wait for what is in flight. */
  get #isWorthBeside(): boolean {
    return this.#writeMs >= BESIDE_MS || this.pendingBytes - this.#givenBytes >= this.#options.besideBytes;
  }

  /** Whether anybody waits for what was not given to the device yet. */
  #isAwaited(): boolean {
    const given = this.#givenBlock;
    const waiters = this.#waiters;
    return (
      this.pendingBytes - this.#givenBytes > LAZY_BYTES_MAX ||
      (waiters.length > 0 && waiters[waiters.length - 1].block > given) ||
      this.#events.isAwaited(given)
    );
  }

  #commitNow(): void {
    if (this.#isBusy) return;
    this.#events.beforeCommit();
    this.#seal();
    if (this.#sealed.length === 0) return;
    const batch = this.#sealed;
    this.#sealed = [];
    this.#givenBlock = batch[batch.length - 1].number;
    this.#givenBytes = this.pendingBytes;
    this.#write(batch);
  }

  /** Batches that are on their way to the device. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Closes the open block; returns the number of the next one. */
  cut(): number {
    this.#seal();
    return this.blockNumber;
  }

  /** Resolves when everything that was appended before the call is safe. */
  flush(): Promise<void> {
    this.#commitNow();
    if (this.isIdle) return Promise.resolve();
    const block = this.lastBlock;
    return new Promise((resolve) => this.#waiters.push({ block, resolve }));
  }

  /** No marks any more: the snapshot that is taken at the end protects the last block. */
  beginClose(): void {
    this.#isClosing = true;
    this.#markTimer?.cancel();
  }

  stop(): void {
    this.#stopped = true;
    this.#markTimer?.cancel();
  }

  /**
   * Writes an empty block, which says that the one before it is on stable storage. Without it, a last block that was
   * corrupted later could not be told from one that a power cut tore, and would be cut off silently.
   */
  mark(): void {
    this.reserve(0);
    this.#commitNow();
  }

  /** Blocks that are sealed from now on have this epoch. */
  raiseEpoch(epoch: number): void {
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  /** One timer at a time, whatever the number of commits. */
  #markLater(): void {
    if (this.#markTimer !== null || this.#stopped || this.#isClosing) return;
    if (this.durableBlock === this.#markBlock) return;
    const last = this.durableBlock;
    this.#markTimer = this.#options.scheduler.after(MARK_AFTER_MS, () => {
      this.#markTimer = null;
      const isQuiet = this.isIdle && this.durableBlock === last;
      if (isQuiet && this.#device.syncedBlock >= last) this.mark();
      else this.#markLater();
    });
  }

  #write(batch: SealedBlock[]): void {
    this.#inFlight++;
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    this.#device.append(batch).then(
      () => {
        this.#writeMs += (clock.monotonicMs() - beganMs - this.#writeMs) * RECENT;
        this.#written(batch);
      },
      (error: Error) => this.#notWritten(batch, error),
    );
  }

  #notWritten(batch: readonly SealedBlock[], error: Error): void {
    if (this.#stopped) return;
    if (!isDiskFull(error)) {
      this.#stopped = true;
      this.#events.onFailure(error);
      return;
    }
    this.#inFlight--;
    this.#refused = this.#refused.concat(batch);
    if (!this.#isFull) {
      this.#isFull = true;
      this.#events.onFull(true);
    }
    if (this.#inFlight > 0) return;
    this.#options.scheduler.after(this.#options.retryMs, () => {
      if (this.#stopped) return;
      const again = this.#refused;
      this.#refused = [];
      this.#write(again);
    });
  }

  #written(batch: readonly SealedBlock[]): void {
    if (this.#stopped) return;
    for (const block of batch) {
      const bytes = block.end - block.start - BLOCK_HEADER_BYTES;
      this.pendingBytes -= bytes;
      this.#givenBytes -= bytes;
      this.#store.unpin(block.chunk);
    }
    this.durableBlock = batch[batch.length - 1].number;
    this.#inFlight--;
    if (this.#isFull) {
      this.#isFull = false;
      this.#events.onFull(false);
    }
    this.#events.onDurable(this.durableBlock);
    if (this.#waiters.length > 0) this.#wake();
    this.#markLater();
    // What arrived meanwhile goes at once: its producers are waiting.
    this.commit();
  }

  #wake(): void {
    const ready = this.#waiters.filter((waiter) => waiter.block <= this.durableBlock);
    this.#waiters = this.#waiters.filter((waiter) => waiter.block > this.durableBlock);
    for (const waiter of ready) waiter.resolve();
  }

  #seal(): void {
    if (this.reservations.bytes > 0) this.reservations.flush();
    if (this.#blockStart < 0) return;
    const { chunk } = this;
    const start = this.#blockStart;
    const end = chunk.used;
    const { syncedBlock } = this.#device;
    // One that was closed early, while others were on their way, does not say that they arrived.
    if (end - start === BLOCK_HEADER_BYTES && syncedBlock >= this.blockNumber - 1) {
      this.#markBlock = this.blockNumber;
    }
    writeBlockHeader(chunk, start, {
      length: end - start,
      epoch: this.#epoch,
      number: this.blockNumber,
      syncedThrough: syncedBlock,
    });
    chunk.pins++;
    this.#sealed.push({ number: this.blockNumber, chunk, start, end });
    this.#blockStart = -1;
    this.blockNumber++;
  }

  #roll(bytes: number): void {
    if (this.isAtomic) throw new Error('a transaction takes more of the journal than was said');
    const old = this.chunk;
    if (old.used === 0 && this.reservations.bytes === 0 && bytes + BLOCK_HEADER_BYTES <= old.size) {
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
