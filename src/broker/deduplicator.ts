import type { Deduplication } from './queue-settings.ts';

/** Which messages a queue has seen lately, by the name that their publisher gave them. The oldest are first. */
export class Deduplicator {
  readonly #untilMs = new Map<string, number>();
  #settings: Deduplication;

  constructor(settings: Deduplication) {
    this.#settings = settings;
  }

  configure(settings: Deduplication): void {
    this.#settings = settings;
  }

  has(key: string, nowMs: number): boolean {
    const untilMs = this.#untilMs.get(key);
    return untilMs !== undefined && untilMs > nowMs;
  }

  /** `untilMs` is given at recovery. */
  remember(key: string, nowMs: number, untilMs = nowMs + this.#settings.windowMs): void {
    const seen = this.#untilMs;
    seen.delete(key);
    seen.set(key, untilMs);
    for (const [oldest, endMs] of seen) {
      if (endMs > nowMs && seen.size <= this.#settings.entriesMax) break;
      seen.delete(oldest);
    }
  }

  entries(): IterableIterator<[key: string, untilMs: number]> {
    return this.#untilMs.entries();
  }
}
