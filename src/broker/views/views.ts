import type { Table, Value } from '../../base/value.ts';
import type { Broker } from '../broker.ts';
import { BrokerError } from '../errors.ts';
import { streamExchange } from '../exchanges/stream.ts';
import type { Queue } from '../queue.ts';
import type { StatePart } from '../state-part.ts';
import type { Partition } from '../streams/partition.ts';
import type { Stream } from '../streams/stream.ts';
import type { StreamObserver, StreamSpec } from '../streams/streams.ts';
import type { Binding } from '../topology/binding.ts';
import type { Exchange } from '../topology/exchange.ts';
import { refuseLongName, refuseReservedName } from '../topology/refusals.ts';
import { REPLAY_ARGUMENT } from '../topology/stream-commands.ts';
import type { VirtualHost } from '../topology/virtual-host.ts';
import { BindingStates } from './binding-states.ts';
import { FeedQueue } from './feed-queue.ts';
import { Feeder } from './feeder.ts';
import { Feeding } from './feeding.ts';
import { type StartingPoint, startingPoint } from './starting-point.ts';
import {
  definitionFromArguments,
  definitionFromPolicy,
  type StreamDefinition,
  validateExchangeArguments,
} from './stream-arguments.ts';
import { StreamView } from './stream-view.ts';
import {
  argumentsFromJson,
  argumentsToJson,
  decodeViewOperation,
  encodeViewOperation,
  type ViewOperation,
} from './view-operations.ts';

/** What is known of a stream beside the stream. */
interface Viewed {
  readonly view: StreamView;
  /** How far each partition was fed; an absent one from its start. */
  fed: number[];
  /** By partition, while there is anything to feed. */
  feeders: Feeder[];
}

/**
 * One log, many views: gives each stream its exchange, takes what is in it through the bindings there, and lets exchanges
 * remember that a policy tells to.
 */
export class Views implements StatePart, StreamObserver {
  readonly prefix = 'view';
  readonly #broker: Broker;
  readonly #byId = new Map<string, Viewed>();
  readonly #states = new BindingStates();
  readonly #feeding: Feeding;
  readonly #queue: FeedQueue;
  #isRecovering = true;
  /** Feeding goes on where it was. */
  #isStarting = false;
  /** The exchange that is about to remember, or to be deleted with what it remembers. */
  #isRemembering = '';
  #isForgetting = '';

  constructor(broker: Broker) {
    this.#broker = broker;
    this.#feeding = new Feeding(broker);
    this.#queue = new FeedQueue(broker.turn);
  }

  /** That of a stream. */
  of(stream: Stream): StreamView | undefined {
    return this.#byId.get(stream.id)?.view;
  }

  /** How many messages have not gone through the bindings of the stream yet. */
  unfedCount(stream: Stream): number {
    const feeders = this.#byId.get(stream.id)?.feeders ?? [];
    let count = 0;
    for (const feeder of feeders) count += Math.max(0, feeder.unfedCount);
    return count;
  }

  /** A virtual host was made: its exchanges can be streams. */
  vhostAdded(vhost: VirtualHost<Queue>): void {
    vhost.streamKeeper = {
      create: (name, args, asQueue) => this.#create(vhost.name, name, args, asQueue),
      delete: (name) => this.#delete(vhost.name, name),
    };
    for (const stream of this.#broker.streams.list(vhost.name)) {
      const viewed = this.#byId.get(stream.id);
      if (viewed !== undefined) vhost.attachStream(viewed.view);
    }
  }

