import type { Table, Value } from '../../base/value.ts';
import { isTable } from '../../base/value-equality.ts';
import { valueToJson } from '../../base/value-json.ts';
import type { Exchange } from './exchange.ts';
import type { TopologyQueue } from './ports.ts';

export type Binding<Q extends TopologyQueue> = QueueBinding<Q> | ExchangeBinding<Q>;

export interface QueueBinding<Q extends TopologyQueue> {
  readonly destinationKind: 'queue';
  readonly source: Exchange<Q>;
  readonly destination: Q;
  readonly routingKey: string;
  readonly arguments: Table;
}

export interface ExchangeBinding<Q extends TopologyQueue> {
  readonly destinationKind: 'exchange';
  readonly source: Exchange<Q>;
  readonly destination: Exchange<Q>;
  readonly routingKey: string;
  readonly arguments: Table;
}

/** A binding outlives a restart only if there is something at both of its ends. */
export function isDurable<Q extends TopologyQueue>(binding: Binding<Q>): boolean {
  return binding.source.durable && binding.destination.durable;
}

/**
 * Two bindings of one exchange are the same if they agree in destination, routing key and arguments; the order of
 * the arguments does not count.
 */
export function bindingIdentity(
  destinationKind: 'queue' | 'exchange',
  destination: string,
  routingKey: string,
  args: Table,
): string {
  return JSON.stringify([destinationKind, destination, routingKey, valueToJson(sorted(args))]);
}

function sorted(value: Value): Value {
  if (typeof value === 'bigint' && BigInt(Number(value)) === value) return Number(value);
  if (Array.isArray(value)) return value.map(sorted);
  if (!isTable(value)) return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sorted(value[key])]));
}
