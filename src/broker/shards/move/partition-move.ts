import type { Store } from '../../../log/store.ts';
import { copyStreamLog } from '../../../log/streams/copy-stream-log.ts';
import { ownPartition } from '../../streams/any-partition.ts';
import type { Partition } from '../../streams/partition.ts';
import { PartitionPlacement } from '../../streams/partition-placement.ts';
import type { RemotePartition } from '../../streams/remote-partition.ts';
import type { Stream } from '../../streams/stream.ts';
import { type Streams, takenState } from '../../streams/streams.ts';
import type { HeldShard } from './held-shard.ts';
import type { Movable } from './movable.ts';

/** A partition that leaves its shard for another one. */
export interface PlannedPartitionMove {
  readonly stream: Stream;
  /** As shard 0 has it. */
  readonly partition: RemotePartition;
  readonly to: number;
}

/** Where the partitions go of shards that go away, with `count` that remain: as new ones would be placed. By the shards that they leave. */
export function planPartitionMoves(streams: Streams, count: number): readonly PlannedPartitionMove[] {
  const placement = new PartitionPlacement(count);
  for (const { shard } of streams.allPartitions()) if (shard < count) placement.changed(shard, 1);
  const moves: PlannedPartitionMove[] = [];
  for (const stream of streams) {
    for (const partition of stream.partitions) {
      if (!partition.isRemote || partition.shard < count) continue;
      const [to] = placement.place(1);
      placement.changed(to, 1);
      moves.push({ stream, partition, to });
    }
  }
  return moves.sort((a, b) => a.partition.shard - b.partition.shard);
}

/**
 * A partition of a stream on its way from shard to shard. Its leader epoch is that of its shard, which grows with each start: that of
 * the shard that takes it is raised to that of the one that it leaves, so that no client sees a lower one.
 */
export class PartitionMove implements Movable {
  readonly from: number;
  readonly to: number;
  readonly id: number;
  readonly epoch: number;
  readonly #shards: readonly HeldShard[];
  readonly #stream: Stream;
  readonly #named: RemotePartition;
  readonly #partition: Partition;

  constructor(shards: readonly HeldShard[], { stream, partition, to }: PlannedPartitionMove) {
    this.from = partition.shard;
    this.to = to;
    this.id = partition.id;
    this.#shards = shards;
    this.#named = partition;
    const source = shards[this.from];
    this.epoch = source.shard.store.epoch;
    const own = source.streams.byId(stream.id);
    const found = ownPartition(own?.partitions[partition.index]);
    if (own === undefined || found?.id !== this.id)
      throw new Error(`shard ${this.from} does not have ${this.title}, which the metadata says it has`);
    this.#stream = own;
    this.#partition = found;
  }

  get title(): string {
    const { stream, index } = this.#named;
    return `partition ${index} of stream '${stream.name}' in vhost '${stream.vhost}'`;
  }

  get newLogIds(): readonly number[] {
    return [this.id];
  }

  get bytes(): number {
    return this.#partition.bytes;
  }

  async copy(store: Store, target: Store, onCopied: (bytes: number) => void): Promise<void> {
    await copyStreamLog({ store, log: this.#partition.log }, target, onCopied);
  }

  take(): void {
    const [source, target] = [this.#shards[this.from], this.#shards[this.to]];
    const { parts } = target.moved.taken;
    parts.push(textOf(takenState(this.#partition)));
    for (const operation of source.shareGroups.takenBy(target.shareGroups, this.#partition))
      parts.push(textOf(operation));
  }

  nameNewPlace(): void {
    this.#named.shard = this.to;
  }

  remove(): void {
    this.#stream.movedAway(this.#partition, this.to);
  }
}

function textOf(operation: Uint8Array): string {
  return Buffer.from(operation).toString('utf8');
}
