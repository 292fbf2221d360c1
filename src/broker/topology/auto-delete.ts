import type { TopologyQueue } from '../queues/queue-port.ts';
import { type CommandContext, logChange } from './commands.ts';
import type { Binding } from './exchange.ts';

/*
 * Of exchanges. An auto-delete queue goes with its last consumer: `Queue.removeConsumer` in queues/queue.ts says so, and
 * `removeQueue` in queue-commands.ts does it.
 */

/**
 * An auto-delete exchange goes with the last binding from it (RabbitMQ; AMQP 0-9-1 leaves it open). With it go the
 * bindings that led to it, which may take the exchanges before it along.
 */
export function deleteUnusedSources<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  removed: Iterable<Binding<Q>>,
): void {
  const { name: vhost, state } = ctx;
  const candidates = Array.from(removed, (binding) => binding.source);
  for (let exchange = candidates.pop(); exchange !== undefined; exchange = candidates.pop()) {
    const present = state.exchanges.get(exchange.name) === exchange;
    if (!present || !exchange.autoDelete || exchange.outbound.size > 0) continue;
    for (const binding of state.removeExchange(exchange)) candidates.push(binding.source);
    const { name, durable } = exchange;
    logChange(ctx, durable, () => ({ op: 'exchange.delete', vhost, name }));
  }
}
