import { finished, type Work } from '../../base/turn-time.ts';
import type { Table } from '../../base/value.ts';
import { ObjectQuotas } from '../budget/object-quotas.ts';
import { ExchangeTypes } from '../exchanges/registry.ts';
import type { RoutedMessage } from '../messages/property-codec.ts';
import type { PolicyKind } from '../policies/operator-policy.ts';
import type { AppliedPolicies, Policies } from '../policies/policies.ts';
import type { Policy, PolicyRequest } from '../policies/policy.ts';
import type { QueueCounts, QueueFactory, TopologyQueue } from '../queues/queue-port.ts';
import { appliedToExchange, appliedToQueue } from './apply-policies.ts';
import * as bindings from './binding-commands.ts';
import type { CommandContext, Placement } from './commands.ts';
import type { DeclarationGuard, QueueDeclaration, QueueDeletion } from './declarations.ts';
import type { DirectReplyConsumers, RepliesElsewhere } from './direct-reply.ts';
import type { Exchange, ExchangeDeclaration } from './exchange.ts';
import * as exchanges from './exchange-commands.ts';
import * as listing from './listing.ts';
import type { MetadataOperation } from './metadata.ts';
import * as policies from './policy-commands.ts';
import type { DelayPort, MetadataLog, OwnerNames, RightsPort, StreamFactory, StreamPort } from './ports.ts';
import { isPredeclared, predeclaredExchanges } from './predeclared-exchanges.ts';
import * as queues from './queue-commands.ts';
import { applyOperation, applyOperationInSteps, snapshotOf } from './recovery.ts';
import type { Route, RouteVersion } from './route.ts';
import { type Fed, routeAfterDelay, routeFromStream, routeThrough, routeWithKeys } from './routing.ts';
import { TopologyState } from './state.ts';
import * as streams from './stream-commands.ts';
import type { TopologyObserver } from './topology-observer.ts';

export interface VirtualHostDeps<Q extends TopologyQueue> {
  readonly createQueue: QueueFactory<Q>;
  readonly log: MetadataLog;
  /** Where there are several shards. */
  readonly placement?: Placement;
  readonly owners?: OwnerNames;
  readonly repliesElsewhere?: (vhost: string) => RepliesElsewhere;
  /** Without them nothing is limited. */
  readonly quotas?: ObjectQuotas;
  /** The four of AMQP, unless told otherwise. */
  readonly types?: ExchangeTypes;
  /** Made for each virtual host, by its name. */
  readonly observer?: (vhost: string) => TopologyObserver<Q>;
  /** Without it, what was declared leads wherever its arguments say. */
  readonly rights?: RightsPort;
  /** What is in a virtual host beside its topology goes first. */
  readonly beforeDelete?: (vhost: string) => void;
}

const ALONE: Placement = { place: () => 0 };

/**
 * One tenant's exchanges, queues and bindings. The commands check, change the state and journal what is durable, in
 * this order and without waiting: a command that throws has changed nothing.
 *
 *     declare…, bind…, delete…  ──▶  *-commands.ts ──▶ state.ts ◀── recovery.ts  ◀── journal
 *                                        │                ▲
 *                                        ▼                │
 *                                   MetadataLog       routing.ts  ◀── publish
 *
 * An `owner` is the connection on whose behalf a command comes, null for one without a connection.
 */
export class VirtualHost<Q extends TopologyQueue> {
  readonly name: string;
  readonly defaultExchange: Exchange<Q>;
  /** Without it no message can be published that has to wait. */
  delays: DelayPort<Q> | null = null;
  /** For those who ask it for each message. */
  readonly routeVersion: RouteVersion;
  readonly #state: TopologyState<Q>;
  readonly #context: CommandContext<Q>;

