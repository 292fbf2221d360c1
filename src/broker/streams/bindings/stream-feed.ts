import type { Value } from '../../../base/value.ts';
import type { Broker } from '../../broker.ts';
import type { Queue } from '../../queues/queue.ts';
import type { Binding, Exchange } from '../../topology/exchange.ts';
import { type OffsetSpecification, offsetSpecification } from '../../topology/offset-specification.ts';
import { REPLAY_ARGUMENT } from '../../topology/stream-commands.ts';
import type { VirtualHost } from '../../topology/virtual-host.ts';
import type { Partition } from '../partition.ts';
import type { BindingPosition } from './binding-state.ts';
import type { BindingStates } from './binding-states.ts';
import type { FeedBatch } from './feed-batch.ts';
import { encodeFeedOperation, type FeedOperation } from './feed-operations.ts';
import type { FeedScheduler } from './feed-scheduler.ts';
import { PartitionFeed } from './partition-feed.ts';
import type { StreamExchange } from './stream-exchange.ts';

/** What all streams have in common for this. */
export interface StreamFeedDeps {
  readonly broker: Broker;
  readonly states: BindingStates;
  readonly feeding: FeedBatch;
  readonly queue: FeedScheduler;
}

/** Takes what is in one stream to where its exchange leads, while that leads anywhere. */
export class StreamFeed {
  readonly view: StreamExchange;
  readonly #deps: StreamFeedDeps;
  /** How far each partition was fed when it last was; an absent one from its start. */
  #fed: number[] = [];
  /** By partition; none while there is nowhere to take messages to. */
  #feeders: PartitionFeed[] = [];

  constructor(view: StreamExchange, deps: StreamFeedDeps) {
    this.view = view;
    this.#deps = deps;
  }

  fed(partition: number): number {
    return this.#feeders[partition]?.fed ?? this.#fed[partition] ?? 0;
  }

  /** At recovery. */
  restore(partition: number, fed: number): void {
    this.#fed[partition] = fed;
  }

  /** How many messages have not gone through the bindings yet. */
  get unfedCount(): number {
    let count = 0;
    for (const feeder of this.#feeders) count += Math.max(0, feeder.unfedCount);
    return count;
  }

  /** A binding is new. */
  bindingAdded(binding: Binding<Queue>): void {
    const { states, broker } = this.#deps;
    const { stream } = this.view;
    // What was published in this turn was published before.
    broker.store.settleGathered();
    if (this.#feeders.length === 0) this.#beginAtTheEnd();
    const args = binding.arguments;
    const wanted = Object.hasOwn(args, REPLAY_ARGUMENT) ? (args[REPLAY_ARGUMENT] as Value) : 'next';
    const point = offsetSpecification(wanted, broker.turn.nowMs) ?? { kind: 'next' };
    const positions = stream.partitions.map((partition) => this.#positionOf(binding, partition, point));
    const operation = states.add(stream.id, binding, positions);
    if (operation !== null) this.#record(operation);
    for (const feeder of this.#feeders) feeder.added(binding);
    this.refresh(false);
  }

  bindingRemoved(binding: Binding<Queue>): void {
    const state = this.#deps.states.remove(this.view.stream.id, binding);
    if (state?.isDurable === true) this.#record({ op: 'view.unbind', n: state.number });
    for (const feeder of this.#feeders) feeder.removed(binding);
    this.refresh(false);
  }

  /** Bindings, partitions or the alternate exchange may be others. At the start feeding goes on where it was. */
  refresh(isStart: boolean): void {
    const { stream } = this.view;
    const vhost = this.#deps.broker.vhost(stream.vhost);
    const exchange = vhost?.findExchange(stream.name);
    if (vhost === undefined || exchange === undefined || exchange.stream !== this.view) return;
    if (exchange.outbound.size === 0) {
      if (exchange.alternate === null) {
        this.stop();
        return;
      }
      // The alternate exchange gets what comes from here on, as a binding does.
      if (this.#feeders.length === 0 && !isStart) this.#beginAtTheEnd();
    }
    for (const partition of stream.partitions) {
      this.#feeders[partition.index] ??= this.#feederOf(partition, vhost, exchange);
    }
  }

  stop(): void {
    for (const [index, feeder] of this.#feeders.entries()) {
      this.#fed[index] = feeder.fed;
      feeder.stop();
    }
    this.#feeders = [];
  }

  /** There was nobody to feed until now. */
  #beginAtTheEnd(): void {
    const { id, partitions } = this.view.stream;
    this.#deps.broker.store.settleGathered();
    this.#fed = partitions.map(({ endOffset }) => endOffset);
    for (const [p, to] of this.#fed.entries()) this.#record({ op: 'view.fed', id, p, to });
  }

  /** Behind what was fed, the binding has to catch up; and where a time leads has to be found out first. */
  #positionOf(binding: Binding<Queue>, partition: Partition, point: OffsetSpecification): BindingPosition {
    const fed = this.fed(partition.index);
    // Where one binding is chosen for each message, the new one may be it from now on: nobody else takes the message.
    const isChosen = binding.source.router.choose !== undefined;
    const start = point.kind === 'next' && isChosen ? fed : startIn(partition, point);
    if (point.kind === 'time') return { from: partition.endOffset, replay: start, sinceMs: point.timeMs };
    if (start < fed) return { from: partition.endOffset, replay: start, sinceMs: null };
    return { from: start, replay: null, sinceMs: null };
  }

  #feederOf(partition: Partition, vhost: VirtualHost<Queue>, exchange: Exchange<Queue>): PartitionFeed {
    const { broker, states, feeding, queue } = this.#deps;
    const { name, id } = partition.stream;
    return new PartitionFeed(
      {
        broker,
        vhost,
        exchange,
        partition,
        feeding,
        queue,
        stateOf: (binding) => states.get(id, binding),
        record: (operation) => this.#record(operation),
        onUnreadable: (offset) =>
          broker.warn(
            { stream: name, vhost: vhost.name, partition: partition.index, offset },
            'records of a stream cannot be read, and do not reach the queues that are bound to it',
          ),
      },
      this.#fed[partition.index] ?? 0,
    );
  }

  #record(operation: FeedOperation): void {
    this.#deps.broker.record(encodeFeedOperation(operation));
  }
}

/** For a time: the earliest offset that it may be. */
function startIn({ startOffset, endOffset }: Partition, point: OffsetSpecification): number {
  if (point.kind === 'first' || point.kind === 'time') return startOffset;
  if (point.kind === 'last') return Math.max(startOffset, endOffset - 1);
  if (point.kind === 'offset') return Math.max(startOffset, point.offset);
  return endOffset;
}
