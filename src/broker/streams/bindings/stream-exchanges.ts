import type { Table } from '../../../base/value.ts';
import type { Broker } from '../../broker.ts';
import { BrokerError } from '../../errors.ts';
import { streamExchange } from '../../exchanges/stream.ts';
import type { Queue } from '../../queues/queue.ts';
import type { SnapshotSection } from '../../shard/snapshot-section.ts';
import type { Binding, Exchange } from '../../topology/exchange.ts';
import { refuseLongName, refuseReservedName } from '../../topology/refusals.ts';
import type { VirtualHost } from '../../topology/virtual-host.ts';
import type { Stream } from '../stream.ts';
import type { StreamObserver, StreamSpec } from '../streams.ts';
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
import { StreamExchange } from './stream-exchange.ts';
import { StreamFeed, type StreamFeedDeps } from './stream-feed.ts';

/**
 * One log, many views: gives each stream its exchange, takes what is in it through the bindings there, and lets exchanges
 * remember that a policy tells to.
 */
export class StreamExchanges implements SnapshotSection, StreamObserver {
  readonly prefix = 'view';
  readonly #broker: Broker;
  readonly #byId = new Map<string, StreamFeed>();
  readonly #states = new BindingStates();
  readonly #deps: StreamFeedDeps;
  #isRecovering = true;
  /** The exchange that is about to remember, or to be deleted with what it remembers. */
  #isRemembering = '';
  #isForgetting = '';

  constructor(broker: Broker) {
    this.#broker = broker;
    this.#deps = {
      broker,
      states: this.#states,
      feeding: new FeedBatch(broker),
      queue: new FeedScheduler(broker.turn),
    };
  }

  /** That of a stream. */
  of(stream: Stream): StreamExchange | undefined {
    return this.#byId.get(stream.id)?.view;
  }

  /** How many messages have not gone through the bindings of the stream yet. */
  unfedCount(stream: Stream): number {
    return this.#byId.get(stream.id)?.unfedCount ?? 0;
  }

  /** A virtual host was made: its exchanges can be streams. */
  vhostAdded(vhost: VirtualHost<Queue>): void {
    vhost.streamFactory = {
      create: (name, args, asQueue) => this.#create(vhost.name, name, args, asQueue),
      delete: (name) => this.#delete(vhost.name, name),
    };
    for (const stream of this.#broker.streams.list(vhost.name)) {
      const view = this.of(stream);
      if (view !== undefined) vhost.attachStream(view);
    }
  }

  beforeCreate({ vhost, name }: StreamSpec): void {
    if (name === this.#isRemembering) return;
    refuseReservedName('exchange', name);
    refuseLongName('exchange', name);
    if (this.#broker.vhost(vhost)?.findExchange(name) === undefined) return;
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
    const { store, codecs, turn } = this.#broker;
    const view = new StreamExchange(stream, { store, codecs, turn });
    const feeding = new StreamFeed(view, this.#deps);
    this.#byId.set(stream.id, feeding);
    this.#broker.vhost(stream.vhost)?.attachStream(view);
    // What is bound to an exchange that begins to remember gets all that it remembers.
    if (!this.#isRecovering) feeding.refresh(true);
  }

  streamRemoved(stream: Stream): void {
    const feeding = this.#byId.get(stream.id);
    if (feeding === undefined) return;
    feeding.stop();
    this.#byId.delete(stream.id);
    this.#broker.vhost(stream.vhost)?.detachStream(stream.name);
    this.#states.removeStream(stream.id);
    feeding.view.consumers.removeAll();
  }

  streamChanged(stream: Stream): void {
    const feeding = this.#byId.get(stream.id);
    feeding?.view.consumers.extend();
    if (!this.#isRecovering) feeding?.refresh(false);
  }

  /** From the topology. What recovery adds has its state in the journal. */
  bindingAdded(binding: Binding<Queue>): void {
    if (!this.#isRecovering) this.#feedingOf(binding.source)?.bindingAdded(binding);
  }

  bindingRemoved(binding: Binding<Queue>): void {
    const feeding = this.#feedingOf(binding.source);
    if (feeding === undefined) return;
    if (this.#isRecovering) this.#states.remove(feeding.view.stream.id, binding);
    else feeding.bindingRemoved(binding);
  }

  /** From the topology: policies of an exchange may be other ones now. */
  exchangeConfigured(vhost: string, exchange: Exchange<Queue>, policy: Table): void {
    if (this.#isRecovering) return;
    const definition = definitionFromPolicy(policy);
    if (definition !== null) this.#remember(vhost, exchange, definition);
    // The alternate exchange may be another one.
    this.#feedingOf(exchange)?.refresh(false);
  }

  apply(bytes: Uint8Array): void {
    const operation = decodeFeedOperation(bytes);
    switch (operation.op) {
      case 'view.fed':
        this.#byId.get(operation.id)?.restore(operation.p, operation.to);
        return;
      case 'view.queue': {
        const view = this.#byId.get(operation.id)?.view;
        if (view !== undefined) view.declaredAs = argumentsFromJson(operation.arguments);
        return;
      }
      default:
        this.#states.apply(operation);
    }
  }

  *snapshot(): Iterable<Uint8Array> {
    for (const [id, feeding] of this.#byId) {
      const { declaredAs, stream } = feeding.view;
      if (declaredAs !== null) {
        yield encodeFeedOperation({ op: 'view.queue', id, arguments: argumentsToJson(declaredAs) });
      }
      for (const { index: p } of stream.partitions) {
        const to = feeding.fed(p);
        if (to > 0) yield encodeFeedOperation({ op: 'view.fed', id, p, to });
      }
    }
    for (const operation of this.#states.snapshot()) yield encodeFeedOperation(operation);
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
    for (const feeding of this.#byId.values()) feeding.refresh(true);
  }

  stop(): void {
    for (const feeding of this.#byId.values()) feeding.stop();
  }

  #create(vhost: string, name: string, args: Table, asQueue: boolean): void {
    if (!asQueue) validateExchangeArguments(name, vhost, args);
    const stream = this.#broker.streams.create({ vhost, name, ...definitionFromArguments(args) });
    const view = this.of(stream);
    if (!asQueue || view === undefined) return;
    view.declaredAs = args;
    this.#broker.record(
      encodeFeedOperation({ op: 'view.queue', id: stream.id, arguments: argumentsToJson(args) }),
    );
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

  #feedingOf({ stream }: Exchange<Queue>): StreamFeed | undefined {
    return stream instanceof StreamExchange ? this.#byId.get(stream.stream.id) : undefined;
  }
}

function isSame(some: ReadonlyMap<string, string>, others: ReadonlyMap<string, string>): boolean {
  if (some.size !== others.size) return false;
  for (const [key, value] of some) if (others.get(key) !== value) return false;
  return true;
}
