import type { Work } from '../../base/turn-time.ts';
import type { ObjectAccount } from '../budget/object-account.ts';
import { type AnyPartition, ownPartition, ownPartitions } from './any-partition.ts';
import { Partition, type PartitionContext } from './partition.ts';
import type { PartitionPlace } from './partition-place.ts';
import { RemotePartition } from './remote-partition.ts';
import { resolveSettings, type StreamSettings } from './stream-settings.ts';

/** Partitioned record batches that are kept for a time, whoever has read them. */
export class Stream {
  readonly vhost: string;
  readonly name: string;
  /** A UUID, base64url without padding: a stream that is made again under the same name has another one. */
  readonly id: string;
  /** Of the user who made it; null if that is not known. */
  readonly account: ObjectAccount | null;
  isRemoved = false;
  /** Its exchange takes messages from bindings alone: clients append nothing themselves. */
  isInternal = false;
  readonly #partitions: AnyPartition[] = [];
  readonly #otherShards: number[] = [];
  readonly #context: PartitionContext;
  readonly #defaults: () => ReadonlyMap<string, string>;
  #configs: ReadonlyMap<string, string>;
  /** Null until somebody asks. */
  #settings: StreamSettings | null = null;

  constructor(
    spec: {
      readonly vhost: string;
      readonly name: string;
      readonly id: string;
      readonly account?: ObjectAccount | null;
    },
    places: readonly PartitionPlace[],
    configs: ReadonlyMap<string, string>,
    context: PartitionContext,
    defaults: () => ReadonlyMap<string, string>,
  ) {
    this.vhost = spec.vhost;
    this.name = spec.name;
    this.id = spec.id;
    this.account = spec.account ?? null;
    this.#context = context;
    this.#configs = configs;
    this.#defaults = defaults;
    this.extend(places);
  }

  get partitions(): readonly AnyPartition[] {
    return this.#partitions;
  }

  /** Those of this shard, in order; with one shard, all. */
  get ownPartitions(): Partition[] {
    return ownPartitions(this.#partitions);
  }

  /** The other shards that have partitions of it; none with one shard. */
  get otherShards(): readonly number[] {
    return this.#otherShards;
  }

  /** The partition, which is one of this shard. @throws RangeError if it is not */
  own(index: number): Partition {
    const partition = ownPartition(this.#partitions[index]);
    if (partition !== undefined) return partition;
    throw new RangeError(`stream '${this.name}' has no partition ${index} in this shard`);
  }

  /** What was set for this stream, by Kafka's names. */
  get configs(): ReadonlyMap<string, string> {
    return this.#configs;
  }

  /** What holds, with what was set for it, what was set for the broker, and what is usual. */
  get settings(): StreamSettings {
    this.#settings ??= resolveSettings(this.#configs, this.#defaults());
    return this.#settings;
  }

  configure(configs: ReadonlyMap<string, string>): void {
    this.#configs = configs;
    this.#settings = null;
  }

  /** Something else is set for the broker. */
  defaultsChanged(): void {
    this.#settings = null;
  }

  extend(places: readonly PartitionPlace[]): void {
    for (const place of places) this.join([this.newPartition(this.#partitions.length, place)]);
  }

  /** One that is no part of the stream until `join`. */
  newPartition(index: number, place: PartitionPlace): AnyPartition {
    const { shards } = this.#context;
    if (shards === undefined || place.shard === shards.own)
      return new Partition(this, index, place, this.#context);
    return new RemotePartition(this, index, place, shards, this.#context.store.state.opener);
  }

  /** The partitions that come next, in their order. */
  join(partitions: readonly AnyPartition[]): void {
    for (const partition of partitions) {
      this.#partitions.push(partition);
      const { isRemote, shard } = partition;
      if (isRemote && !this.#otherShards.includes(shard)) this.#otherShards.push(shard);
    }
  }

  /** A partition of this shard was moved: it is removed here. */
  movedAway(partition: Partition, shard: number): void {
    const { index, id } = partition;
    if (this.#partitions[index] !== partition) throw new Error(`partition ${index} is not here`);
    partition.remove();
    this.#partitions[index] = this.newPartition(index, { id, shard });
  }

  /** Nothing of it can be found any more; its partitions are removed in the steps of the work. */
  *remove(): Work<void> {
    this.isRemoved = true;
    for (const partition of this.#partitions) {
      partition.remove();
      yield;
    }
  }
}
