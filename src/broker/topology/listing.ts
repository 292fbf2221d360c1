import type { Table } from '../../base/value.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { type QueueSettings, settingsFrom } from '../queues/queue-settings.ts';
import { appliedToExchange, appliedToQueue } from './apply-policies.ts';
import type { Binding, Exchange } from './exchange.ts';
import type { TopologyState } from './state.ts';

export interface ExchangeInfo {
  readonly vhost: string;
  readonly name: string;
  readonly type: string;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
  readonly arguments: Table;
  /** The name of the policy that counts for it. */
  readonly policy: string | null;
  /** By the argument or the policy. */
  readonly alternateExchange: string | null;
}

export interface QueueInfo {
  readonly vhost: string;
  readonly id: number;
  readonly name: string;
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Table;
  /** Both are null where only another shard knows. */
  readonly consumerCount: number | null;
  readonly readyCount: number | null;
  readonly policy: string | null;
  readonly operatorPolicy: string | null;
  /** What both policies say, merged. */
  readonly policyDefinition: Table;
  /** What that and the arguments come to. */
  readonly settings: QueueSettings;
}

export interface BindingInfo {
  readonly vhost: string;
  readonly source: string;
  readonly destinationKind: 'queue' | 'exchange';
  readonly destination: string;
  readonly routingKey: string;
  readonly arguments: Table;
}

/** Which bindings are asked for; what is left out is not filtered by. */
export interface BindingFilter {
  readonly source?: string;
  readonly destinationKind?: 'queue' | 'exchange';
  readonly destination?: string;
}

export function* exchanges<Q extends TopologyQueue>(
  vhost: string,
  state: TopologyState<Q>,
): Iterable<ExchangeInfo> {
  for (const exchange of state.exchanges.values()) {
    yield {
      vhost,
      name: exchange.name,
      type: exchange.type.name,
      durable: exchange.durable,
      autoDelete: exchange.autoDelete,
      internal: exchange.internal,
      arguments: exchange.arguments,
      policy: appliedToExchange(state.policies, exchange).policy?.name ?? null,
      alternateExchange: exchange.alternate,
    };
  }
}

export function listQueues<Q extends TopologyQueue>(vhost: string, state: TopologyState<Q>): QueueInfo[] {
  return Array.from(state.queues.values(), (queue) => {
    const { policy, operatorPolicy, definition } = appliedToQueue(state.policies, queue);
    return {
      vhost,
      id: queue.id,
      name: queue.name,
      durable: queue.durable,
      exclusive: queue.exclusiveOwner !== null,
      autoDelete: queue.autoDelete,
      arguments: queue.arguments,
      consumerCount: queue.counts?.consumers ?? null,
      readyCount: queue.counts?.ready ?? null,
      policy: policy?.name ?? null,
      operatorPolicy: operatorPolicy?.name ?? null,
      policyDefinition: definition,
      settings: settingsFrom(queue.arguments, definition),
    };
  });
}

/** As in RabbitMQ, every queue is listed with a binding from the default exchange under its name. */
export function* bindings<Q extends TopologyQueue>(
  vhost: string,
  state: TopologyState<Q>,
  filter: BindingFilter,
): Iterable<BindingInfo> {
  if ((filter.source ?? '') === '' && filter.destinationKind !== 'exchange') {
    for (const name of namesAmong(state.queues, filter.destination)) {
      const destinationKind = 'queue';
      yield { vhost, source: '', destinationKind, destination: name, routingKey: name, arguments: {} };
    }
  }
  for (const binding of candidates(state, filter)) {
    if (filter.destinationKind !== undefined && binding.destinationKind !== filter.destinationKind) continue;
    if (filter.destination !== undefined && binding.destination.name !== filter.destination) continue;
    yield {
      vhost,
      source: binding.source.name,
      destinationKind: binding.destinationKind,
      destination: binding.destination.name,
      routingKey: binding.routingKey,
      arguments: binding.arguments,
    };
  }
}

function* candidates<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  { source }: BindingFilter,
): Iterable<Binding<Q>> {
  for (const name of namesAmong(state.exchanges, source)) {
    yield* (state.exchanges.get(name) as Exchange<Q>).outbound.values();
  }
}

/** What is kept by name. */
interface Named {
  has(name: string): boolean;
  keys(): Iterable<string>;
}

function namesAmong(things: Named, name: string | undefined): Iterable<string> {
  if (name === undefined) return things.keys();
  return things.has(name) ? [name] : [];
}
