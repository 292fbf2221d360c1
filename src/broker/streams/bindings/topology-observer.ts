import type { Table } from '../../../base/value.ts';
import type { PolicyKind } from '../../policies/operator-policy.ts';
import type { Policy } from '../../policies/policy.ts';
import type { AnyQueue } from '../../queues/any-queue.ts';
import type { Binding, Exchange } from '../../topology/exchange.ts';
import type { TopologyObserver } from '../../topology/topology-observer.ts';
import type { StreamExchanges } from './stream-exchanges.ts';

/** Tells the exchanges of streams what changes in a virtual host's topology; all of it goes on to `next`. */
export class StreamBindingsObserver implements TopologyObserver<AnyQueue> {
  readonly #streamExchanges: StreamExchanges;
  readonly #vhost: string;
  readonly #next: TopologyObserver<AnyQueue>;

  constructor(streamExchanges: StreamExchanges, vhost: string, next: TopologyObserver<AnyQueue>) {
    this.#streamExchanges = streamExchanges;
    this.#vhost = vhost;
    this.#next = next;
  }

  exchangeAdded(exchange: Exchange<AnyQueue>): void {
    this.#next.exchangeAdded(exchange);
  }

  exchangeRemoved(exchange: Exchange<AnyQueue>): void {
    this.#next.exchangeRemoved(exchange);
  }

  exchangeConfigured(exchange: Exchange<AnyQueue>, definition: Table): void {
    this.#streamExchanges.exchangeConfigured(this.#vhost, exchange, definition);
    this.#next.exchangeConfigured(exchange, definition);
  }

  queueAdded(queue: AnyQueue): void {
    this.#next.queueAdded(queue);
  }

  queueRemoved(queue: AnyQueue): void {
    this.#next.queueRemoved(queue);
  }

  bindingAdded(binding: Binding<AnyQueue>): void {
    this.#streamExchanges.bindingAdded(binding);
    this.#next.bindingAdded(binding);
  }

  bindingRemoved(binding: Binding<AnyQueue>): void {
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
