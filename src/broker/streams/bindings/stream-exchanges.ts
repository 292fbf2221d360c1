import { SlotMap } from '../../../base/slot-map.ts';
import type { Table } from '../../../base/value.ts';
import { BrokerError } from '../../errors.ts';
import { streamExchange } from '../../exchanges/stream.ts';
import type { AnyQueue } from '../../queues/any-queue.ts';
import type { Shard } from '../../shard/shard.ts';
import type { SnapshotSection } from '../../shard/snapshot-section.ts';
import type { Binding, Exchange } from '../../topology/exchange.ts';
import { refuseLongName, refuseReservedName } from '../../topology/refusals.ts';
import type { VirtualHost } from '../../topology/virtual-host.ts';
import type { VirtualHosts } from '../../topology/virtual-hosts.ts';
import type { Stream } from '../stream.ts';
import type { StreamObserver, StreamSpec, Streams } from '../streams.ts';
import { BindingStates } from './binding-states.ts';
import { FeedBatch } from './feed-batch.ts';
import {
  argumentsFromJson,
  argumentsToJson,
  decodeFeedOperation,
  encodeFeedOperation,
} from './feed-operations.ts';
import { FeedScheduler } from './feed-scheduler.ts';
import {
  definitionFromArguments,
  definitionFromPolicy,
  type StreamDefinition,
  validateExchangeArguments,
} from './stream-arguments.ts';
import { StreamExchange, type StreamsElsewhere } from './stream-exchange.ts';
import { StreamFeed, type StreamFeedDeps } from './stream-feed.ts';

export interface StreamExchangesDeps {
  readonly shard: Shard;
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly streams: Streams;
  /** Where there are several shards. */
  readonly elsewhere?: StreamsElsewhere | null;
  /** Journals that a stream was declared as a queue, which all shards have to know. */
  recordDeclared(operation: Uint8Array): void;
}

/**
 * The exchange that each stream has: what is in the stream goes through the bindings there. A policy with `remember`
 * makes a stream of an exchange.
 */
export class StreamExchanges implements SnapshotSection, StreamObserver {
  readonly prefix = 'view';
  readonly fillsQueues = true;
  readonly #shard: Shard;
  readonly #vhosts: VirtualHosts<AnyQueue>;
  readonly #streams: Streams;
  readonly #byId = new SlotMap<string, StreamFeed>();
  readonly #states = new BindingStates();
  readonly #feedDeps: StreamFeedDeps;
  readonly #elsewhere: StreamsElsewhere | null;
  readonly #recordDeclared: (operation: Uint8Array) => void;
  #isRecovering = true;
  /** The exchange that becomes a stream by policy, or whose stream is deleted with it, during that call. */
  #isRemembering = '';
  #isForgetting = '';

