import type { Table } from '../../../base/value.ts';
import type { PolicyKind } from '../../policies/operator-policy.ts';
import type { Policy } from '../../policies/policy.ts';
import type { Queue } from '../../queues/queue.ts';
import type { Binding, Exchange } from '../../topology/exchange.ts';
import type { TopologyObserver } from '../../topology/topology-observer.ts';
import type { StreamExchanges } from './stream-exchanges.ts';

/** Tells the exchanges of streams what changes in a virtual host's topology; all of it goes on to `next`. */
export class StreamBindingsObserver implements TopologyObserver<Queue> {
  readonly #streamExchanges: StreamExchanges;
  readonly #vhost: string;
  readonly #next: TopologyObserver<Queue>;

  constructor(streamExchanges: StreamExchanges, vhost: string, next: TopologyObserver<Queue>) {
    this.#streamExchanges = streamExchanges;
    this.#vhost = vhost;
    this.#next = next;
  }

  exchangeAdded(exchange: Exchange<Queue>): void {
    this.#next.exchangeAdded(exchange);
  }

  exchangeRemoved(exchange: Exchange<Queue>): void {
    this.#next.exchangeRemoved(exchange);
  }

  exchangeConfigured(exchange: Exchange<Queue>, definition: Table): void {
    this.#streamExchanges.exchangeConfigured(this.#vhost, exchange, definition);
    this.#next.exchangeConfigured(exchange, definition);
  }

  queueAdded(queue: Queue): void {
    this.#next.queueAdded(queue);
  }

  queueRemoved(queue: Queue): void {
    this.#next.queueRemoved(queue);
  }

  bindingAdded(binding: Binding<Queue>): void {
    this.#streamExchanges.bindingAdded(binding);
    this.#next.bindingAdded(binding);
  }

  bindingRemoved(binding: Binding<Queue>): void {
    this.#streamExchanges.bindingRemoved(binding);
    this.#next.bindingRemoved(binding);
  }

  policySet(kind: PolicyKind, policy: Policy): void {
    this.#next.policySet(kind, policy);
  }

  policyCleared(kind: PolicyKind, name: string): void {
    this.#next.policyCleared(kind, name);
  }
}
