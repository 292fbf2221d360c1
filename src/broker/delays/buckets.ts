import type { Bucket } from './bucket.ts';
import { levelFor, startOf, WIDTHS_MS } from './levels.ts';

/** How many of one width are open at a time: usually it is the present second and the next two. */
const OPEN_MAX = 8;

/** The buckets of one virtual host: some hundreds at most. */
export class Buckets implements Iterable<Bucket> {
  readonly #byId = new Map<number, Bucket>();
  /** By level, then by start. */
  readonly #levels = WIDTHS_MS.map(() => new Map<number, Bucket>());
  /** By level, in the order of their starts. */
  readonly #open: Bucket[][] = WIDTHS_MS.map(() => []);
  #nextOpenMs = Number.POSITIVE_INFINITY;

  [Symbol.iterator](): IterableIterator<Bucket> {
    return this.#byId.values();
  }

  byId(id: number): Bucket | undefined {
    return this.#byId.get(id);
  }

  /** Where a message waits that comes due then; without a bucket, the one to be made. */
  find(dueMs: number, nowMs: number): { level: number; startMs: number; bucket: Bucket | null } {
    for (let level = levelFor(dueMs, nowMs); ; level--) {
      const startMs = startOf(level, dueMs);
      const bucket = this.#levels[level]?.get(startMs) ?? null;
      // A wide one that is being distributed takes no more: the clock must have been set back.
      if (level === 0 || bucket === null || bucket.reader === null) return { level, startMs, bucket };
    }
  }

  add(bucket: Bucket): void {
    this.#byId.set(bucket.id, bucket);
    this.#levels[bucket.level]?.set(bucket.startMs, bucket);
    this.#nextOpenMs = Math.min(this.#nextOpenMs, bucket.opensAtMs);
  }

  remove(bucket: Bucket): void {
    this.#byId.delete(bucket.id);
    const level = this.#levels[bucket.level];
    if (level?.get(bucket.startMs) === bucket) level.delete(bucket.startMs);
    const open = this.#open[bucket.level];
    const at = open.indexOf(bucket);
    if (at < 0) return;
    open.splice(at, 1);
    this.reconsider();
  }

  /**
   * Those whose time has come to be opened, each once: the caller gives each a reader. After a long stop they are many,
   * so they come a few at a time, the earliest first.
   */
  opening(nowMs: number): readonly Bucket[] {
    if (nowMs < this.#nextOpenMs) return NONE;
    this.#nextOpenMs = Number.POSITIVE_INFINITY;
    const ready: Bucket[] = [];
    for (const bucket of this.#byId.values()) {
      if (bucket.reader !== null) continue;
      if (bucket.opensAtMs <= nowMs) ready.push(bucket);
      else this.#nextOpenMs = Math.min(this.#nextOpenMs, bucket.opensAtMs);
    }
    ready.sort((a, b) => a.startMs - b.startMs);
    return ready.filter((bucket) => this.#admit(bucket));
  }

  /** Others may be opened instead of one of those that are. */
  reconsider(): void {
    this.#nextOpenMs = Number.NEGATIVE_INFINITY;
  }

  open(level: number): readonly Bucket[] {
    return this.#open[level];
  }

  /** Open ones that are distributed to narrower ones, the narrow ones first: they are needed sooner. */
  distributing(): readonly Bucket[] {
    return this.#open.slice(1).flat();
  }

  /** Open ones that are empty, and into which nothing will come any more. */
  finished(nowMs: number): readonly Bucket[] {
    const finished: Bucket[] = [];
    for (const [level, open] of this.#open.entries()) {
      for (const bucket of open) {
        const isPast = level > 0 || bucket.startMs + WIDTHS_MS[level] <= nowMs;
        if (isPast && bucket.waitingCount === 0) finished.push(bucket);
      }
    }
    return finished;
  }

  #admit(bucket: Bucket): boolean {
    const open = this.#open[bucket.level];
    // The others follow when one of these is removed.
    if (open.filter(({ damage }) => damage === null).length >= OPEN_MAX) return false;
    open.push(bucket);
    open.sort((a, b) => a.startMs - b.startMs);
    return true;
  }

  /** When there will be something to do, as far as is known. */
  nextMs(): number {
    let next = this.#nextOpenMs;
    for (const open of this.#open) {
      for (const { reader, level, startMs, waitingCount, damage } of open) {
        if (damage !== null || reader === null) continue;
        const endMs = startMs + WIDTHS_MS[level];
        next = Math.min(next, waitingCount === 0 ? endMs : reader.nextDueMs);
      }
    }
    return next;
  }
}

const NONE: readonly Bucket[] = [];
