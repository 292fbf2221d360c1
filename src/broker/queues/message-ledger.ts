import { Histogram } from '../../base/histogram.ts';

/**
 * Where every message of a queue went. At any time:
 *
 *     routed + recovered = acknowledged + expired + dropped + deadLettered + purged + lost
 *                          + ready + unacknowledged + leaving + retrying
 *
 * What a queue refuses, or swallows as a duplicate, is not routed to it.
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
  /** Publications that the queue had seen already. */
  duplicates = 0;
  readonly publishToDeliver = new Histogram();
  readonly publishToAck = new Histogram();

  /** All that ever came. */
  get begun(): number {
    return this.routed + this.recovered;
  }

  /** All that is gone, whichever way. */
  get ended(): number {
    return this.acknowledged + this.expired + this.dropped + this.deadLettered + this.purged + this.lost;
  }
}
