import { Histogram } from '../../base/histogram.ts';

/**
 * Where the delayed messages of a virtual host went. At any time:
 *
 *     accepted + recovered = routed + unroutable + dropped + lost + moved + waiting
 */
export class DelayLedger {
  /** Messages that began to wait since the broker started. */
  accepted = 0;
  /** Messages that were found waiting at the start. */
  recovered = 0;
  /** Their time came, and they are in a queue. */
  routed = 0;
  /** Their time came, and no queue wanted them. */
  unroutable = 0;
  /** Their time came, and their exchange was gone. */
  dropped = 0;
  /** Could not be read back: their segment was damaged and cut. */
  lost = 0;
  /** They wait in another shard, as this one goes away. */
  moved = 0;
  /** How much later than their time they were routed. */
  readonly lateness = new Histogram();
}
