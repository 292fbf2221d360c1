import { SlotMap } from '../../base/slot-map.ts';
import type { BindingPattern, ExchangeType, Router } from './type.ts';

/** AMQP 3.1.3.1: a message goes where the binding key equals its routing key. */
export const directExchange: ExchangeType = {
  name: 'direct',
  createRouter: <B extends BindingPattern>() => new DirectRouter<B>(),
};

class DirectRouter<B extends BindingPattern> implements Router<B> {
  readonly isKeyed = true;
  readonly takesEveryKey = true;
  readonly #byKey = new SlotMap<string, Set<B>>();

  add(binding: B): void {
    const bindings = this.#byKey.get(binding.routingKey);
    if (bindings === undefined) this.#byKey.set(binding.routingKey, new Set([binding]));
    else bindings.add(binding);
  }

  remove(binding: B): void {
    const bindings = this.#byKey.get(binding.routingKey);
    if (bindings === undefined) return;
    bindings.delete(binding);
    if (bindings.size === 0) this.#byKey.delete(binding.routingKey);
  }

  route(routingKey: string, _message: unknown, visit: (binding: B) => void): void {
    const bindings = this.#byKey.get(routingKey);
    if (bindings === undefined) return;
    for (const binding of bindings) visit(binding);
  }
}
