import type { ExchangeTypes } from '../exchanges/registry.ts';
import { SYSTEM_EXCHANGE_PREFIX } from '../policies/system-exchange.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { Exchange } from './exchange.ts';

/** Where messages go that are traced. */
export const traceExchangeName: string = `${SYSTEM_EXCHANGE_PREFIX}trace`;
/** Where the broker tells what happens in it. */
export const eventExchangeName: string = `${SYSTEM_EXCHANGE_PREFIX}event`;

/** For what happens in all virtual hosts there is one event exchange, in this one. */
export const eventVhostName = '/';

/** What every virtual host has from the start (AMQP 3.1.3, and RabbitMQ's own). */
const IN_EVERY_VHOST: readonly (readonly [name: string, type: string, internal: boolean])[] = [
  ['', 'direct', false],
  ['amq.direct', 'direct', false],
  ['amq.fanout', 'fanout', false],
  ['amq.topic', 'topic', false],
  ['amq.headers', 'headers', false],
  ['amq.match', 'headers', false],
  [traceExchangeName, 'topic', true],
];

/** The exchanges that a virtual host has from the start. */
export function predeclaredExchanges<Q extends TopologyQueue>(
  vhost: string,
  types: ExchangeTypes,
): Exchange<Q>[] {
  const own = vhost === eventVhostName ? [[eventExchangeName, 'topic', true] as const] : [];
  return [...IN_EVERY_VHOST, ...own].map(
    ([name, type, internal]) =>
      new Exchange<Q>({
        name,
        type: types.get(type),
        durable: true,
        autoDelete: false,
        internal,
        arguments: {},
      }),
  );
}

/** Nobody can declare or delete these, so they are in no journal either. */
export function isPredeclared(name: string): boolean {
  return name === '' || name.startsWith('amq.');
}