  constructor({ shard, vhosts, streams, elsewhere = null, recordDeclared }: StreamExchangesDeps) {
    this.#shard = shard;
    this.#vhosts = vhosts;
    this.#streams = streams;
    this.#elsewhere = elsewhere;
    this.#recordDeclared = recordDeclared;
    this.#feedDeps = {
      shard,
      vhosts,
      states: this.#states,
      batch: new FeedBatch(shard),
      scheduler: new FeedScheduler(shard.turn),
    };
  }

  /** Another shard makes all streams, and feeds their bindings. */
  get #isFollower(): boolean {
    return this.#elsewhere !== null && this.#elsewhere.home !== null;
  }

  get #isFeeding(): boolean {
    return !this.#isRecovering && !this.#isFollower;
  }

  of(stream: Stream): StreamExchange | undefined {
    return this.#byId.get(stream.id)?.streamExchange;
  }

  /** Messages of the stream that have not gone through its bindings yet. */
  unfedCount(stream: Stream): number {
    return this.#byId.get(stream.id)?.unfedCount ?? 0;
  }

  /** A virtual host was made: its exchanges can be streams. */
  vhostAdded(vhost: VirtualHost<AnyQueue>): void {
    if (this.#isFollower) return;
    vhost.streamFactory = {
      create: (name, args, asQueue, user) => this.#create(vhost.name, name, args, asQueue, user),
      delete: (name) => this.#delete(vhost.name, name),
    };
    for (const stream of this.#streams.list(vhost.name)) {
      const streamExchange = this.of(stream);
      if (streamExchange !== undefined) vhost.attachStream(streamExchange);
    }
  }

  beforeCreate({ vhost, name }: StreamSpec): void {
    if (name === this.#isRemembering) return;
    refuseReservedName('exchange', name);
    refuseLongName('exchange', name);
    if (this.#vhosts.get(vhost)?.findExchange(name) === undefined) return;
    throw new BrokerError(
      'precondition-failed',
      `there is an exchange '${name}' in vhost '${vhost}', and a stream has an exchange of the same name: delete it, or ` +
        "have it remember by a policy with 'remember'",
    );
  }

  beforeDelete({ vhost, name }: Stream): void {
    if (name === this.#isForgetting || !this.#isToldToRemember(vhost, name)) return;
    throw new BrokerError(
      'precondition-failed',
      `stream '${name}' in vhost '${vhost}' is what its exchange remembers by a policy: clear the policy first, or ` +
        'delete the exchange',
    );
  }

  streamAdded(stream: Stream): void {
    const streamExchange = new StreamExchange(stream, this.#shard, this.#elsewhere);
    const feed = new StreamFeed(streamExchange, this.#feedDeps);
    this.#byId.set(stream.id, feed);
    this.#vhosts.get(stream.vhost)?.attachStream(streamExchange);
    this.#learnIsInternal(stream);
    // What is bound to an exchange that begins to remember gets all that it remembers.
    if (this.#isFeeding) feed.refresh(true);
  }

  streamRemoved(stream: Stream): void {
    const feed = this.#byId.get(stream.id);
    if (feed === undefined) return;
    feed.stop();
    this.#byId.delete(stream.id);
    const vhost = this.#vhosts.get(stream.vhost);
    if (this.#isFollower) vhost?.detachFollowedStream(stream.name);
    else vhost?.detachStream(stream.name);
    this.#states.removeStream(stream.id);
    feed.streamExchange.consumers.removeAll();
  }

  streamChanged(stream: Stream): void {
    const feed = this.#byId.get(stream.id);
    feed?.streamExchange.consumers.extend();
    if (this.#isFeeding) feed?.refresh(false);
  }

  /** From the topology. What recovery adds has its state in the journal. */
  bindingAdded(binding: Binding<AnyQueue>): void {
    if (this.#isFeeding) this.#feedOf(binding.source)?.bindingAdded(binding);
  }

  bindingRemoved(binding: Binding<AnyQueue>): void {
    const feed = this.#feedOf(binding.source);
    if (feed === undefined || this.#isFollower) return;
    if (this.#isRecovering) this.#states.remove(feed.streamExchange.stream.id, binding);
    else feed.bindingRemoved(binding);
  }

  /** From the topology: policies of an exchange may be other ones now. */
  exchangeConfigured(vhost: string, exchange: Exchange<AnyQueue>, policy: Table): void {
    if (!this.#isFeeding) return;
    const definition = definitionFromPolicy(policy);
    if (definition !== null) this.#remember(vhost, exchange, definition);
    // The alternate exchange may be another one.
    this.#feedOf(exchange)?.refresh(false);
  }

  apply(bytes: Uint8Array): void {
    const operation = decodeFeedOperation(bytes);
    switch (operation.op) {
      case 'view.fed':
        this.#byId.get(operation.id)?.restore(operation.p, operation.to);
        return;
      case 'view.queue': {
        const streamExchange = this.#byId.get(operation.id)?.streamExchange;
        if (streamExchange !== undefined) streamExchange.declaredAs = argumentsFromJson(operation.arguments);
        return;
      }
      default:
        this.#states.apply(operation);
    }
  }

  *snapshot(): Iterable<Uint8Array> {
    if (this.#isFollower) return;
    for (const [id, feed] of this.#byId) {
      yield* declarationOf(feed.streamExchange);
      for (const { index: p } of feed.streamExchange.stream.partitions) {
        const to = feed.fed(p);
        if (to !== 0) yield encodeFeedOperation({ op: 'view.fed', id, p, to });
      }
    }
    for (const operation of this.#states.snapshot()) yield encodeFeedOperation(operation);
  }

  /** For shards that follow. */
  *followedIn(vhost: string): Iterable<Uint8Array> {
    for (const stream of this.#streams.list(vhost)) {
      const streamExchange = this.of(stream);
      if (streamExchange !== undefined) yield* declarationOf(streamExchange);
    }
  }

  recovered(): void {
    this.#isRecovering = false;
    for (const { streamExchange } of this.#byId.values()) this.#learnIsInternal(streamExchange.stream);
    if (this.#isFollower) return;
    for (const vhost of this.#vhosts) {
      for (const { name } of vhost.listExchanges()) {
        const exchange = vhost.findExchange(name) as Exchange<AnyQueue>;
        const definition = definitionFromPolicy(vhost.policiesOfExchange(exchange).definition);
        if (definition !== null) this.#remember(vhost.name, exchange, definition);
      }
    }
    for (const feed of this.#byId.values()) feed.refresh(true);
  }

  stop(): void {
    for (const feed of this.#byId.values()) feed.stop();
  }

  #create(vhost: string, name: string, args: Table, asQueue: boolean, user: string | undefined): void {
    if (!asQueue) validateExchangeArguments(name, vhost, args);
    const stream = this.#streams.create({
      vhost,
      name,
      ...definitionFromArguments(args),
      ...(user === undefined ? {} : { user }),
    });
    const { maxMessageBytes } = stream.settings;
    this.#shard.log.info(
      { stream: name, vhost, maxMessageBytes },
      'a stream was declared; larger messages than maxMessageBytes are refused, as Kafka clients could not read them',
    );
    const streamExchange = this.of(stream);
    if (!asQueue || streamExchange === undefined) return;
    streamExchange.declaredAs = args;
    for (const operation of declarationOf(streamExchange)) this.#recordDeclared(operation);
  }

  #delete(vhost: string, name: string): void {
    const stream = this.#streams.get(vhost, name);
    if (stream === undefined) return;
    this.#isForgetting = name;
    try {
      this.#streams.delete(stream);
    } finally {
      this.#isForgetting = '';
    }
  }

  #remember(vhost: string, exchange: Exchange<AnyQueue>, { partitions, configs }: StreamDefinition): void {
    const { name } = exchange;
    const streams = this.#streams;
    if (name === '' || !exchange.durable || exchange.type === streamExchange) return;
    const stream = streams.get(vhost, name);
    if (stream !== undefined) {
      const changed = new Map([...stream.configs, ...configs]);
      if (!isSame(stream.configs, changed)) streams.configure(stream, changed);
      return;
    }
    if (this.#vhosts.get(vhost)?.isInCircle(exchange) === true) {
      this.#shard.log.warn(
        { exchange: name, vhost },
        'an exchange that leads back to itself cannot remember',
      );
      return;
    }
    this.#isRemembering = name;
    try {
      streams.create({ vhost, name, partitions, configs });
    } catch (error) {
      // There are as many as there may be: nobody is here to be told.
      if (!(error instanceof BrokerError)) throw error;
      this.#shard.log.warn({ exchange: name, vhost, reason: error.message }, 'an exchange cannot remember');
    } finally {
      this.#isRemembering = '';
    }
  }

  #learnIsInternal(stream: Stream): void {
    stream.isInternal = this.#vhosts.get(stream.vhost)?.findExchange(stream.name)?.internal ?? false;
  }

  #isToldToRemember(vhost: string, name: string): boolean {
    const host = this.#vhosts.get(vhost);
    const exchange = host?.findExchange(name);
    if (host === undefined || exchange === undefined || exchange.type === streamExchange) return false;
    return definitionFromPolicy(host.policiesOfExchange(exchange).definition) !== null;
  }

  #feedOf({ stream }: Exchange<AnyQueue>): StreamFeed | undefined {
    return stream instanceof StreamExchange ? this.#byId.get(stream.stream.id) : undefined;
  }
}

function* declarationOf({ stream: { id }, declaredAs }: StreamExchange): Iterable<Uint8Array> {
  if (declaredAs !== null)
    yield encodeFeedOperation({ op: 'view.queue', id, arguments: argumentsToJson(declaredAs) });
}

function isSame(some: ReadonlyMap<string, string>, others: ReadonlyMap<string, string>): boolean {
  if (some.size !== others.size) return false;
  for (const [key, value] of some) if (others.get(key) !== value) return false;
  return true;
}
