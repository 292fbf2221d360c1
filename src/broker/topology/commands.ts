import type { ExchangeTypes } from '../exchanges/registry.ts';
import type { QueueFactory, TopologyQueue } from '../queues/queue-port.ts';
import type { Binding } from './exchange.ts';
import type { MetadataLog, StreamFactory } from './ports.ts';
import type { TopologyState } from './state.ts';

/** What recovery needs of a virtual host. */
export interface RecoveryTarget<Q extends TopologyQueue> {
  readonly name: string;
  readonly state: TopologyState<Q>;
  readonly types: ExchangeTypes;
  readonly createQueue: QueueFactory<Q>;
}

/** What the commands of a virtual host work on. */
export interface CommandContext<Q extends TopologyQueue> extends RecoveryTarget<Q> {
  readonly log: MetadataLog;
  /** Without it there are no streams. */
  streamFactory: StreamFactory | null;
}

/**
 * An auto-delete exchange goes with the last binding from it (RabbitMQ; AMQP 0-9-1 leaves it open). With it go the
 * bindings that led to it, which may take the exchanges before it along.
 */
export function deleteUnusedSources<Q extends TopologyQueue>(
  { name: vhost, state, log }: CommandContext<Q>,
  removed: Iterable<Binding<Q>>,
): void {
  const candidates = Array.from(removed, (binding) => binding.source);
  for (let exchange = candidates.pop(); exchange !== undefined; exchange = candidates.pop()) {
    const present = state.exchanges.get(exchange.name) === exchange;
    if (!present || !exchange.autoDelete || exchange.outbound.size > 0) continue;
    for (const binding of state.removeExchange(exchange)) candidates.push(binding.source);
    if (exchange.durable) log.append({ op: 'exchange.delete', vhost, name: exchange.name });
  }
}
