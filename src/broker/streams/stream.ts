import type { Work } from '../../base/turn-time.ts';
import type { ObjectAccount } from '../budget/object-account.ts';
import { Partition, type PartitionContext } from './partition.ts';
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
  readonly #partitions: Partition[] = [];
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
    partitionIds: readonly number[],
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
    this.extend(partitionIds);
  }

  get partitions(): readonly Partition[] {
    return this.#partitions;
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

  extend(partitionIds: readonly number[]): void {
    for (const id of partitionIds) this.#partitions.push(this.newPartition(this.#partitions.length, id));
  }

  /** One that is no part of the stream until `join`. */
  newPartition(index: number, id: number): Partition {
    return new Partition(this, index, id, this.#context);
  }

  /** The partitions that come next, in their order. */
  join(partitions: readonly Partition[]): void {
    for (const partition of partitions) this.#partitions.push(partition);
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
