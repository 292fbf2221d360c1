import { RecordMessage } from '../../messages/message-from-record.ts';
import type { AnyQueue } from '../../queues/any-queue.ts';
import type { Shard } from '../../shard/shard.ts';
import type { Binding, Exchange } from '../../topology/exchange.ts';
import type { Route } from '../../topology/route.ts';
import type { Fed } from '../../topology/routing.ts';
import type { VirtualHost } from '../../topology/virtual-host.ts';
import type { AnyPartition } from '../any-partition.ts';
import { offsetAtTime } from '../consumers/offset-at-time.ts';
import { PartitionReader, type Visited } from '../consumers/partition-reader.ts';
import { type BindingPosition, type BindingState, positionIn } from './binding-state.ts';
import type { FeedBatch } from './feed-batch.ts';
import { encodeFeedOperation, type FeedOperation } from './feed-operations.ts';
import type { Feed, FeedScheduler } from './feed-scheduler.ts';

/** Records that are read in one step; and how many of them by the feed itself while there are replays. */
const RECORDS_MAX = 1024;
const NEW_RECORDS_MAX = 256;
/** Routing keys are the publishers' choice. */
const CACHED_ROUTES_MAX = 4096;

export interface PartitionFeedDeps {
  readonly shard: Shard;
  readonly vhost: VirtualHost<AnyQueue>;
  readonly exchange: Exchange<AnyQueue>;
  readonly partition: AnyPartition;
  readonly batch: FeedBatch;
  readonly scheduler: FeedScheduler;
  stateOf(binding: Binding<AnyQueue>): BindingState | undefined;
  record(operation: FeedOperation): void;
  onUnreadable(offset: number): void;
  /** Where it and its bindings are was read from the journal. */
  readonly isRestored: boolean;
}

/** A binding with `x-replay-from` that is behind the feed. */
interface Replay {
  readonly binding: Binding<AnyQueue>;
  readonly state: BindingState;
  readonly position: BindingPosition;
  readonly reader: PartitionReader;
}

/** What is read in one step by the feed itself, or by one replay. */
interface Pass {
  readonly reader: PartitionReader;
  readonly recordsMax: number;
  /** Offset; records from here on are not read. */
  readonly below: number;
  readonly fed: Fed<AnyQueue>;
  /** Whether each record is for all bindings, so that its route can be cached. */
  readonly isForAll: boolean;
  /** The binding of a replay. */
  readonly only: Binding<AnyQueue> | null;
  /** Says that records below `to` were fed. */
  operation(to: number): FeedOperation;
}

/**
 * Routes the records of a partition through the bindings of the stream's exchange, in order. The offset that it has
 * reached is journaled in the block of the messages, so that each arrives exactly once, across crashes too. It waits while
 * memory is short; those who write to the stream do not.
 *
 *     start ........... replay ........ main.next ........... stable
 *     |                 | a binding with x-replay-from,       |
 *     |                 | which joins the others there        |
 */
export class PartitionFeed implements Feed {
  readonly #deps: PartitionFeedDeps;
  readonly #exchange: Buffer;
  readonly #main: PartitionReader;
  readonly #message: RecordMessage;
  readonly #stopListening: () => void;
  readonly #replays = new Map<Binding<AnyQueue>, Replay>();
  readonly #routes = new Map<string, Route<AnyQueue>>();
  /** The highest offset at which a binding begins: below it, records are compared with the position of each binding. */
  #from = 0;
  /** Records that were read in this step. */
  #looked = 0;
  #isWaiting = false;
  #isStopped = false;
  #isUnreadable = false;
  #mustReconcile: boolean;