  beforeCreate({ vhost, name }: StreamSpec): void {
    if (name === this.#isRemembering) return;
    refuseReservedName('exchange', name);
    refuseLongName('exchange', name);
    const exchange = this.#broker.vhost(vhost)?.findExchange(name);
    if (exchange === undefined) return;
    throw new BrokerError(
      'precondition-failed',
      `there is an exchange '${name}' in vhost '${vhost}', and a stream has an exchange of the same name: delete it, or ` +
        "have it remember by a policy with 'remember'",
    );
  }

  beforeDelete(stream: Stream): void {
    const { vhost, name } = stream;
    const exchange = this.#broker.vhost(vhost)?.findExchange(name);
    if (exchange === undefined || name === this.#isForgetting || !this.#isToldToRemember(vhost, name)) return;
    throw new BrokerError(
      'precondition-failed',
      `stream '${name}' in vhost '${vhost}' is what its exchange remembers by a policy: clear the policy first, or ` +
        'delete the exchange',
    );
  }

  streamAdded(stream: Stream): void {
    const { store, codecs, turn } = this.#broker;
    const view = new StreamView(stream, { store, codecs, turn });
    this.#byId.set(stream.id, { view, fed: [], feeders: [] });
    this.#broker.vhost(stream.vhost)?.attachStream(view);
    this.#refresh(stream.id);
  }

  streamRemoved(stream: Stream): void {
    const viewed = this.#byId.get(stream.id);
    if (viewed === undefined) return;
    this.#stopFeeding(viewed);
    this.#byId.delete(stream.id);
    this.#broker.vhost(stream.vhost)?.detachStream(stream.name);
    this.#states.removeStream(stream.id);
    viewed.view.readers.removeAll();
  }

  streamChanged(stream: Stream): void {
    this.#byId.get(stream.id)?.view.readers.extend();
    this.#refresh(stream.id);
  }

  /** From the topology, also during recovery, when what a binding needs is in the journal before it. */
  bindingAdded(binding: Binding<Queue>): void {
    const viewed = this.#viewedOf(binding.source);
    if (viewed === undefined) return;
    if (!this.#isRecovering) this.#begin(binding, viewed);
    for (const feeder of viewed.feeders) feeder.added(binding);
    this.#refresh(viewed.view.stream.id);
  }

  bindingRemoved(binding: Binding<Queue>): void {
    const viewed = this.#viewedOf(binding.source);
    if (viewed === undefined) return;
    const { id } = viewed.view.stream;
    const state = this.#states.remove(id, binding);
    if (state?.isDurable === true) this.#record({ op: 'view.unbind', n: state.number });
    for (const feeder of viewed.feeders) feeder.removed(binding);
    this.#refresh(id);
  }

  /** From the topology: policies of an exchange may be other ones now. */
  exchangeConfigured(vhost: string, exchange: Exchange<Queue>, policy: Table): void {
    if (this.#isRecovering) return;
    const definition = definitionFromPolicy(policy);
    if (definition !== null) this.#remember(vhost, exchange, definition);
    // The alternate exchange may be another one.
    const viewed = this.#viewedOf(exchange);
    if (viewed !== undefined) this.#refresh(viewed.view.stream.id);
  }

  apply(bytes: Uint8Array): void {
    const operation = decodeViewOperation(bytes);
    switch (operation.op) {
      case 'view.fed': {
        const viewed = this.#byId.get(operation.id);
        if (viewed !== undefined) viewed.fed[operation.p] = operation.to;
        return;
      }
      case 'view.queue': {
        const viewed = this.#byId.get(operation.id);
        if (viewed !== undefined) viewed.view.declaredAs = argumentsFromJson(operation.arguments);
        return;
      }
      default:
        this.#states.apply(operation);
    }
  }

  *snapshot(): Iterable<Uint8Array> {
    for (const [id, { view, fed, feeders }] of this.#byId) {
      if (view.declaredAs !== null) {
        const args = argumentsToJson(view.declaredAs);
        yield encodeViewOperation({ op: 'view.queue', id, arguments: args });
      }
      for (const { index } of view.stream.partitions) {
        const to = feeders[index]?.fed ?? fed[index] ?? 0;
        if (to > 0) yield encodeViewOperation({ op: 'view.fed', id, p: index, to });
      }
    }
    for (const operation of this.#states.snapshot()) yield encodeViewOperation(operation);
  }

  recovered(): void {
    this.#isRecovering = false;
    for (const vhost of this.#broker.vhosts) {
      for (const { name } of vhost.listExchanges()) {
        const exchange = vhost.findExchange(name) as Exchange<Queue>;
        const definition = definitionFromPolicy(vhost.policiesOfExchange(exchange).definition);
        if (definition !== null) this.#remember(vhost.name, exchange, definition);
      }
    }
    this.#isStarting = true;
    for (const id of this.#byId.keys()) this.#refresh(id);
    this.#isStarting = false;
  }

  stop(): void {
    for (const viewed of this.#byId.values()) this.#stopFeeding(viewed);
  }

  #create(vhost: string, name: string, args: Table, asQueue: boolean): void {
    if (!asQueue) validateExchangeArguments(name, vhost, args);
    const stream = this.#broker.streams.create({ vhost, name, ...definitionFromArguments(args) });
    const viewed = this.#byId.get(stream.id);
    if (!asQueue || viewed === undefined) return;
    viewed.view.declaredAs = args;
    this.#record({ op: 'view.queue', id: stream.id, arguments: argumentsToJson(args) });
  }

  #delete(vhost: string, name: string): void {
    const stream = this.#broker.streams.get(vhost, name);
    if (stream === undefined) return;
    this.#isForgetting = name;
    try {
      this.#broker.streams.delete(stream);
    } finally {
      this.#isForgetting = '';
    }
  }

  #remember(vhost: string, exchange: Exchange<Queue>, { partitions, configs }: StreamDefinition): void {
    const { name } = exchange;
    const { streams } = this.#broker;
    if (name === '' || !exchange.durable || exchange.type === streamExchange) return;
    const stream = streams.get(vhost, name);
    if (stream !== undefined) {
      const changed = new Map([...stream.configs, ...configs]);
      if (!isSame(stream.configs, changed)) streams.configure(stream, changed);
      return;
    }
    if (this.#broker.vhost(vhost)?.isInCircle(exchange) === true) {
      this.#broker.warn({ exchange: name, vhost }, 'an exchange that leads back to itself cannot remember');
      return;
    }
    this.#isRemembering = name;
    try {
      streams.create({ vhost, name, partitions, configs });
    } finally {
      this.#isRemembering = '';
    }
  }

  #isToldToRemember(vhost: string, name: string): boolean {
    const host = this.#broker.vhost(vhost);
    const exchange = host?.findExchange(name);
    if (host === undefined || exchange === undefined || exchange.type === streamExchange) return false;
    return definitionFromPolicy(host.policiesOfExchange(exchange).definition) !== null;
  }

  #viewedOf({ stream }: Exchange<Queue>): Viewed | undefined {
    return stream instanceof StreamView ? this.#byId.get(stream.stream.id) : undefined;
  }

  /** A binding is new: from here on, or from where it wants to begin. */
  #begin(binding: Binding<Queue>, viewed: Viewed): void {
    const { turn, store } = this.#broker;
    const { stream } = viewed.view;
    // What was published in this turn was published before.
    store.settleGathered();
    if (viewed.feeders.length === 0) this.#feedFromTheEnd(viewed);
    const args = binding.arguments;
    const wanted = Object.hasOwn(args, REPLAY_ARGUMENT) ? (args[REPLAY_ARGUMENT] as Value) : 'next';
    const point = startingPoint(wanted, turn.nowMs) ?? { kind: 'next' };
    const positions = stream.partitions.map((partition) => {
      const fed = viewed.feeders[partition.index]?.fed ?? viewed.fed[partition.index] ?? 0;
      const { endOffset } = partition;
      // Where one binding is chosen for each message, the new one may be it from now on: nobody else takes the message.
      const isChosen = binding.source.router.choose !== undefined;
      const start = point.kind === 'next' && isChosen ? fed : startIn(partition, point);
      const isBehind = start < fed;
      return {
        from: isBehind ? endOffset : start,
        replay: isBehind ? start : null,
        sinceMs: isBehind && point.kind === 'time' ? point.timeMs : null,
      };
    });
    const operation = this.#states.add(stream.id, binding, positions);
    if (operation !== null) this.#record(operation);
  }

  /** There was nobody to feed until now. */
  #feedFromTheEnd(viewed: Viewed): void {
    const { id, partitions } = viewed.view.stream;
    this.#broker.store.settleGathered();
    viewed.fed = partitions.map(({ endOffset }) => endOffset);
    for (const [p, to] of viewed.fed.entries()) this.#record({ op: 'view.fed', id, p, to });
  }

