import { type AnyPartition, ownPartitions, remotePartitions } from './any-partition.ts';
import type { Partition } from './partition.ts';
import type { ToldPartition } from './partition-homes.ts';
import type { PartitionOffsets } from './readable-partition.ts';

/** What shards tell each other, and an administrator, of a partition; as JSON has it. */
export type PartitionFigures = { readonly [field in keyof PartitionOffsets]: PartitionOffsets[field] } & {
  /** In segments and in memory. */
  readonly bytes: number;
};

/** By the ids of the partitions' logs, without those that are gone. */
export type FiguresById = ReadonlyMap<number, PartitionFigures>;

/** Asks the shards of partitions: one question for each shard. */
export interface FiguresElsewhere {
  figures(partitions: readonly ToldPartition[]): Promise<FiguresById>;
}

export function figuresOf(partition: Partition): PartitionFigures {
  const { startOffset, highWatermark, lastStableOffset, endOffset, recoveredEnd, isCorrupt, bytes } =
    partition;
  return { startOffset, highWatermark, lastStableOffset, endOffset, recoveredEnd, isCorrupt, bytes };
}

/** `elsewhere` is null with one shard. */
export async function figuresOfAll(
  partitions: readonly AnyPartition[],
  elsewhere: FiguresElsewhere | null,
): Promise<FiguresById> {
  const figures = new Map(ownPartitions(partitions).map((each) => [each.id, figuresOf(each)]));
  const remote = remotePartitions(partitions);
  if (elsewhere === null || remote.length === 0) return figures;
  for (const [id, each] of await elsewhere.figures(remote)) figures.set(id, each);
  return figures;
}
