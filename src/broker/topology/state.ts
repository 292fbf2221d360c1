import { SlotMap } from '../../base/slot-map.ts';
import type { ObjectAccount } from '../budget/object-account.ts';
import type { ObjectKind } from '../budget/object-kinds.ts';
import { streamExchange } from '../exchanges/stream.ts';
import type { PolicyKind } from '../policies/operator-policy.ts';
import { Policies } from '../policies/policies.ts';
import type { ActivePolicy, Policy } from '../policies/policy.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { configureExchange, configureQueue } from './apply-policies.ts';
import { DirectReplyConsumers } from './direct-reply.ts';
import { type Binding, bindingIdentity, type Exchange } from './exchange.ts';
import type { RightsPort } from './ports.ts';
import { isPredeclared } from './predeclared-exchanges.ts';
import type { Route } from './route.ts';
import type { TopologyObserver } from './topology-observer.ts';

/** One of these came (1) or went (-1). */
export type CountObject = (kind: ObjectKind, account: ObjectAccount | null, difference: 1 | -1) => void;

const none: ReadonlySet<never> = new Set();

/** No virtual host ever has this version. */
const OUTDATED = 0;

/**
 * What exists in a virtual host, and its consistency: a binding is known at both of its ends or not at all, and goes
 * with either. No permission is checked here and nothing is journaled; commands and recovery both build on it.
 */
export class TopologyState<Q extends TopologyQueue> {
  readonly exchanges = new SlotMap<string, Exchange<Q>>();
  readonly queues = new SlotMap<string, Q>();
  readonly directReplies = new DirectReplyConsumers();
  readonly policies = new Policies();
  /** Changes with everything that a route can depend on, but for queues that nothing is bound to: see `#nameChanged`. */
  version = 1;
  /** By the id of the queue. */
  readonly #toQueue = new SlotMap<number, Set<Binding<Q>>>();
  readonly #byOwner = new Map<object, Set<Q>>();
  /** Exchanges that hold cached routes. */
  readonly #warm = new Set<Exchange<Q>>();
  #cachedRoutes = 0;
  readonly observer: TopologyObserver<Q> | null;
  readonly #count: CountObject;

  /** The name of the virtual host. */
  readonly vhost: string;
  /** Null where there are no users. */
  readonly rights: RightsPort | null;

  constructor(
    observer: TopologyObserver<Q> | null = null,
    vhost = '',
    rights: RightsPort | null = null,
    count: CountObject = () => undefined,
  ) {
    this.observer = observer;
    this.#count = count;
    this.vhost = vhost;
    this.rights = rights;
  }

  /** Whether something that a user declared may lead to an exchange with these routing keys; null is an operator. */
  mayLeadTo(user: string | null, { name, type }: Exchange<Q>, routingKeys: readonly string[]): boolean {
    if (user === null || this.rights === null) return true;
    return this.rights.mayStillWrite(user, this.vhost, name, type.name === 'topic' ? routingKeys : null);
  }

  addExchange(exchange: Exchange<Q>): void {
    this.exchanges.set(exchange.name, exchange);
    if (isCounted(exchange)) this.#count('exchanges', exchange.account, 1);
    if (!this.policies.isEmpty) configureExchange(this, exchange);
    this.#changed();
    this.observer?.exchangeAdded(exchange);
  }

  /** Returns the bindings that led to the exchange and are gone with it. */
  removeExchange(exchange: Exchange<Q>): Binding<Q>[] {
    this.exchanges.delete(exchange.name);
    if (isCounted(exchange)) this.#count('exchanges', exchange.account, -1);
    for (const binding of [...exchange.outbound.values()]) this.removeBinding(binding);
    const led = [...exchange.inbound];
    for (const binding of led) this.removeBinding(binding);
    this.#changed();
    this.observer?.exchangeRemoved(exchange);
    return led;
  }