  constructor(deps: PartitionFeedDeps, from: number) {
    this.#deps = deps;
    const { partition, shard } = deps;
    this.#exchange = Buffer.from(deps.exchange.name, 'utf8');
    this.#main = this.#reader(from);
    this.#message = new RecordMessage(shard.codecs);
    this.#mustReconcile = partition.isRemote && deps.isRestored;
    this.#stopListening = partition.onAdvance(() => {
      if (this.#mustReconcile) this.#reconcile();
      this.pumpLater();
    });
    for (const binding of deps.exchange.outbound.values()) {
      const state = deps.stateOf(binding);
      if (state !== undefined) this.#place(binding, state);
    }
    this.pumpLater();
  }

  /** The next offset: records below went through the bindings. */
  get fed(): number {
    return this.#main.next;
  }

  get unfedCount(): number {
    const { partition } = this.#deps;
    return partition.highWatermark - Math.max(this.#main.next, partition.startOffset);
  }

  /** A new binding, perhaps with a replay. */
  added(binding: Binding<AnyQueue>): void {
    this.#routes.clear();
    const state = this.#deps.stateOf(binding);
    if (state !== undefined) this.#place(binding, state);
    this.pumpLater();
  }

  removed(binding: Binding<AnyQueue>): void {
    this.#routes.clear();
    this.#replays.get(binding)?.reader.close();
    this.#replays.delete(binding);
    this.pumpLater();
  }

  pumpLater(): void {
    if (!this.#isStopped) this.#deps.scheduler.add(this);
  }

  step(): number {
    if (this.#isStopped || this.#isWaiting || this.#isUnreadable || this.#mustWait()) return 0;
    this.#looked = 0;
    let hasMore = this.#feedMain();
    for (const replay of [...this.#replays.values()]) {
      if (this.#looked >= RECORDS_MAX) {
        hasMore = true;
        break;
      }
      if (!this.#feedReplay(replay)) continue;
      hasMore = true;
      this.#putLast(replay);
    }
    if (hasMore) this.pumpLater();
    return this.#looked;
  }

  stop(): void {
    this.#isStopped = true;
    this.#deps.scheduler.remove(this);
    this.#stopListening();
    this.#main.close();
    for (const { reader } of this.#replays.values()) reader.close();
  }

  /**
   * The partition is in another shard, whose journal may have lost a part of it that this one remembers: positions in there would
   * pass over what has come since in the same place. Nothing was read before its shard has told where it ended.
   */
  #reconcile(): void {
    const { partition, exchange, record } = this.#deps;
    const { recoveredEnd: end, index: p } = partition;
    if (end < 0) return;
    this.#mustReconcile = false;
    if (this.#main.next > end) {
      this.#main.seek(end);
      record({ op: 'view.fed', id: partition.stream.id, p, to: end });
    }
    for (const binding of exchange.outbound.values()) {
      const state = this.#deps.stateOf(binding);
      if (state !== undefined) this.#reconcileBinding(binding, state, end);
    }
  }

  #reconcileBinding(binding: Binding<AnyQueue>, state: BindingState, end: number): void {
    const { index: p } = this.#deps.partition;
    const position = positionIn(state, p);
    if (Math.max(position.from, position.replay ?? 0) <= end) return;
    if (position.from > end) position.from = end;
    if (position.replay !== null && position.replay > end) {
      position.replay = end;
      this.#replays.get(binding)?.reader.seek(end);
    }
    if (!state.isDurable) return;
    // In this order: the one says that there is no replay.
    this.#deps.record({ op: 'view.joined', n: state.number, p, from: position.from });
    if (position.replay !== null)
      this.#deps.record({ op: 'view.replayed', n: state.number, p, to: position.replay });
  }

  #putLast(replay: Replay): void {
    if (this.#replays.delete(replay.binding)) this.#replays.set(replay.binding, replay);
  }

  /** What is in the stream is safe there; queues are filled when there is room for them. */
  #mustWait(): boolean {
    this.#isWaiting = this.#deps.shard.backPressure.mustStay(this.#goOn);
    return this.#isWaiting;
  }

  readonly #goOn = (): void => {
    this.#isWaiting = false;
    this.pumpLater();
  };

  /** True if there is more to do at once. */
  #feedMain(): boolean {
    const { partition, exchange } = this.#deps;
    const id = partition.stream.id;
    const end = this.#feed({
      reader: this.#main,
      recordsMax: this.#replays.size === 0 ? RECORDS_MAX : NEW_RECORDS_MAX,
      below: Number.POSITIVE_INFINITY,
      fed: { exchange, takes: (binding) => this.#takes(binding, this.#main.cursor.offset) },
      isForAll: this.#replays.size === 0 && this.#main.next >= this.#from,
      only: null,
      operation: (to) => ({ op: 'view.fed', id, p: partition.index, to }),
    });
    return end === 'stopped';
  }

  #takes(binding: Binding<AnyQueue>, offset: number): boolean {
    const state = this.#deps.stateOf(binding);
    if (state === undefined) return true;
    const { from, replay } = positionIn(state, this.#deps.partition.index);
    return replay === null && offset >= from;
  }

  #feedReplay(replay: Replay): boolean {
    const { binding, state, position, reader } = replay;
    if (position.sinceMs !== null) return false;
    const { exchange, partition } = this.#deps;
    const end = this.#feed({
      reader,
      recordsMax: RECORDS_MAX - this.#looked,
      below: this.#main.next,
      fed: { exchange, takes: (other) => other === binding },
      isForAll: false,
      only: binding,
      operation: (to) => ({ op: 'view.replayed', n: state.number, p: partition.index, to }),
    });
    position.replay = reader.next;
    if (reader.next < this.#main.next) return end === 'stopped';
    this.#join(replay);
    return true;
  }

  /** The replay has reached the feed's offset. */
  #join({ binding, state, position, reader }: Replay): void {
    const { partition, record } = this.#deps;
    reader.close();
    this.#replays.delete(binding);
    position.replay = null;
    position.from = Math.max(this.#main.next, reader.next);
    this.#from = Math.max(this.#from, position.from);
    if (state.isDurable)
      record({ op: 'view.joined', n: state.number, p: partition.index, from: position.from });
  }

  #feed({ reader, recordsMax, below, fed, isForAll, only, operation }: Pass): string {
    const { batch, vhost, partition } = this.#deps;
    const message = this.#message;
    const { name } = partition.stream;
    let left = recordsMax;
    const visit = (): Visited => {
      if (left === 0 || batch.isFull || this.#isWaiting) return 'before';
      left--;
      this.#looked++;
      if (!message.read(reader.cursor, name, partition.index)) return 'on';
      const key = message.key.toString('utf8', message.keyStart, message.keyEnd);
      const others = message.otherKeys();
      let route =
        isForAll && others.length === 0
          ? this.#routeForAll(key, fed)
          : vhost.routeFromStream(fed, [key, ...others], message);
      if (route.queues.length + route.streams.length === 0) return 'on';
      if (only !== null) {
        route = this.#withoutServed(route, only, [key, ...others], reader.cursor.offset);
        if (route.queues.length + route.streams.length === 0) return 'on';
      }
      if (batch.add(message, route, this.#exchange, this.#goOn)) return 'on';
      this.#isWaiting = true;
      return 'before';
    };
    for (;;) {
      const end = reader.read(visit, below);
      this.#looked += reader.work;
      this.#write(reader, operation);
      if (end !== 'stopped' || left === 0 || reader.isTired || this.#isWaiting) return end;
    }
  }

  #write(reader: PartitionReader, operation: (to: number) => FeedOperation): void {
    const { batch } = this.#deps;
    if (batch.count > 0) batch.write(() => encodeFeedOperation(operation(reader.next)));
  }

  /** A queue that a replay leads to may have got this record by another binding, when the others were given it. */
  #withoutServed(
    route: Route<AnyQueue>,
    only: Binding<AnyQueue>,
    keys: readonly string[],
    offset: number,
  ): Route<AnyQueue> {
    const { vhost, exchange } = this.#deps;
    if (exchange.outbound.size === 1) return route;
    const others: Fed<AnyQueue> = {
      exchange,
      takes: (binding) => binding !== only && this.#takes(binding, offset),
    };
    const had = vhost.routeFromStream(others, keys, this.#message);
    return {
      ...route,
      queues: route.queues.filter((queue) => !had.queues.includes(queue)),
      streams: route.streams.filter((stream) => !had.streams.includes(stream)),
    };
  }

  #routeForAll(key: string, fed: Fed<AnyQueue>): Route<AnyQueue> {
    const { vhost } = this.#deps;
    const known = this.#routes.get(key);
    if (known !== undefined && known.version === vhost.version) return known;
    const route = vhost.routeFromStream(fed, [key], this.#message);
    if (!route.cacheable) return route;
    if (this.#routes.size >= CACHED_ROUTES_MAX) this.#routes.clear();
    this.#routes.set(key, route);
    return route;
  }

  #place(binding: Binding<AnyQueue>, state: BindingState): void {
    const position = positionIn(state, this.#deps.partition.index);
    this.#from = Math.max(this.#from, position.from);
    if (position.replay === null) return;
    const reader = this.#reader(position.replay);
    this.#replays.set(binding, { binding, state, position, reader });
    if (position.sinceMs !== null) void this.#seek(reader, position);
  }

  /** Finds the offset of a replay from a timestamp. */
  async #seek(reader: PartitionReader, position: BindingPosition): Promise<void> {
    const { partition } = this.#deps;
    const offset = await offsetAtTime(partition, position.sinceMs as number).catch(
      () => partition.startOffset,
    );
    if (this.#isStopped) return;
    position.sinceMs = null;
    position.replay = Math.min(offset, position.from);
    reader.seek(position.replay);
    this.pumpLater();
  }

  #reader(from: number): PartitionReader {
    const { partition, onUnreadable } = this.#deps;
    return new PartitionReader(partition, from, {
      onReady: () => this.pumpLater(),
      onUnreadable: (offset) => {
        this.#isUnreadable = partition.isCorrupt;
        onUnreadable(offset);
      },
    });
  }
}
