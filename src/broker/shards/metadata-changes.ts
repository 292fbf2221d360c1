import { isAccessOperation } from '../access/operations.ts';

const OF_TOPOLOGY = /^\{"op":"(vhost|exchange|queue|binding|policy|operator-policy)\./;
const BEGINNING_BYTES = 40;

/**
 * Whether an operation in the journal of shard 0 is one that all shards follow. Those are counted, from the beginning of the data
 * directory: by that number a shard knows whether shard 0 has all that it had.
 */
export function isMetadataChange(bytes: Buffer): boolean {
  return OF_TOPOLOGY.test(bytes.toString('latin1', 0, BEGINNING_BYTES)) || isAccessOperation(bytes);
}
