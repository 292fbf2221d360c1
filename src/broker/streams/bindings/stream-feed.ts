import type { Work } from '../../../base/turn-time.ts';
import type { AnyQueue } from '../../queues/any-queue.ts';
import type { Shard } from '../../shard/shard.ts';
import type { Binding, Exchange } from '../../topology/exchange.ts';
import { type OffsetSpecification, offsetSpecification } from '../../topology/offset-specification.ts';
import { REPLAY_ARGUMENT } from '../../topology/stream-commands.ts';
import type { VirtualHost } from '../../topology/virtual-host.ts';
import type { VirtualHosts } from '../../topology/virtual-hosts.ts';
import type { AnyPartition } from '../any-partition.ts';
import type { PartitionOffsets } from '../readable-partition.ts';
import type { BindingPosition } from './binding-state.ts';
import type { BindingStates } from './binding-states.ts';
import type { FeedBatch } from './feed-batch.ts';
import { encodeFeedOperation, type FeedOperation } from './feed-operations.ts';
import type { FeedScheduler } from './feed-scheduler.ts';
import { PartitionFeed } from './partition-feed.ts';
import type { StreamExchange } from './stream-exchange.ts';

/** What the feeds of all streams have in common. */
export interface StreamFeedDeps {
  readonly shard: Shard;
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly states: BindingStates;
  readonly batch: FeedBatch;
  readonly scheduler: FeedScheduler;
}

/** In place of an offset, of a partition of another shard: its end, which is asked for. */
const AT_THE_END = -1;

/** The partition feeds of one stream; there are none while its exchange has neither bindings nor an alternate exchange. */
export class StreamFeed {
  readonly streamExchange: StreamExchange;
  readonly #deps: StreamFeedDeps;
  /** By partition, the next offset when its feed was stopped, or `AT_THE_END`; 0 where there is none. */
  #fed: number[] = [];
  /** By partition. */
  readonly #feeds = new Map<number, PartitionFeed>();
  #isOn = false;

  constructor(streamExchange: StreamExchange, deps: StreamFeedDeps) {
    this.streamExchange = streamExchange;
    this.#deps = deps;
  }

  fed(partition: number): number {
    return this.#feeds.get(partition)?.fed ?? this.#fed[partition] ?? 0;
  }

  /** At recovery. */
  restore(partition: number, fed: number): void {
    this.#fed[partition] = fed;
  }

