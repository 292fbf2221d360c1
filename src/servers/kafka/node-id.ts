/** `node_id` of shard 0, which is the controller and coordinates all groups and transactions. */
export const NODE_ID = 1;

/** Each shard is a broker of its own to Kafka's clients. */
export function nodeIdOf(shard: number): number {
  return NODE_ID + shard;
}

/** The shard that is the broker with this id; null if none of so many is. */
export function shardOfNode(nodeId: number, shards: number): number | null {
  const shard = nodeId - NODE_ID;
  return Number.isInteger(shard) && shard >= 0 && shard < shards ? shard : null;
}
