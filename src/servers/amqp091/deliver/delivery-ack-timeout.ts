import type { Consumer } from '../../../broker/queues/consumer.ts';
import type { Unacknowledged } from '../../../broker/queues/unacknowledged.ts';

/** Each time-out is divided into so many parts: a message is late by at most one of them when it is found out. */
const PARTS = 10;
const FORGIVEN_MAX = 100_000;

/** Everything that was delivered before this instant has a tag below. */
interface Mark {
  readonly atMs: number;
  readonly tag: number;
}

interface Watched {
  readonly marks: Mark[];
  /** Whether it was cancelled before the last mark: nothing that it got has a tag beyond. */
  isComplete: boolean;
}

/**
 * Which consumers of a channel have held a message for longer than they may. No message costs anything for this: now
 * and then it is noted which delivery tag is the next, so that the tag of a message tells how old it is.
 */
export class DeliveryAckTimeouts {
  readonly #unacknowledged: Unacknowledged;
  readonly #defaultMs: number;
  readonly #watched = new Map<Consumer, Watched>();
  /** Tags that were given back because they were late, and may still be acknowledged: that is ignored then. */
  readonly #forgiven = new Set<number>();

  /** With a default of Infinity only those queues have a limit that say so. */
  constructor(unacknowledged: Unacknowledged, defaultMs: number) {
    this.#unacknowledged = unacknowledged;
    this.#defaultMs = defaultMs;
  }

  /** How long this consumer may hold a message; Infinity for as long as it likes. A policy may change it. */
  limitMs(consumer: Consumer): number {
    if (consumer.noAck) return Number.POSITIVE_INFINITY;
    return consumer.queue.settings.consumerTimeoutMs ?? this.#defaultMs;
  }

  /** Also who is cancelled has to acknowledge in time what it got. */
  watch(consumer: Consumer): void {
    if (this.limitMs(consumer) === Number.POSITIVE_INFINITY || this.#watched.has(consumer)) return;
    this.#watched.set(consumer, { marks: [], isComplete: false });
  }

  /** To be called now and then. Returns those who are late. */
  check(nowMs: number): Iterable<Consumer> {
    if (this.#watched.size === 0) return [];
    const limits = new Map<Consumer, number>();
    for (const [consumer, watched] of this.#watched) {
      const limitMs = this.limitMs(consumer);
      if (!watched.isComplete) this.#mark(consumer, watched, nowMs, limitMs / PARTS);
      const expired = newestBefore(watched.marks, nowMs - limitMs);
      if (expired === null) continue;
      limits.set(consumer, expired.tag);
      if (watched.isComplete && watched.marks.length === 1) this.#watched.delete(consumer);
    }
    return this.#unacknowledged.holdersBelow(limits);
  }

  /** These tags are settled by us, and not by the client, who may not know yet. */
  forgive(tags: readonly number[]): void {
    for (const tag of tags) this.#forgiven.add(tag);
    for (const tag of this.#forgiven) {
      if (this.#forgiven.size <= FORGIVEN_MAX) break;
      this.#forgiven.delete(tag);
    }
  }

  isForgiven(tag: number): boolean {
    return this.#forgiven.has(tag);
  }

  #mark({ isActive }: Consumer, watched: Watched, nowMs: number, partMs: number): void {
    const last = watched.marks.at(-1);
    watched.isComplete = !isActive;
    if (isActive && last !== undefined && nowMs - last.atMs < partMs) return;
    watched.marks.push({ atMs: nowMs, tag: this.#unacknowledged.nextTag });
  }
}

/** The newest mark that is not younger than `atMs`; the older ones are dropped. */
function newestBefore(marks: Mark[], atMs: number): Mark | null {
  let count = 0;
  while (count < marks.length && (marks[count] as Mark).atMs <= atMs) count++;
  if (count === 0) return null;
  marks.splice(0, count - 1);
  return marks[0] as Mark;
}
