import { hashText } from './text-hash.ts';
import type { BindingPattern, ExchangeType, Router } from './type.ts';

/**
 * `x-modulus-hash`, of RabbitMQ's sharding plugin: the routing key's hash, modulo the number of bindings, chooses the
 * one that a message goes along. Nearly all keys move with the number of bindings.
 */
export const modulusHashExchange: ExchangeType = {
  name: 'x-modulus-hash',
  createRouter: <B extends BindingPattern>() => new ModulusHashRouter<B>(),
};

class ModulusHashRouter<B extends BindingPattern> implements Router<B> {
  readonly isKeyed = true;
  readonly takesEveryKey = false;
  readonly #bindings = new Set<B>();
  #sorted: readonly B[] | null = null;

  add(binding: B): void {
    this.#bindings.add(binding);
    this.#sorted = null;
  }

  remove(binding: B): void {
    this.#bindings.delete(binding);
    this.#sorted = null;
  }

  route(routingKey: string, _message: unknown, visit: (binding: B) => void): void {
    const binding = this.choose(routingKey);
    if (binding !== null) visit(binding);
  }

  choose(routingKey: string): B | null {
    // By name, and not in the order of their making, which a restart does not keep.
    this.#sorted ??= [...this.#bindings].sort(byDestination);
    return this.#sorted[hashText(routingKey) % this.#sorted.length] ?? null;
  }
}

function byDestination(a: BindingPattern, b: BindingPattern): number {
  return (
    compare(a.destinationKind, b.destinationKind) ||
    compare(a.destination.name, b.destination.name) ||
    compare(a.routingKey, b.routingKey)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