  constructor(name: string, deps: VirtualHostDeps<Q>) {
    const { createQueue, log, types = new ExchangeTypes(), observer, rights, placement = ALONE } = deps;
    const { quotas = new ObjectQuotas() } = deps;
    this.name = name;
    this.#state = new TopologyState<Q>(observer?.(name), name, rights, (kind, account, difference) =>
      quotas.change(kind, account, name, difference),
    );
    this.#state.directReplies.elsewhere = deps.repliesElsewhere?.(name) ?? null;
    this.routeVersion = this.#state;
    this.#context = {
      name,
      state: this.#state,
      types,
      createQueue,
      log,
      placement,
      quotas,
      owners: deps.owners ?? null,
      streamFactory: null,
    };
    for (const exchange of predeclaredExchanges<Q>(name, types)) this.#state.addExchange(exchange);
    this.defaultExchange = exchanges.findExchange(this.#context, '');
  }

  /** Who waits for answers without a queue. */
  get directReplies(): DirectReplyConsumers {
    return this.#state.directReplies;
  }

  /** Whether something that a user declared may lead to an exchange with these routing keys; null is an operator. */
  mayLeadTo(user: string | null, exchange: Exchange<Q>, routingKeys: readonly string[]): boolean {
    return this.#state.mayLeadTo(user, exchange, routingKeys);
  }

  /** A Route holds as long as it carries this version. */
  get version(): number {
    return this.#state.version;
  }

  get exchangeCount(): number {
    return this.#state.exchanges.size;
  }

  get queueCount(): number {
    return this.#state.queues.size;
  }

  /** For those who keep with a route what a user may do: permissions have changed. */
  invalidateRoutes(): void {
    this.#state.invalidateRoutes();
  }

  /**
   * The queues that a message goes to. The same object comes back for the same exchange and key until the topology
   * changes, unless an exchange is on the way that looks at the message, or chooses anew each time.
   */
  route(exchange: Exchange<Q>, routingKey: string, message: RoutedMessage): Route<Q> {
    return routeThrough(this.#state, this.delays, exchange, routingKey, message);
  }

  /** For a message that names further routing keys in its headers: the queues that any of them leads to, each once. */
  routeWithKeys(exchange: Exchange<Q>, routingKeys: readonly string[], message: RoutedMessage): Route<Q> {
    return routeWithKeys(this.#state, this.delays, exchange, routingKeys, message);
  }

  /**
   * For a message that has waited long enough, with the exchange and keys that it was published with. Null if the
   * exchange is gone.
   */
  routeDelayed(
    exchangeName: string,
    routingKeys: readonly string[],
    message: RoutedMessage,
  ): Route<Q> | null {
    const exchange = this.#state.exchanges.get(exchangeName);
    if (exchange === undefined) return null;
    return routeAfterDelay(this.#state, exchange, routingKeys, message);
  }

  /** For a message out of a stream: where the bindings of the stream's exchange lead that take it. */
  routeFromStream(fed: Fed<Q>, routingKeys: readonly string[], message: RoutedMessage): Route<Q> {
    return routeFromStream(this.#state, this.delays, fed, routingKeys, message);
  }

  set streamFactory(factory: StreamFactory) {
    this.#context.streamFactory = factory;
  }

  /** The stream of this name, which is a queue as well unless there is another one of that name. */
  findStream(name: string): StreamPort | undefined {
    return streams.findStream(this.#state, name);
  }

  /** A queue of type `stream`. @throws BrokerError access-refused, precondition-failed */
  declareStream(declaration: QueueDeclaration, guard: DeclarationGuard | null = null): StreamPort {
    return streams.declareStream(this.#context, declaration, guard);
  }

  /** `counts`: what it has. @throws BrokerError precondition-failed */
  deleteStream(stream: StreamPort, conditions: QueueDeletion, counts: QueueCounts): void {
    streams.deleteStream(this.#context, stream, conditions, counts);
  }

  /** From who keeps the streams: this one is there now. */
  attachStream(stream: StreamPort): void {
    streams.attachStream(this.#context, stream);
  }

  /** From who keeps the streams: the one of this name is gone. */
  detachStream(name: string): void {
    streams.detachStream(this.#context, name);
  }

  /** The same, of a stream of another shard: see `detachFollowedStream`. */
  detachFollowedStream(name: string): void {
    streams.detachFollowedStream(this.#context, name);
  }

  /** Whether what comes to this exchange comes back to it: then it must be no stream. */
  isInCircle(exchange: Exchange<Q>): boolean {
    return streams.isInCircle(this.#state, exchange);
  }

  /** @throws BrokerError not-found; access-refused if the exchange is internal */
  exchangeForPublish(name: string): Exchange<Q> {
    return exchanges.exchangeForPublish(this.#context, name);
  }

  /** @throws BrokerError access-refused, precondition-failed */
  declareExchange(declaration: ExchangeDeclaration): Exchange<Q> {
    return exchanges.declareExchange(this.#context, declaration);
  }

  /** A passive declaration. @throws BrokerError not-found, access-refused */
  checkExchange(name: string): Exchange<Q> {
    return exchanges.checkExchange(this.#context, name);
  }

  /** @throws BrokerError access-refused, precondition-failed */
  deleteExchange(name: string, ifUnused = false): void {
    exchanges.deleteExchange(this.#context, name, ifUnused);
  }

  /** As `deleteExchange`, for exchanges that may have very many bindings. */
  deleteExchangeInSteps(name: string, ifUnused = false): Work<void> {
    return exchanges.deleteExchangeInSteps(this.#context, name, ifUnused);
  }

  /** @throws BrokerError access-refused, resource-locked, precondition-failed */
  declareQueue(
    declaration: QueueDeclaration,
    owner: object | null,
    guard: DeclarationGuard | null = null,
  ): Q {
    return queues.declareQueue(this.#context, declaration, owner, guard);
  }

  /** A passive declaration, and how commands reach their queue. @throws BrokerError not-found, resource-locked */
  checkQueue(name: string, owner: object | null): Q {
    return queues.findQueue(this.#context, name, owner);
  }

  findExchange(name: string): Exchange<Q> | undefined {
    return this.#state.exchanges.get(name);
  }

  /** The queue of this name, whoever owns it. */
  findQueue(name: string): Q | undefined {
    return this.#state.queues.get(name);
  }

  /** Returns the number of ready messages. @throws BrokerError resource-locked, precondition-failed */
  deleteQueue(name: string, conditions: QueueDeletion, owner: object | null): number {
    return queues.deleteQueue(this.#context, name, conditions, owner);
  }

  /** As `deleteQueue`, for queues that may have very many messages or bindings. */
  deleteQueueInSteps(name: string, conditions: QueueDeletion, owner: object | null): Work<number> {
    return queues.deleteQueueInSteps(this.#context, name, conditions, owner);
  }

  /** Before the virtual host is deleted: its queues, streams and exchanges go one by one. */
  *emptyInSteps(): Work<void> {
    for (const { name, exclusiveOwner } of [...this.#state.queues.values()]) {
      yield* this.deleteQueueInSteps(name, { ifUnused: false, ifEmpty: false }, exclusiveOwner);
      yield;
    }
    for (const name of [...this.#state.exchanges.keys()]) {
      if (!isPredeclared(name)) yield* exchanges.deleteExchangeInSteps(this.#context, name, false);
      yield;
    }
  }

  /** Deletes a queue whatever its state: how an auto-delete queue goes. Returns the number of ready messages. */
  removeQueue(queue: Q): number {
    return queues.removeQueue(this.#context, queue);
  }

  hasExclusiveQueues(owner: object): boolean {
    return this.#state.queuesOf(owner).size > 0;
  }

  /** To be called when a connection ends: its exclusive queues go with it. Returns how many there were. */
  removeExclusiveQueues(owner: object): number {
    const owned = [...this.#state.queuesOf(owner)];
    for (const queue of owned) queues.removeQueue(this.#context, queue);
    return owned.length;
  }

  /** As `removeExclusiveQueues`. Those that are still there when it is their turn are removed. */
  *removeExclusiveQueuesInSteps(owner: object): Work<void> {
    for (const queue of [...this.#state.queuesOf(owner)]) {
      if (this.#state.queues.get(queue.name) === queue) queues.removeQueue(this.#context, queue);
      yield;
    }
  }

  /** @throws BrokerError access-refused, not-found, resource-locked, precondition-failed */
  bindQueue(request: bindings.BindingRequest, owner: object | null): void {
    bindings.bindQueue(this.#context, request, owner);
  }

  /** @throws BrokerError access-refused, resource-locked */
  unbindQueue(request: bindings.BindingRequest, owner: object | null): void {
    bindings.unbindQueue(this.#context, request, owner);
  }

  /** @throws BrokerError access-refused, not-found, precondition-failed */
  bindExchange(request: bindings.BindingRequest): void {
    bindings.bindExchange(this.#context, request);
  }

  /** @throws BrokerError access-refused */
  unbindExchange(request: bindings.BindingRequest): void {
    bindings.unbindExchange(this.#context, request);
  }

  queues(): IterableIterator<Q> {
    return this.#state.queues.values();
  }

  /** In force, for all that there is, when this returns. @throws BrokerError precondition-failed */
  setPolicy(request: PolicyRequest): Policy {
    return finished(policies.setPolicy(this.#context, 'policy', request));
  }

  /** Limits that hold whatever arguments and other policies say. @throws BrokerError precondition-failed */
  setOperatorPolicy(request: PolicyRequest): Policy {
    return finished(policies.setPolicy(this.#context, 'operator-policy', request));
  }

  /** @throws BrokerError not-found */
  clearPolicy(name: string): void {
    finished(policies.clearPolicy(this.#context, 'policy', name));
  }

  /** @throws BrokerError not-found */
  clearOperatorPolicy(name: string): void {
    finished(policies.clearPolicy(this.#context, 'operator-policy', name));
  }

  /** As `setPolicy` or `setOperatorPolicy`, in steps: there may be very many queues. */
  setPolicyInSteps(kind: PolicyKind, request: PolicyRequest): Work<Policy> {
    return policies.setPolicy(this.#context, kind, request);
  }

  clearPolicyInSteps(kind: PolicyKind, name: string): Work<void> {
    return policies.clearPolicy(this.#context, kind, name);
  }

  /** The one that counts most first. */
  listPolicies(): Policy[] {
    return this.#state.policies.list('policy');
  }

  listOperatorPolicies(): Policy[] {
    return this.#state.policies.list('operator-policy');
  }

  /** What they come to for a queue. */
  /** Policies that apply to nothing, for the log. */
  invalidPolicies(): ReturnType<Policies['invalid']> {
    return this.#state.policies.invalid();
  }

  policiesOf(queue: Q): AppliedPolicies {
    return appliedToQueue(this.#state.policies, queue);
  }

  /** The queue whose shard a new one of this name is to be in; null if no policy says so. */
  companionOf(name: string, args: Table): string | null {
    const { definition } = appliedToQueue(this.#state.policies, { name, arguments: args });
    const companion = definition['shard-with'];
    return typeof companion === 'string' ? companion : null;
  }

  policiesOfExchange(exchange: Exchange<Q>): AppliedPolicies {
    return appliedToExchange(this.#state.policies, exchange);
  }

  /** As `listExchanges`, one by one. */
  exchanges(): Iterable<listing.ExchangeInfo> {
    return listing.exchanges(this.name, this.#state);
  }

  listExchanges(): listing.ExchangeInfo[] {
    return [...listing.exchanges(this.name, this.#state)];
  }

  listQueues(): listing.QueueInfo[] {
    return listing.listQueues(this.name, this.#state);
  }

  /** As `listBindings`, one by one. */
  bindings(filter: listing.BindingFilter = {}): Iterable<listing.BindingInfo> {
    return listing.bindings(this.name, this.#state, filter);
  }

  listBindings(filter: listing.BindingFilter = {}): listing.BindingInfo[] {
    return [...listing.bindings(this.name, this.#state, filter)];
  }

  /** Recovery: repeats a journaled change, and journals nothing. */
  apply(operation: MetadataOperation): void {
    applyOperation(this.#context, operation);
  }

  /** As `apply`, while others go on. */
  applyInSteps(operation: MetadataOperation): Work<void> {
    return applyOperationInSteps(this.#context, operation);
  }

  /** Operations that make the durable part of this virtual host from a new one. */
  snapshot(): MetadataOperation[] {
    return snapshotOf(this.name, this.#state);
  }

  /** The end of the virtual host itself: its queues are removed, and nothing is journaled here. */
  dispose(): void {
    for (const queue of [...this.#state.queues.values()]) {
      this.#state.removeQueue(queue);
      queue.remove();
    }
    this.#state.dispose();
  }
}