  addQueue(queue: Q): void {
    this.queues.set(queue.name, queue);
    this.#count('queues', queue.account ?? null, 1);
    if (!this.policies.isEmpty) configureQueue(this.policies, queue);
    const owner = queue.exclusiveOwner;
    if (owner !== null) addTo(this.#byOwner, owner, queue);
    this.#nameChanged(queue.name);
    this.observer?.queueAdded(queue);
  }

  /** Returns the bindings that led to the queue and are gone with it. */
  removeQueue(queue: Q): Binding<Q>[] {
    this.queues.delete(queue.name);
    this.#count('queues', queue.account ?? null, -1);
    const owner = queue.exclusiveOwner;
    if (owner !== null) removeFrom(this.#byOwner, owner, queue);
    const led = [...this.bindingsTo(queue)];
    for (const binding of led) this.removeBinding(binding);
    this.#nameChanged(queue.name);
    this.observer?.queueRemoved(queue);
    return led;
  }

  addBinding(binding: Binding<Q>): void {
    binding.source.outbound.set(identityOf(binding), binding);
    this.#count('bindings', binding.account ?? null, 1);
    binding.source.router.add(binding);
    if (binding.destinationKind === 'exchange') binding.destination.inbound.add(binding);
    else addTo(this.#toQueue, binding.destination.id, binding);
    this.#changed();
    this.observer?.bindingAdded(binding);
  }

  removeBinding(binding: Binding<Q>): void {
    binding.source.outbound.delete(identityOf(binding));
    this.#count('bindings', binding.account ?? null, -1);
    binding.source.router.remove(binding);
    if (binding.destinationKind === 'exchange') binding.destination.inbound.delete(binding);
    else removeFrom(this.#toQueue, binding.destination.id, binding);
    this.#changed();
    this.observer?.bindingRemoved(binding);
  }

  /** Returns those that are in force no more, and those that are from now on. */
  setPolicy(kind: PolicyKind, policy: Policy): ActivePolicy[] {
    if (!this.policies.has(kind, policy.name)) this.#count('policies', null, 1);
    return this.policies.set(kind, policy);
  }

  clearPolicy(kind: PolicyKind, name: string): ActivePolicy[] {
    if (this.policies.has(kind, name)) this.#count('policies', null, -1);
    return this.policies.clear(kind, name);
  }

  /** The virtual host ends: nothing of it counts any more. Its queues are gone. */
  dispose(): void {
    for (const exchange of this.exchanges.values()) {
      if (isCounted(exchange)) this.#count('exchanges', exchange.account, -1);
      for (const { account } of exchange.outbound.values()) this.#count('bindings', account ?? null, -1);
    }
    for (const kind of ['policy', 'operator-policy'] as const) {
      for (const { name } of this.policies.list(kind)) this.clearPolicy(kind, name);
    }
  }

  bindingsTo(queue: Q): ReadonlySet<Binding<Q>> {
    return this.#toQueue.get(queue.id) ?? none;
  }

  queuesOf(exclusiveOwner: object): ReadonlySet<Q> {
    return this.#byOwner.get(exclusiveOwner) ?? none;
  }

  /** Remembers a route; when the cache is full it is emptied first. */
  rememberRoute(exchange: Exchange<Q>, key: string, route: Route<Q>, routesMax: number): void {
    if (this.#cachedRoutes >= routesMax) {
      // Nobody may go on with routes that would not be found here any more when they have to end.
      this.#changed();
      route.version = this.version;
    }
    this.#cachedRoutes++;
    this.#warm.add(exchange);
    exchange.routes.set(key, route);
  }

  /** For what routes depend on outside of the topology. */
  invalidateRoutes(): void {
    this.#changed();
  }

  /**
   * A queue that nothing is bound to came or went. Many clients have one of their own, so that it happens all the time,
   * and it is no reason to forget every route: only the default exchange leads there, by the queue's name. Routes of
   * other exchanges that reach it there, as their alternate, are never remembered.
   */
  #nameChanged(name: string): void {
    const routes = this.exchanges.get('')?.routes;
    const route = routes?.get(name);
    if (route === undefined) return;
    route.version = OUTDATED;
    routes?.delete(name);
    this.#cachedRoutes--;
  }

  #changed(): void {
    this.version++;
    if (this.#cachedRoutes > 0) this.#forgetRoutes();
  }

  #forgetRoutes(): void {
    for (const exchange of this.#warm) exchange.routes.clear();
    this.#warm.clear();
    this.#cachedRoutes = 0;
  }
}

/** What is there by itself, or is a stream, which is counted as one. */
function isCounted<Q extends TopologyQueue>({ name, type }: Exchange<Q>): boolean {
  return type !== streamExchange && !isPredeclared(name);
}

function identityOf<Q extends TopologyQueue>(binding: Binding<Q>): string {
  return bindingIdentity(
    binding.destinationKind,
    binding.destination.name,
    binding.routingKey,
    binding.arguments,
  );
}

interface Sets<K, V> {
  get(key: K): Set<V> | undefined;
  set(key: K, set: Set<V>): unknown;
  delete(key: K): boolean;
}

function addTo<K, V>(sets: Sets<K, V>, key: K, value: V): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function removeFrom<K, V>(sets: Sets<K, V>, key: K, value: V): void {
  const set = sets.get(key);
  set?.delete(value);
  if (set?.size === 0) sets.delete(key);
}
