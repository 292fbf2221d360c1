import type { Table } from '../../../src/base/value.ts';
import type { BindingPattern, ExchangeType, Router } from '../../../src/broker/exchanges/type.ts';
import type { NamedProperty, RoutedMessage } from '../../../src/broker/messages/property-codec.ts';

/** A binding to a queue. */
export function pattern(routingKey: string, args: Table = {}, queue = 'q'): BindingPattern {
  return { routingKey, arguments: args, destinationKind: 'queue', destination: { name: queue } };
}

export function message(
  headers: Table | null,
  properties: Partial<Record<NamedProperty, string>> = {},
): RoutedMessage {
  return { headers: () => headers, property: (name) => properties[name] ?? null };
}

export function newRouter(type: ExchangeType, args: Table = {}): Router<BindingPattern> {
  return type.createRouter<BindingPattern>(args);
}

/** The bindings that a message goes along. */
export function visited(
  router: Router<BindingPattern>,
  routingKey: string,
  routed: RoutedMessage = message(null),
): BindingPattern[] {
  const found: BindingPattern[] = [];
  router.route(routingKey, routed, (binding) => found.push(binding));
  return found;
}

/** The queue that a message goes to, of a type that chooses one; null for none. */
export function chosen(
  router: Router<BindingPattern>,
  routingKey: string,
  routed: RoutedMessage = message(null),
): string | null {
  const [binding, second] = visited(router, routingKey, routed);
  if (second !== undefined) throw new Error('more than one was chosen');
  return binding?.destination.name ?? null;
}