  /** Feeders are there while there is anywhere to take messages to. */
  #refresh(streamId: string): void {
    const viewed = this.#byId.get(streamId);
    if (this.#isRecovering || viewed === undefined) return;
    const { stream } = viewed.view;
    const vhost = this.#broker.vhost(stream.vhost);
    const exchange = vhost?.findExchange(stream.name);
    if (vhost === undefined || exchange === undefined || exchange.stream !== viewed.view) return;
    if (exchange.outbound.size === 0) {
      if (exchange.alternate === null) {
        this.#stopFeeding(viewed);
        return;
      }
      // The alternate exchange gets what comes from here on, as a binding does.
      if (viewed.feeders.length === 0 && !this.#isStarting) this.#feedFromTheEnd(viewed);
    }
    for (const partition of stream.partitions) {
      viewed.feeders[partition.index] ??= this.#feederOf(partition, viewed, vhost, exchange);
    }
  }

  #feederOf(
    partition: Partition,
    { fed }: Viewed,
    vhost: VirtualHost<Queue>,
    exchange: Exchange<Queue>,
  ): Feeder {
    const streamId = partition.stream.id;
    return new Feeder(
      {
        broker: this.#broker,
        vhost,
        exchange,
        partition,
        feeding: this.#feeding,
        queue: this.#queue,
        stateOf: (binding) => this.#states.get(streamId, binding),
        record: (operation) => this.#record(operation),
        onUnreadable: (unreadable, offset) =>
          this.#broker.warn(
            { stream: unreadable.stream.name, partition: unreadable.index, offset },
            'records of a stream cannot be read, and do not reach the queues that are bound to it',
          ),
      },
      fed[partition.index] ?? 0,
    );
  }

  #stopFeeding(viewed: Viewed): void {
    for (const [index, feeder] of viewed.feeders.entries()) {
      viewed.fed[index] = feeder.fed;
      feeder.stop();
    }
    viewed.feeders = [];
  }

  #record(operation: ViewOperation): void {
    this.#broker.record(encodeViewOperation(operation));
  }
}

/** For a time: the earliest offset that it may be, which is to be found out. */
function startIn({ startOffset, endOffset }: Partition, point: StartingPoint): number {
  if (point.kind === 'first' || point.kind === 'time') return startOffset;
  if (point.kind === 'last') return Math.max(startOffset, endOffset - 1);
  if (point.kind === 'offset') return Math.max(startOffset, point.offset);
  return endOffset;
}

function isSame(some: ReadonlyMap<string, string>, others: ReadonlyMap<string, string>): boolean {
  if (some.size !== others.size) return false;
  for (const [key, value] of some) if (others.get(key) !== value) return false;
  return true;
}
