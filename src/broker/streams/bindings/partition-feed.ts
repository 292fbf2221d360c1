import type { Broker } from '../../broker.ts';
import { RecordMessage } from '../../messages/message-from-record.ts';
import type { Queue } from '../../queues/queue.ts';
import type { Binding, Exchange } from '../../topology/exchange.ts';
import type { Route } from '../../topology/route.ts';
import type { Fed } from '../../topology/routing.ts';
import type { VirtualHost } from '../../topology/virtual-host.ts';
import { offsetAtTime } from '../consumers/offset-at-time.ts';
import { PartitionReader, type Visited } from '../consumers/partition-reader.ts';
import type { Partition } from '../partition.ts';
import { type BindingPosition, type BindingState, positionIn } from './binding-state.ts';
import type { FeedBatch } from './feed-batch.ts';
import { encodeFeedOperation, type FeedOperation } from './feed-operations.ts';
import type { FeedScheduler, Feeds } from './feed-scheduler.ts';

/** How many records are looked at in one step; and how many of those that are new while there are bindings behind. */
const RECORDS_MAX = 1024;
const NEW_RECORDS_MAX = 256;
/** Keys can be made up without end. */
const CACHED_ROUTES_MAX = 4096;

export interface PartitionFeedDeps {
  readonly broker: Broker;
  readonly vhost: VirtualHost<Queue>;
  readonly exchange: Exchange<Queue>;
  readonly partition: Partition;
  readonly feeding: FeedBatch;
  readonly queue: FeedScheduler;
  stateOf(binding: Binding<Queue>): BindingState | undefined;
  record(operation: FeedOperation): void;
  onUnreadable(offset: number): void;
}

/** A binding that is given what the others were given before. */
interface Replay {
  readonly binding: Binding<Queue>;
  readonly state: BindingState;
  readonly position: BindingPosition;
  readonly reader: PartitionReader;
}

/**
 * Takes what is in a partition of a stream through the bindings of the stream's exchange, in order. How far it came is
 * journaled with the messages themselves, so that each arrives exactly once, across crashes too. It waits while memory
 * is short; those who write to the stream do not.
 *
 *     start ........... replay ........ main.next ........... stable
 *     |                 | a binding with x-replay-from,       |
 *     |                 | which joins the others there        |
 */
export class PartitionFeed implements Feeds {
  readonly #deps: PartitionFeedDeps;
  readonly #exchange: Buffer;
  readonly #main: PartitionReader;
  readonly #message: RecordMessage;
  readonly #stopListening: () => void;
  readonly #replays = new Map<Binding<Queue>, Replay>();
  readonly #routes = new Map<string, Route<Queue>>();
  /** While a binding begins beyond what was fed, each record has to be asked whether it is for it. */
  #from = 0;
  /** Records, in this step. */
  #looked = 0;
  #isWaiting = false;
  #isStopped = false;
  #isUnreadable = false;

  constructor(deps: PartitionFeedDeps, from: number) {
    this.#deps = deps;
    const { partition, broker } = deps;
    this.#exchange = Buffer.from(deps.exchange.name, 'utf8');
    this.#main = this.#reader(from);
    this.#message = new RecordMessage(broker.codecs);
    this.#stopListening = partition.onAdvance(() => this.pumpLater());
    for (const binding of deps.exchange.outbound.values()) {
      const state = deps.stateOf(binding);
      if (state !== undefined) this.#place(binding, state);
    }
    this.pumpLater();
  }

  /** Everything below went through the bindings. */
  get fed(): number {
    return this.#main.next;
  }

