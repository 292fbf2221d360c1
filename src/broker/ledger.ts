import { Histogram } from './histogram.ts';

/**
 * Where every message of a queue went. At any time:
 *
 *     routed + recovered = acknowledged + purged + lost + ready + unacknowledged
 */
export class Ledger {
  /** Messages that were routed to the queue since the broker started. */
  routed = 0;
  /** Messages that were found in the queue at the start. */
  recovered = 0;
  /** Acknowledged by a consumer, rejected for good, or delivered to one that does not acknowledge. */
  acknowledged = 0;
  /** Removed by a purge. */
  purged = 0;
  /** Could not be read back: their segment was damaged and cut. */
  lost = 0;
  /** Deliveries, those of the same message again included. */
  delivered = 0;
  redelivered = 0;
  readonly publishToDeliver = new Histogram();
  readonly publishToAck = new Histogram();
}
