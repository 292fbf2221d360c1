/** Where a partition is: the id of its log, which is never used again, and the shard that has it. */
export interface PartitionPlace {
  readonly id: number;
  readonly shard: number;
}

/** Partitions as operations name them: `shards` is left out where all of them are in shard 0. */
export interface NamedPlaces {
  /** Ids of logs. */
  readonly partitions: readonly number[];
  readonly shards?: readonly number[];
}

export function placesOf({ partitions, shards }: NamedPlaces): PartitionPlace[] {
  return partitions.map((id, index) => ({ id, shard: shards?.[index] ?? 0 }));
}

export function namedPlaces(places: readonly PartitionPlace[]): NamedPlaces {
  const partitions = places.map(({ id }) => id);
  if (places.every(({ shard }) => shard === 0)) return { partitions };
  return { partitions, shards: places.map(({ shard }) => shard) };
}
