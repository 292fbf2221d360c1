/** `node_id` of shard 0, which is the controller and coordinates all groups and transactions. */
export const NODE_ID = 1;

/** Each shard is a broker of its own to Kafka's clients. */
export function nodeIdOf(shard: number): number {
  return NODE_ID + shard;
}
