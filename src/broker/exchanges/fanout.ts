import type { BindingPattern, ExchangeType, Router } from './type.ts';

/** AMQP 3.1.3.2: a message goes along every binding, whatever its key. */
export const fanoutExchange: ExchangeType = {
  name: 'fanout',
  createRouter: <B extends BindingPattern>() => new FanoutRouter<B>(),
};

class FanoutRouter<B extends BindingPattern> implements Router<B> {
  readonly isKeyed = true;
  readonly takesEveryKey = false;
  readonly #bindings = new Set<B>();

  add(binding: B): void {
    this.#bindings.add(binding);
  }

  remove(binding: B): void {
    this.#bindings.delete(binding);
  }

  route(_routingKey: string, _message: unknown, visit: (binding: B) => void): void {
    for (const binding of this.#bindings) visit(binding);
  }
}
