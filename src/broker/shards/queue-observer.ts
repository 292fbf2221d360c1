import type { Table } from '../../base/value.ts';
import type { PolicyKind } from '../policies/operator-policy.ts';
import type { Policy } from '../policies/policy.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import type { Binding, Exchange } from '../topology/exchange.ts';
import type { TopologyObserver } from '../topology/topology-observer.ts';

/** Told of queues that come and go. */
export interface QueueCensus<Q> {
  added(queue: Q): void;
  removed(queue: Q): void;
}

/** Tells of queues alone, and another observer of everything. */
export class QueueObserver<Q extends TopologyQueue> implements TopologyObserver<Q> {
  readonly #census: QueueCensus<Q>;
  readonly #next: TopologyObserver<Q>;

  constructor(census: QueueCensus<Q>, next: TopologyObserver<Q>) {
    this.#census = census;
    this.#next = next;
  }

  queueAdded(queue: Q): void {
    this.#census.added(queue);
    this.#next.queueAdded(queue);
  }

  queueRemoved(queue: Q): void {
    this.#census.removed(queue);
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
