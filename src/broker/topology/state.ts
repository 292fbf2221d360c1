import { Policies } from '../policies/policies.ts';
import { Replies } from '../replies/replies.ts';
import { type Binding, bindingIdentity } from './binding.ts';
import type { Exchange } from './exchange.ts';
import { configureExchange, configureQueue } from './policy-commands.ts';
import type { TopologyObserver, TopologyQueue } from './ports.ts';

const none: ReadonlySet<never> = new Set();

/**
 * What exists in a virtual host, and its consistency: a binding is known at both of its ends or not at all, and goes
 * with either. No permission is checked here and nothing is journaled; commands and recovery both build on it.
 */
export class TopologyState<Q extends TopologyQueue> {
  readonly exchanges = new Map<string, Exchange<Q>>();
  readonly queues = new Map<string, Q>();
  readonly replies = new Replies();
  readonly policies = new Policies();
  /** Changes with everything that a route can depend on. */
  version = 1;
  readonly #toQueue = new Map<Q, Set<Binding<Q>>>();
  readonly #byOwner = new Map<object, Set<Q>>();
  /** Exchanges that hold cached routes. */
  readonly #warm = new Set<Exchange<Q>>();
  #cachedRoutes = 0;
  readonly observer: TopologyObserver<Q> | null;

  constructor(observer: TopologyObserver<Q> | null = null) {
    this.observer = observer;
  }

  addExchange(exchange: Exchange<Q>): void {
    this.exchanges.set(exchange.name, exchange);
    if (!this.policies.isEmpty) configureExchange(this, exchange);
    this.#changed();
    this.observer?.exchangeAdded(exchange);
  }

  /** Returns the bindings that led to the exchange and are gone with it. */
  removeExchange(exchange: Exchange<Q>): Binding<Q>[] {
    this.exchanges.delete(exchange.name);
    for (const binding of [...exchange.outbound.values()]) this.removeBinding(binding);
    const led = [...exchange.inbound];
    for (const binding of led) this.removeBinding(binding);
    this.#changed();
    this.observer?.exchangeRemoved(exchange);
    return led;
  }

  addQueue(queue: Q): void {
    this.queues.set(queue.name, queue);
    if (!this.policies.isEmpty) configureQueue(this, queue);
    const owner = queue.exclusiveOwner;
    if (owner !== null) addTo(this.#byOwner, owner, queue);
    this.#changed();
    this.observer?.queueAdded(queue);
  }

  /** Returns the bindings that led to the queue and are gone with it. */
  removeQueue(queue: Q): Binding<Q>[] {
    this.queues.delete(queue.name);
    const owner = queue.exclusiveOwner;
    if (owner !== null) removeFrom(this.#byOwner, owner, queue);
    const led = [...this.bindingsTo(queue)];
    for (const binding of led) this.removeBinding(binding);
    this.#changed();
    this.observer?.queueRemoved(queue);
    return led;
  }

  addBinding(binding: Binding<Q>): void {
    binding.source.outbound.set(identityOf(binding), binding);
    binding.source.router.add(binding);
    if (binding.destinationKind === 'exchange') binding.destination.inbound.add(binding);
    else addTo(this.#toQueue, binding.destination, binding);
    this.#changed();
    this.observer?.bindingAdded(binding);
  }

  removeBinding(binding: Binding<Q>): void {
    binding.source.outbound.delete(identityOf(binding));
    binding.source.router.remove(binding);
    if (binding.destinationKind === 'exchange') binding.destination.inbound.delete(binding);
    else removeFrom(this.#toQueue, binding.destination, binding);
    this.#changed();
    this.observer?.bindingRemoved(binding);
  }

  bindingsTo(queue: Q): ReadonlySet<Binding<Q>> {
    return this.#toQueue.get(queue) ?? none;
  }

  queuesOf(exclusiveOwner: object): ReadonlySet<Q> {
    return this.#byOwner.get(exclusiveOwner) ?? none;
  }

  /** Counts a route into the cache; when that is full it is emptied first. */
  admitRoute(exchange: Exchange<Q>, routesMax: number): void {
    if (this.#cachedRoutes >= routesMax) this.#forgetRoutes();
    this.#cachedRoutes++;
    this.#warm.add(exchange);
  }

  /** For what routes depend on outside of the topology. */
  invalidateRoutes(): void {
    this.#changed();
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

function identityOf<Q extends TopologyQueue>(binding: Binding<Q>): string {
  return bindingIdentity(
    binding.destinationKind,
    binding.destination.name,
    binding.routingKey,
    binding.arguments,
  );
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function removeFrom<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  set?.delete(value);
  if (set?.size === 0) sets.delete(key);
}
