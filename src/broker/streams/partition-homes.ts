import type { PartitionOffsets, PartitionSlice } from './readable-partition.ts';

/** A partition of another shard, as it is asked for. */
export interface ToldPartition {
  /** Of its log. */
  readonly id: number;
  readonly shard: number;
  /** Its shard says how far it goes; null if it is gone there. */
  told(offsets: PartitionOffsets | null): void;
}

/** Reads partitions of other shards. */
export interface PartitionReads {
  /** Tells the partition its offsets now and whenever they change, or not any more. */
  listen(partition: ToldPartition, isOn: boolean): void;
  /** As `ReadablePartition.read`, below the last stable offset. */
  read(partition: ToldPartition, from: number, bytesMax: number): Promise<PartitionSlice>;
  /** So many bytes of what was read are let go. */
  release(bytes: number): void;
  /** As `offsetAtTime`. */
  offsetAtTime(partition: ToldPartition, timeMs: number): Promise<number>;
  /** Resolves when each of them is told where it is now, what its shard was sent before included. */
  ask(partitions: readonly ToldPartition[]): Promise<void>;
}

/** What is known here of the shards that have other partitions, and how these are read. */
export interface PartitionHomes {
  /** The leader epoch of all partitions of a shard; null while that shard has not begun. */
  epochOf(shard: number): number | null;
  readonly reads: PartitionReads;
}
