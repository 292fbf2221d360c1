import type { BindingPattern, ExchangeType, Router } from './type.ts';

/** `x-round-robin`: each message goes along the next of the bindings, in the order in which they were made. */
export const roundRobinExchange: ExchangeType = {
  name: 'x-round-robin',
  createRouter: <B extends BindingPattern>() => new RoundRobinRouter<B>(),
};

class RoundRobinRouter<B extends BindingPattern> implements Router<B> {
  readonly isKeyed = false;
  readonly takesEveryKey = false;
  readonly isByChance = true;
  readonly #bindings: B[] = [];
  #next = 0;

  add(binding: B): void {
    this.#bindings.push(binding);
  }

  /** Whose turn it is does not change, unless it was that binding's. */
  remove(binding: B): void {
    const position = this.#bindings.indexOf(binding);
    if (position < 0) return;
    this.#bindings.splice(position, 1);
    if (position < this.#next) this.#next--;
  }

  route(_routingKey: string, _message: unknown, visit: (binding: B) => void): void {
    const binding = this.choose();
    if (binding !== null) visit(binding);
  }

  choose(): B | null {
    if (this.#bindings.length === 0) return null;
    if (this.#next >= this.#bindings.length) this.#next = 0;
    return this.#bindings[this.#next++];
  }
}
