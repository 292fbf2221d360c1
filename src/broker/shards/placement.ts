import type { Table } from '../../base/value.ts';
import type { PolicyKind } from '../policies/operator-policy.ts';
import type { Policy } from '../policies/policy.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import type { Placement } from '../topology/commands.ts';
import type { QueueDeclaration } from '../topology/declarations.ts';
import type { Binding, Exchange } from '../topology/exchange.ts';
import type { TopologyObserver } from '../topology/topology-observer.ts';

/** The argument that says where a queue is to be: a number, of which the rest by the number of shards counts. */
export const SHARD_ARGUMENT = 'x-shard';

/** What placement knows of a virtual host. */
export interface PlacedQueues {
  /** The shard of this queue; null if there is none. */
  shardOf(vhost: string, queue: string): number | null;
  /** The queue that policies want one of this name to be with; null if none says so. */
  companionOf(vhost: string, queue: string, args: Table): string | null;
}

/**
 * Where new queues are put: those that end with their connection, or with the broker, where the connection is; others where they
 * are told to be, or else where the fewest are.
 */
export class LeastQueues implements Placement {
  readonly #counts: number[];
  readonly #placed: PlacedQueues;

  constructor(shards: number, placed: PlacedQueues) {
    this.#counts = new Array<number>(shards).fill(0);
    this.#placed = placed;
  }

  place(vhost: string, declaration: QueueDeclaration): number {
    const { name, durable, autoDelete, arguments: args, shard: own = 0 } = declaration;
    const count = this.#counts.length;
    const wanted = args[SHARD_ARGUMENT];
    if (typeof wanted === 'number' || typeof wanted === 'bigint')
      return Number(BigInt(wanted) % BigInt(count));
    const companion = this.#placed.companionOf(vhost, name, args);
    const there = companion === null ? null : this.#placed.shardOf(vhost, companion);
    if (there !== null) return there;
    if (!durable || autoDelete) return own;
    return this.#least(own);
  }

  changed(shard: number, difference: 1 | -1): void {
    this.#counts[shard] += difference;
  }

  /** Of several with as few, that of the connection. */
  #least(own: number): number {
    const counts = this.#counts;
    let least = own;
    for (let shard = 0; shard < counts.length; shard++) if (counts[shard] < counts[least]) least = shard;
    return least;
  }
}

/** Counts queues for placement, and tells another observer of everything. */
export class PlacementObserver<Q extends TopologyQueue> implements TopologyObserver<Q> {
  readonly #placement: LeastQueues;
  readonly #next: TopologyObserver<Q>;

  constructor(placement: LeastQueues, next: TopologyObserver<Q>) {
    this.#placement = placement;
    this.#next = next;
  }

  queueAdded(queue: Q): void {
    this.#placement.changed(queue.shard, 1);
    this.#next.queueAdded(queue);
  }

  queueRemoved(queue: Q): void {
    this.#placement.changed(queue.shard, -1);
    this.#next.queueRemoved(queue);
  }

  exchangeAdded(exchange: Exchange<Q>): void {
    this.#next.exchangeAdded(exchange);
  }

  exchangeRemoved(exchange: Exchange<Q>): void {
    this.#next.exchangeRemoved(exchange);
  }

  exchangeConfigured(exchange: Exchange<Q>, definition: Table): void {
    this.#next.exchangeConfigured(exchange, definition);
  }

  bindingAdded(binding: Binding<Q>): void {
    this.#next.bindingAdded(binding);
  }

  bindingRemoved(binding: Binding<Q>): void {
    this.#next.bindingRemoved(binding);
  }

  policySet(kind: PolicyKind, policy: Policy): void {
    this.#next.policySet(kind, policy);
  }

  policyCleared(kind: PolicyKind, name: string): void {
    this.#next.policyCleared(kind, name);
  }
}
