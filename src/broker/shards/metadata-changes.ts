import { isAccessOperation } from '../access/operations.ts';

const OF_TOPOLOGY =
  /^\{"op":"(vhost|exchange|queue|binding|policy|operator-policy|broker-config|group-config|share-group|cluster)\./;
const OF_STREAMS = /^\{"op":"stream\.(create|delete|extend|configure)"/;
const BEGINNING_BYTES = 40;

/**
 * Whether an operation in the journal of shard 0 is one that all shards follow. Those are counted, from the beginning of the data
 * directory: by that number a shard knows whether shard 0 has all that it had.
 */
export function isMetadataChange(bytes: Buffer): boolean {
  const beginning = bytes.toString('latin1', 0, BEGINNING_BYTES);
  return OF_TOPOLOGY.test(beginning) || OF_STREAMS.test(beginning) || isAccessOperation(bytes);
}