  get unfedCount(): number {
    const { partition } = this.#deps;
    return partition.highWatermark - Math.max(this.#main.next, partition.startOffset);
  }

  /** There is one more binding, which may be behind the others. */
  added(binding: Binding<Queue>): void {
    this.#routes.clear();
    const state = this.#deps.stateOf(binding);
    if (state !== undefined) this.#place(binding, state);
    this.pumpLater();
  }

  removed(binding: Binding<Queue>): void {
    this.#routes.clear();
    this.#replays.get(binding)?.reader.close();
    this.#replays.delete(binding);
    this.pumpLater();
  }

  pumpLater(): void {
    if (!this.#isStopped) this.#deps.queue.add(this);
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
    this.#deps.queue.remove(this);
    this.#stopListening();
    this.#main.close();
    for (const { reader } of this.#replays.values()) reader.close();
  }

  #putLast(replay: Replay): void {
    if (this.#replays.delete(replay.binding)) this.#replays.set(replay.binding, replay);
  }

  /** What is in the stream is safe there; queues are filled when there is room for them. */
  #mustWait(): boolean {
    const { broker } = this.#deps;
    const goOn = (): void => {
      this.#isWaiting = false;
      this.pumpLater();
    };
    if (broker.backPressure.isOverwhelmed) {
      this.#isWaiting = true;
      broker.backPressure.onResume([], goOn);
    } else if (broker.blockedReasons.size > 0) {
      this.#isWaiting = true;
      const stop = broker.onBlockedChange(() => {
        if (broker.blockedReasons.size > 0) return;
        stop();
        goOn();
      });
    }
    return this.#isWaiting;
  }

  /** True if there is more to do at once. */
  #feedMain(): boolean {
    const { partition, exchange } = this.#deps;
    const id = partition.stream.id;
    const fed: Fed<Queue> = {
      exchange,
      takes: (binding) => this.#takes(binding, this.#main.cursor.offset),
    };
    const isForAll = this.#replays.size === 0 && this.#main.next >= this.#from;
    const recordsMax = this.#replays.size === 0 ? RECORDS_MAX : NEW_RECORDS_MAX;
    const end = this.#feed(this.#main, recordsMax, Number.POSITIVE_INFINITY, fed, isForAll, (to) => ({
      op: 'view.fed',
      id,
      p: partition.index,
      to,
    }));
    return end === 'stopped';
  }

  #takes(binding: Binding<Queue>, offset: number): boolean {
    const state = this.#deps.stateOf(binding);
    if (state === undefined) return true;
    const { from, replay } = positionIn(state, this.#deps.partition.index);
    return replay === null && offset >= from;
  }

  #feedReplay(replay: Replay): boolean {
    const { binding, state, position, reader } = replay;
    if (position.sinceMs !== null) return false;
    const { exchange, partition } = this.#deps;
    const fed: Fed<Queue> = {
      exchange,
      takes: (other) => other === binding,
    };
    const end = this.#feed(
      reader,
      RECORDS_MAX - this.#looked,
      this.#main.next,
      fed,
      false,
      (to) => ({
        op: 'view.replayed',
        n: state.number,
        p: partition.index,
        to,
      }),
      binding,
    );
    position.replay = reader.next;
    if (reader.next < this.#main.next) return end === 'stopped';
    this.#join(replay);
    return true;
  }

  /** It has caught up: what comes now, it gets with the others. */
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

  #feed(
    reader: PartitionReader,
    recordsMax: number,
    below: number,
    fed: Fed<Queue>,
    isForAll: boolean,
    operation: (to: number) => FeedOperation,
    only: Binding<Queue> | null = null,
  ): string {
    const { feeding, vhost, partition } = this.#deps;
    const message = this.#message;
    const { name } = partition.stream;
    let left = recordsMax;
    const visit = (): Visited => {
      if (left === 0 || feeding.isFull) return 'before';
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
        route = this.#withoutThoseThatHadIt(route, only, [key, ...others], reader.cursor.offset);
        if (route.queues.length + route.streams.length === 0) return 'on';
      }
      feeding.add(message, route, this.#exchange);
      return 'on';
    };
    for (;;) {
      const end = reader.read(visit, below);
      this.#looked += reader.work;
      this.#write(reader, operation);
      if (end !== 'stopped' || left === 0 || reader.isTired) return end;
    }
  }

  #write(reader: PartitionReader, operation: (to: number) => FeedOperation): void {
    const { feeding } = this.#deps;
    if (feeding.count > 0) feeding.write(() => encodeFeedOperation(operation(reader.next)));
  }

  /** A queue that a replay leads to may have got this record by another binding, when the others were given it. */
  #withoutThoseThatHadIt(
    route: Route<Queue>,
    only: Binding<Queue>,
    keys: readonly string[],
    offset: number,
  ): Route<Queue> {
    const { vhost, exchange } = this.#deps;
    if (exchange.outbound.size === 1) return route;
    const others: Fed<Queue> = {
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

  #routeForAll(key: string, fed: Fed<Queue>): Route<Queue> {
    const { vhost } = this.#deps;
    const known = this.#routes.get(key);
    if (known !== undefined && known.version === vhost.version) return known;
    const route = vhost.routeFromStream(fed, [key], this.#message);
    if (!route.cacheable) return route;
    if (this.#routes.size >= CACHED_ROUTES_MAX) this.#routes.clear();
    this.#routes.set(key, route);
    return route;
  }

  #place(binding: Binding<Queue>, state: BindingState): void {
    const position = positionIn(state, this.#deps.partition.index);
    this.#from = Math.max(this.#from, position.from);
    if (position.replay === null) return;
    const reader = this.#reader(position.replay);
    this.#replays.set(binding, { binding, state, position, reader });
    if (position.sinceMs !== null) void this.#seek(reader, position);
  }

  /** Where a binding begins that begins with a time. */
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
        this.#isUnreadable = partition.log.isCorrupt;
        onUnreadable(offset);
      },
    });
  }
}
