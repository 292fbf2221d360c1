import { BrokerError } from '../errors.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import type { StreamPort } from './ports.ts';
import type { TopologyState } from './state.ts';

/*
 * The default exchange, whose name is empty (AMQP 3.1.3.1): every queue and stream is bound to it by its name, and
 * nobody can declare, delete or bind it.
 */

/** Adds what has one of these names: the queue, or else the stream, unless its exchange is internal. */
export function reachByName<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  names: readonly string[],
  queues: Set<Q>,
  streams: Set<StreamPort>,
): void {
  for (const name of names) {
    const queue = state.queues.get(name);
    const exchange = queue === undefined ? state.exchanges.get(name) : undefined;
    if (queue !== undefined) queues.add(queue);
    else if (exchange !== undefined && exchange.stream !== null && !exchange.internal)
      streams.add(exchange.stream);
  }
}

/** @throws BrokerError access-refused, in RabbitMQ's words */
export function refuseDefaultExchange(name: string): void {
  if (name === '') {
    throw new BrokerError('access-refused', 'operation not permitted on the default exchange');
  }
}
