import type { Consumer } from '../../../broker/queues/consumer.ts';
import type { Unacknowledged } from '../../../broker/queues/unacknowledged.ts';

/** A mark is set each tenth of the timeout: a late delivery is noticed at most that much later. */
const MARKS_PER_TIMEOUT = 10;
/** Tags that are remembered as requeued by us. */
const FORGIVEN_MAX = 100_000;

/** Of most channels. */
const NONE_FORGIVEN = new Set<number>();

/** Deliveries before `atMs` have delivery tags below `tag`. */
interface Mark {
  readonly atMs: number;
  readonly tag: number;
}

interface Watched {
  readonly marks: Mark[];
  /** Whether it was cancelled before the last mark: all its deliveries have tags below that. */
  isComplete: boolean;
}

/**
 * RabbitMQ's delivery acknowledgement timeout (`consumer_timeout`) of one channel. Nothing is done per message: a timer
 * notes the next delivery tag, so that a delivery's tag tells between which marks it was made.
 */
export class DeliveryAckTimeouts {
  readonly #unacknowledged: Unacknowledged;
  readonly #defaultMs: number;
  readonly #watched = new Map<Consumer, Watched>();
  /** Delivery tags that timed out and were requeued: an acknowledgement that comes later is ignored. */
  #forgiven = NONE_FORGIVEN;

  /** `defaultMs`: for queues without a timeout of their own. Infinity: none. */
  constructor(unacknowledged: Unacknowledged, defaultMs: number) {
    this.#unacknowledged = unacknowledged;
    this.#defaultMs = defaultMs;
  }

  /** The consumer's timeout now, as a policy may change it; Infinity for none. */
  limitMs(consumer: Consumer): number {
    if (consumer.noAck) return Number.POSITIVE_INFINITY;
    return consumer.queue.settings.consumerTimeoutMs ?? this.#defaultMs;
  }

  /** A consumer that was cancelled stays watched until its deliveries are settled or have timed out. */
  watch(consumer: Consumer): void {
    if (this.limitMs(consumer) === Number.POSITIVE_INFINITY || this.#watched.has(consumer)) return;
    this.#watched.set(consumer, { marks: [], isComplete: false });
  }

  /** For a timer. Returns the consumers with a delivery that is unacknowledged beyond their timeout. */
  check(nowMs: number): Iterable<Consumer> {
    if (this.#watched.size === 0) return [];
    const limits = new Map<Consumer, number>();
    for (const [consumer, watched] of this.#watched) {
      const limitMs = this.limitMs(consumer);
      if (!watched.isComplete) this.#mark(consumer, watched, nowMs, limitMs / MARKS_PER_TIMEOUT);
      const expired = newestBefore(watched.marks, nowMs - limitMs);
      if (expired === null) continue;
      limits.set(consumer, expired.tag);
      if (watched.isComplete && watched.marks.length === 1) this.#watched.delete(consumer);
    }
    return this.#unacknowledged.holdersBelow(limits);
  }

  /** These delivery tags were requeued by us; the client may not know yet. */
  forgive(tags: readonly number[]): void {
    if (this.#forgiven === NONE_FORGIVEN) this.#forgiven = new Set();
    for (const tag of tags) this.#forgiven.add(tag);
    for (const tag of this.#forgiven) {
      if (this.#forgiven.size <= FORGIVEN_MAX) break;
      this.#forgiven.delete(tag);
    }
  }

  isForgiven(tag: number): boolean {
    return this.#forgiven.has(tag);
  }

  #mark({ isActive }: Consumer, watched: Watched, nowMs: number, intervalMs: number): void {
    const last = watched.marks.at(-1);
    watched.isComplete = !isActive;
    if (isActive && last !== undefined && nowMs - last.atMs < intervalMs) return;
    watched.marks.push({ atMs: nowMs, tag: this.#unacknowledged.nextTag });
  }
}

/** The newest mark at or before `atMs`; null if there is none. Older ones are dropped. */
function newestBefore(marks: Mark[], atMs: number): Mark | null {
  let count = 0;
  while (count < marks.length && marks[count].atMs <= atMs) count++;
  if (count === 0) return null;
  marks.splice(0, count - 1);
  return marks[0];
}
