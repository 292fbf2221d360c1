import type { TestMessage } from './test-message.ts';

/** What the history says that must not be. */
export class HistoryError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'HistoryError';
  }
}

/** In no journal block, or in one that nothing can take away any more. */
export const NO_BLOCK = 0;
const NEVER = Number.POSITIVE_INFINITY;

/** One message in one queue, as the history has it. */
export interface Entry {
  readonly message: TestMessage;
  /** Persistent, and in a durable queue: it survives if its block does. */
  readonly isJournaled: boolean;
  isVisible: () => boolean;
  block: number;
  state: 'ready' | 'unacknowledged' | 'settled';
  wasDelivered: boolean;
  /** Blocks between which the settlement is in the journal. */
  settledFrom: number;
  settledBy: number;
}

/** What must be in one queue, from its declaration to its deletion. Messages are in the order of publication. */
export class ExpectedQueue {
  readonly name: string;
  readonly durable: boolean;
  /** The broker's, so that a queue that was deleted and declared again is another one. */
  readonly id: number;
  declaredBlock: number;
  deletedBlock = NEVER;
  readyCount = 0;
  unacknowledgedCount = 0;
  /** Transactions with messages for this queue that are committed but not durable. */
  undecided = 0;
  readonly entries = new Map<number, Entry>();
  /** AcknowledgedOffsets, but not certainly in the journal yet. */
  #settling: Entry[] = [];

  constructor(name: string, durable: boolean, id: number, declaredBlock: number) {
    this.name = name;
    this.durable = durable;
    this.id = id;
    this.declaredBlock = declaredBlock;
  }

  get isDeleted(): boolean {
    return this.deletedBlock !== NEVER;
  }

  /** `isVisible` tells whether consumers may have it already. */
  published(message: TestMessage, block: number, isVisible: () => boolean): void {
    const isJournaled = message.isKept && this.durable;
    this.entries.set(message.id, {
      message,
      isJournaled,
      isVisible,
      block: isJournaled ? block : NO_BLOCK,
      state: 'ready',
      wasDelivered: false,
      settledFrom: NEVER,
      settledBy: NEVER,
    });
    this.readyCount++;
  }

  /** The next message that a consumer has to get; undefined if there is none. */
  firstReady(): Entry | undefined {
    for (const entry of this.entries.values()) if (entry.state === 'ready') return entry;
    return undefined;
  }

  delivered(id: number, redelivered: boolean): Entry {
    const entry = this.entries.get(id);
    if (entry === undefined)
      throw new HistoryError(`${this.name} delivered message ${id}, which is not in it`);
    if (entry.state !== 'ready') {
      throw new HistoryError(`${this.name} delivered message ${id}, which is ${entry.state}`);
    }
    const first = this.firstReady();
    if (first !== entry) {
      throw new HistoryError(`${this.name} delivered message ${id} before message ${first?.message.id}`);
    }
    if (!entry.isVisible()) {
      throw new HistoryError(`${this.name} delivered message ${id} before its transaction was durable`);
    }
    if (entry.wasDelivered && !redelivered) {
      throw new HistoryError(
        `${this.name} delivered message ${id} again, and said that it was the first time`,
      );
    }
    entry.wasDelivered = true;
    entry.state = 'unacknowledged';
    this.readyCount--;
    this.unacknowledgedCount++;
    return entry;
  }

  requeued(entry: Entry): void {
    if (this.isDeleted) return;
    entry.state = 'ready';
    this.readyCount++;
    this.unacknowledgedCount--;
  }

  /** The settlement will be in block `from` or a later one. */
  settled(entry: Entry, from: number): void {
    if (this.isDeleted) return;
    if (entry.state === 'ready') this.readyCount--;
    else this.unacknowledgedCount--;
    entry.state = 'settled';
    entry.settledFrom = from;
    this.#settling.push(entry);
  }

  purged(from: number): void {
    for (const entry of this.entries.values()) if (entry.state === 'ready') this.settled(entry, from);
  }

  /** All settlements so far are in blocks up to this one. */
  settlementsAreIn(block: number): void {
    for (const entry of this.#settling) entry.settledBy = Math.min(entry.settledBy, block);
  }

  /** All settlements so far are on stable storage: those messages must never be seen again. */
  settlementsAreSafe(): void {
    for (const entry of this.#settling) this.entries.delete(entry.message.id);
    this.#settling = [];
  }

  /** What the queue must, and what it may, have after a restart that found the journal up to `last`. */
  afterRestart(last: number): { readonly must: Set<number>; readonly may: Set<number> } {
    const must = new Set<number>();
    const may = new Set<number>();
    for (const [id, entry] of this.entries) {
      const isInJournal = entry.isJournaled && entry.block <= last;
      const isSettled = entry.state === 'settled' && entry.settledBy <= last;
      const maybeSettled = entry.state === 'settled' && entry.settledFrom <= last;
      if (isSettled || (entry.isJournaled && !isInJournal)) continue;
      // A message that is not journaled survives only if it happens to be in a segment.
      may.add(id);
      if (isInJournal && !maybeSettled) must.add(id);
    }
    return { must, may };
  }

  /** Takes what was found after a restart for the truth from now on. */
  found(ids: readonly number[]): void {
    const present = new Set(ids);
    for (const [id, entry] of this.entries) {
      if (!present.has(id)) {
        this.entries.delete(id);
        continue;
      }
      entry.block = NO_BLOCK;
      entry.isVisible = () => true;
      entry.state = 'ready';
      entry.settledFrom = NEVER;
      entry.settledBy = NEVER;
    }
    this.#settling = [];
    this.declaredBlock = NO_BLOCK;
    this.undecided = 0;
    this.readyCount = ids.length;
    this.unacknowledgedCount = 0;
  }
}
