import type { Deduplication } from './queue-settings.ts';

interface Seen {
  readonly untilMs: number;
  /** Whether the message survives a restart, and so this entry. */
  readonly isKept: boolean;
}

/** x-message-deduplication: the messages that a queue took lately, by the name that the publisher gives. The oldest first. */
export class Deduplicator {
  readonly #seen = new Map<string, Seen>();
  #settings: Deduplication;

  constructor(settings: Deduplication) {
    this.#settings = settings;
  }

  configure(settings: Deduplication): void {
    this.#settings = settings;
  }

  has(key: string, nowMs: number): boolean {
    const seen = this.#seen.get(key);
    return seen !== undefined && seen.untilMs > nowMs;
  }

  remember(key: string, nowMs: number, untilMs: number, isKept: boolean): void {
    const seen = this.#seen;
    seen.delete(key);
    seen.set(key, { untilMs, isKept });
    for (const [oldest, { untilMs: endMs }] of seen) {
      if (endMs > nowMs && seen.size <= this.#settings.entriesMax) break;
      seen.delete(oldest);
    }
  }

  /** The entries that survive a restart. */
  kept(nowMs: number): [key: string, untilMs: number][] {
    const kept: [string, number][] = [];
    for (const [key, { untilMs, isKept }] of this.#seen) {
      if (isKept && untilMs > nowMs) kept.push([key, untilMs]);
    }
    return kept;
  }
}
