import { Histogram } from '../../base/histogram.ts';

/**
 * Where every message of a queue went. At any time, with the two counts of `QueueDepth` and those of the dead-letter
 * outbox (leaving) and of delayed retry (retrying):
 *
 *     routed + recovered = acknowledged + expired + dropped + deadLettered + purged + lost
 *                          + ready + unacknowledged + leaving + retrying
 *
 * What a queue refuses, or drops as a duplicate, is not routed to it.
 */
export class Ledger {
  /** Messages that were routed to the queue since the broker started. */
  routed = 0;
  /** Messages that were found in the queue at the start. */
  recovered = 0;
  /** Acknowledged by a consumer, or delivered to one that does not acknowledge. */
  acknowledged = 0;
  /** Waited for too long, and there is no dead-letter exchange. */
  expired = 0;
  /** Rejected for good, failed too often, or too many, and there is no dead-letter exchange. */
  dropped = 0;
  /** Went to the dead-letter exchange, wherever that led. */
  deadLettered = 0;
  /** Removed by a purge. */
  purged = 0;
  /** Could not be read back: their segment was damaged and cut. */
  lost = 0;
  /** Deliveries, those of the same message again included. */
  delivered = 0;
  redelivered = 0;
  /** Publications that were refused because the queue was full. */
  refused = 0;
  /** Publications that the queue had taken before, where it deduplicates. */
  duplicates = 0;
  readonly publishToDeliver = new Histogram();
  readonly publishToAck = new Histogram();

  /** All messages that came. */
  get begun(): number {
    return this.routed + this.recovered;
  }

  /** All messages that are gone, whichever way. */
  get ended(): number {
    return this.acknowledged + this.expired + this.dropped + this.deadLettered + this.purged + this.lost;
  }
}

/** Of messages: how many, and the bytes of their bodies. */
export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

/**
 * The messages that a queue has now. Only the queue and its own parts call the verbs, with the bytes that a message has in
 * the log: nothing that a consumer's sink returns gets in here.
 */
export class QueueDepth {
  #ready = 0;
  #readyBytes = 0;
  #unacknowledged = 0;

  get ready(): number {
    return this.#ready;
  }

  /** Bytes of the bodies of the ready messages. After a restart an estimate where they are in segments. */
  get readyBytes(): number {
    return this.#readyBytes;
  }

  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  /** What a ready message has on average: for one whose body cannot be looked at. */
  get averageBytes(): number {
    return this.#readyBytes / this.#ready;
  }

  recovered(count: number, bytes: number): void {
    this.#ready = count;
    this.#readyBytes = bytes;
  }

  published(bodyBytes: number): void {
    this.#ready++;
    this.#readyBytes += bodyBytes;
  }

  /** From ready to unacknowledged. */
  delivered(bodyBytes: number): void {
    this.#ready--;
    this.#readyBytes -= bodyBytes;
    this.#unacknowledged++;
  }

  /** No longer unacknowledged: acknowledged, rejected or given back. */
  settled(): void {
    this.#unacknowledged--;
  }

  /** Ready again. */
  returned(bodyBytes: number): void {
    this.#ready++;
    this.#readyBytes += bodyBytes;
  }

  /** A ready message left without a delivery. */
  discarded(bodyBytes: number): void {
    this.#ready--;
    this.#readyBytes -= bodyBytes;
  }

  /** So many messages of average size, for those whose bodies cannot be looked at. */
  discardedUnread(count: number): void {
    if (count === 0) return;
    this.#readyBytes -= this.averageBytes * count;
    this.#ready -= count;
  }

  /** Nothing is ready any more. */
  purged(): void {
    this.#ready = 0;
    this.#readyBytes = 0;
  }

  /** The last estimate ends when there is nothing that it could be of. */
  dropEstimate(): void {
    if (this.#ready === 0) this.#readyBytes = 0;
  }

  /** The queue is gone. */
  clear(): void {
    this.purged();
    this.#unacknowledged = 0;
  }
}
