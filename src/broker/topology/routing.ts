import type { Table } from '../../base/value.ts';
import type { Binding } from './binding.ts';
import type { Exchange } from './exchange.ts';
import type { TopologyQueue } from './ports.ts';
import type { TopologyState } from './state.ts';

/** Where a message goes. */
export interface Route<Q extends TopologyQueue> {
  /** Each queue once. */
  readonly queues: readonly Q[];
  /** Whether it holds for every message with this exchange and routing key, as long as the version is the same. */
  readonly cacheable: boolean;
  /** The version of the virtual host for which it was worked out. */
  readonly version: number;
}

/** How many routes a virtual host remembers: keys can be made up without end. */
export const cachedRoutesMax = 16_384;

/** The headers are asked for only when a headers exchange is on the way. */
export function routeThrough<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  exchange: Exchange<Q>,
  routingKey: string,
  headers: () => Table | null,
): Route<Q> {
  // A change of the topology empties the cache, so that what is found in it holds.
  const cached = exchange.routes.get(routingKey);
  if (cached !== undefined) return cached;
  const route = workOut(state, exchange, routingKey, headers);
  // An exchange that was deleted may still be held by a caller, but no change would empty its cache.
  if (route.cacheable && state.exchanges.get(exchange.name) === exchange) {
    state.admitRoute(exchange, cachedRoutesMax);
    exchange.routes.set(routingKey, route);
  }
  return route;
}

function workOut<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  start: Exchange<Q>,
  routingKey: string,
  headers: () => Table | null,
): Route<Q> {
  const queues = new Set<Q>();
  // Exchanges to go through. Iteration also yields what is added meanwhile, each exchange once: cycles end.
  const exchanges = new Set<Exchange<Q>>([start]);
  let known: { readonly table: Table | null } | null = null;
  let cacheable = true;
  let matched = false;
  const visit = (binding: Binding<Q>): void => {
    matched = true;
    if (binding.destinationKind === 'queue') queues.add(binding.destination);
    else exchanges.add(binding.destination);
  };
  for (const exchange of exchanges) {
    if (exchange.isDefault) {
      const queue = state.queues.get(routingKey);
      if (queue !== undefined) queues.add(queue);
      continue;
    }
    if (exchange.type.usesHeaders) {
      cacheable = false;
      known ??= { table: headers() };
    }
    matched = false;
    exchange.router.route(routingKey, known === null ? null : known.table, visit);
    if (matched || exchange.alternate === null) continue;
    const alternate = state.exchanges.get(exchange.alternate);
    if (alternate !== undefined) exchanges.add(alternate);
  }
  return { queues: [...queues], cacheable, version: state.version };
}
