/**
 * Where deliveries come from that a consumer here has of a queue of another shard: a `DeliverySource` whose settlements go there. A tx
 * settles them through the outbox instead, in its own block.
 */
export interface RemoteDelivery {
  readonly shard: number;
  /** The number of the consumer's session in that shard. */
  readonly session: number;
  /** The log of the message, and its offset there: `tag` is what the source was given to settle the delivery by. */
  logIdOf(tag: number): number;
  offsetOf(tag: number): number;
  /** The delivery is settled by a tx: the session has it no more, and nothing is sent. */
  settledByTx(tag: number): void;
}
