import type { Scheduler, Timer } from '../../base/scheduler.ts';
import { CRC_AT } from '../batch-layout.ts';
import { baseOffsetOf } from '../batch-view.ts';
import { OpenedBytes } from './opened-bytes.ts';

/** What nobody asked for in so long is let go of, half a time more at most. */
const KEPT_MS = 2000;

interface Opened {
  readonly records: Buffer;
  readonly owner: string;
}

/**
 * Decompressed records of large batches, for readers that stop within a batch and go on later, and for those that read
 * the same one. When the limit is reached the least recently used go of the owner who has most, and are opened again for
 * who still needs them.
 */
export class OpenedBatches {
  readonly account: OpenedBytes;
  readonly #scheduler: Scheduler;
  readonly #batches = new Map<string, Opened>();
  /** Those that somebody asked for since the last look. */
  readonly #used = new Set<string>();
  #timer: Timer | null = null;

  constructor(bytesMax: number, scheduler: Scheduler) {
    this.account = new OpenedBytes(bytesMax);
    this.#scheduler = scheduler;
  }

  /** Of the batch at `at` in the log of this id. */
  get(log: number, bytes: Buffer, at: number): Buffer | null {
    if (this.#batches.size === 0) return null;
    const key = keyOf(log, bytes, at);
    const opened = this.#batches.get(key);
    if (opened === undefined) return null;
    this.#batches.delete(key);
    this.#batches.set(key, opened);
    this.#used.add(key);
    return opened.records;
  }

  put(key: string, records: Buffer, owner: string): void {
    if (this.#batches.has(key)) return;
    while (!this.account.tryReserve(records.length, owner)) {
      this.#removeOldestOf(this.account.largestOwner);
    }
    this.#batches.set(key, { records, owner });
    this.#used.add(key);
    this.#timer ??= this.#scheduler.after(KEPT_MS, this.#removeUnused);
  }

  clear(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const key of [...this.#batches.keys()]) this.#remove(key);
  }

  readonly #removeUnused = (): void => {
    for (const key of [...this.#batches.keys()]) if (!this.#used.has(key)) this.#remove(key);
    this.#used.clear();
    this.#timer = this.#batches.size === 0 ? null : this.#scheduler.after(KEPT_MS, this.#removeUnused);
  };

  #removeOldestOf(owner: string): void {
    for (const [key, opened] of this.#batches) {
      if (opened.owner !== owner) continue;
      this.#remove(key);
      return;
    }
  }

  #remove(key: string): void {
    const opened = this.#batches.get(key);
    if (opened === undefined) return;
    this.#batches.delete(key);
    this.#used.delete(key);
    this.account.release(opened.records.length, opened.owner);
  }
}

/** With its checksum: compaction may leave less of a batch, at the same offset. */
export function keyOf(log: number, bytes: Buffer, at: number): string {
  return `${log}:${baseOffsetOf(bytes, at)}:${bytes.readUInt32BE(at + CRC_AT)}`;
}
