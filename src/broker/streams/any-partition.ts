import type { Partition } from './partition.ts';
import type { RemotePartition } from './remote-partition.ts';

/** A partition of this shard, or of another one. */
export type AnyPartition = Partition | RemotePartition;

/** The partition, if its log is in this shard. */
export function ownPartition(partition: AnyPartition | undefined): Partition | undefined {
  return partition === undefined || partition.isRemote ? undefined : partition;
}

/** Those of this shard. */
export function ownPartitions(partitions: readonly AnyPartition[]): Partition[] {
  return partitions.filter((each): each is Partition => !each.isRemote);
}

/** Those of other shards. */
export function remotePartitions(partitions: readonly AnyPartition[]): RemotePartition[] {
  return partitions.filter((each): each is RemotePartition => each.isRemote);
}
