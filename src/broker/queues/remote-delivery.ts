/**
 * Where deliveries come from that a consumer here has of a queue of another shard: a `DeliverySource` whose settlements go there. A tx
 * settles them through the outbox instead, in its own block.
 */
export interface RemoteDelivery {
  readonly shard: number;
  /** The number of the consumer's session in that shard; 0 for what basic.get has. */
  readonly session: number;
  /** Of the message that is being handed on: its log there, and its offset in that. */
  readonly logId: number;
  readonly offset: number;
}

/** A delivery of a queue of another shard: what that shard calls it, and where the message is. */
export interface RemoteDelivered {
  readonly shard: number;
  readonly session: number;
  readonly tag: number;
  readonly logId: number;
  readonly offset: number;
  /** Milliseconds since the epoch: an offset whose message was lost in a crash may have been given to another one. */
  readonly publishedMs: number;
}