  /** Messages that have not gone through the bindings yet. */
  get unfedCount(): number {
    let count = 0;
    for (const feed of this.#feeds.values()) count += Math.max(0, feed.unfedCount);
    return count;
  }

  /** Where partitions of other shards are was asked for just before. */
  bindingAdded(binding: Binding<AnyQueue>): void {
    const { states, shard } = this.#deps;
    const { stream } = this.streamExchange;
    // What was published in this turn was published before.
    shard.store.flushAccumulator();
    if (!this.#isOn) this.#beginAtTheEnd();
    this.#findEnds();
    const args = binding.arguments;
    const wanted = Object.hasOwn(args, REPLAY_ARGUMENT) ? args[REPLAY_ARGUMENT] : 'next';
    const point = offsetSpecification(wanted, shard.nowMs) ?? { kind: 'next' };
    const positions = stream.partitions.map((partition) => this.#positionOf(binding, partition, point));
    const operation = states.add(stream.id, binding, positions);
    if (operation !== null) this.#record(operation);
    for (const feed of this.#feeds.values()) feed.added(binding);
    this.refresh(false);
  }

  bindingRemoved(binding: Binding<AnyQueue>): void {
    const state = this.#deps.states.remove(this.streamExchange.stream.id, binding);
    if (state?.isDurable === true) this.#record({ op: 'view.unbind', n: state.number });
    for (const feed of this.#feeds.values()) feed.removed(binding);
    this.refresh(false);
  }

  /** Bindings, partitions or the alternate exchange may be others. At the start feeding goes on where it was. */
  refresh(isStart: boolean): void {
    const { stream } = this.streamExchange;
    const vhost = this.#deps.vhosts.get(stream.vhost);
    const exchange = vhost?.findExchange(stream.name);
    if (vhost === undefined || exchange === undefined || exchange.stream !== this.streamExchange) return;
    if (exchange.outbound.size === 0) {
      if (exchange.alternate === null) {
        this.stop();
        return;
      }
      // The alternate exchange gets what comes from here on, as a binding does.
      if (!this.#isOn && !isStart) this.#beginAtTheEnd();
    }
    this.#isOn = true;
    for (const partition of stream.partitions) {
      const { index } = partition;
      if (this.#feeds.has(index) || this.#fed[index] === AT_THE_END) continue;
      this.#feeds.set(index, this.#feedOf(partition, vhost, exchange, isStart));
    }
    if (this.#fed.includes(AT_THE_END))
      this.#deps.shard.inBackground(this.#askForEnds(), `to find where stream '${stream.name}' ends`);
  }

  stop(): void {
    for (const [index, feed] of this.#feeds) {
      this.#fed[index] = feed.fed;
      feed.stop();
    }
    this.#feeds.clear();
    this.#isOn = false;
  }

  /** For the first binding: it gets what is published from here on. */
  #beginAtTheEnd(): void {
    const { id, partitions } = this.streamExchange.stream;
    this.#deps.shard.store.flushAccumulator();
    this.#fed = partitions.map(({ isRemote, endOffset }) => (isRemote ? AT_THE_END : endOffset));
    for (const [p, to] of this.#fed.entries()) this.#record({ op: 'view.fed', id, p, to });
  }

  *#askForEnds(): Work<void> {
    yield* this.streamExchange.askOffsets();
    if (!this.#isOn || this.streamExchange.stream.isRemoved) return;
    this.#findEnds();
    this.refresh(false);
  }

  /** Partitions of other shards have been asked. */
  #findEnds(): void {
    const { id, partitions } = this.streamExchange.stream;
    for (const { index: p, endOffset: to } of partitions) {
      if (this.#fed[p] !== AT_THE_END) continue;
      this.#fed[p] = to;
      this.#record({ op: 'view.fed', id, p, to });
    }
  }

  /** Below the feed's offset the binding needs a replay; the offset of a timestamp is searched first. */
  #positionOf(
    binding: Binding<AnyQueue>,
    partition: AnyPartition,
    point: OffsetSpecification,
  ): BindingPosition {
    const fed = this.fed(partition.index);
    // Where one binding is chosen for each message, the new one may be it from now on: nobody else takes the message.
    const isChosen = binding.source.router.choose !== undefined;
    const start = point.kind === 'next' && isChosen ? fed : startIn(partition, point);
    if (point.kind === 'time') return { from: partition.endOffset, replay: start, sinceMs: point.timeMs };
    if (start < fed) return { from: partition.endOffset, replay: start, sinceMs: null };
    return { from: start, replay: null, sinceMs: null };
  }

  #feedOf(
    partition: AnyPartition,
    vhost: VirtualHost<AnyQueue>,
    exchange: Exchange<AnyQueue>,
    isRestored: boolean,
  ): PartitionFeed {
    const { shard, states, batch, scheduler } = this.#deps;
    const { name, id } = partition.stream;
    return new PartitionFeed(
      {
        shard,
        vhost,
        exchange,
        partition,
        batch,
        scheduler,
        isRestored,
        stateOf: (binding) => states.get(id, binding),
        record: (operation) => this.#record(operation),
        onUnreadable: (offset) =>
          shard.log.warn(
            { stream: name, vhost: vhost.name, partition: partition.index, offset },
            'records of a stream cannot be read, and do not reach the queues that are bound to it',
          ),
      },
      this.#fed[partition.index] ?? 0,
    );
  }

  #record(operation: FeedOperation): void {
    this.#deps.shard.record(encodeFeedOperation(operation));
  }
}

/** For a timestamp: the lowest offset that it can have. */
function startIn({ startOffset, endOffset }: PartitionOffsets, point: OffsetSpecification): number {
  if (point.kind === 'first' || point.kind === 'time') return startOffset;
  if (point.kind === 'last') return Math.max(startOffset, endOffset - 1);
  if (point.kind === 'offset') return Math.max(startOffset, point.offset);
  return endOffset;
}
