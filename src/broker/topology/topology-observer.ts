import type { Table } from '../../base/value.ts';
import type { PolicyKind } from '../policies/operator-policy.ts';
import type { Policy } from '../policies/policy.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import type { Binding, Exchange } from './exchange.ts';

/** Told of each change of what exists, durable or not, when it has been made; also of those that recovery repeats. */
export interface TopologyObserver<Q extends TopologyQueue> {
  exchangeAdded(exchange: Exchange<Q>): void;
  exchangeRemoved(exchange: Exchange<Q>): void;
  /** What policies come to for the exchange, when that may have changed. */
  exchangeConfigured(exchange: Exchange<Q>, definition: Table): void;
  queueAdded(queue: Q): void;
  queueRemoved(queue: Q): void;
  bindingAdded(binding: Binding<Q>): void;
  bindingRemoved(binding: Binding<Q>): void;
  policySet(kind: PolicyKind, policy: Policy): void;
  policyCleared(kind: PolicyKind, name: string): void;
}
