import type { PartitionOwner } from './partition-owner.ts';
import type { PartitionPlace } from './partition-place.ts';

/** What is known here of the shards that have other partitions. */
export interface PartitionHomes {
  /** The leader epoch of all partitions of a shard; null while that shard has not begun. */
  epochOf(shard: number): number | null;
}

/** A partition whose log is in another shard. */
export class RemotePartition {
  readonly isRemote = true;
  readonly stream: PartitionOwner;
  readonly index: number;
  readonly id: number;
  readonly shard: number;
  readonly #homes: PartitionHomes;

  constructor(stream: PartitionOwner, index: number, { id, shard }: PartitionPlace, homes: PartitionHomes) {
    this.stream = stream;
    this.index = index;
    this.id = id;
    this.shard = shard;
    this.#homes = homes;
  }

  get leaderEpoch(): number | null {
    return this.#homes.epochOf(this.shard);
  }

  /** Its shard removes the log. */
  remove(): void {}
}
