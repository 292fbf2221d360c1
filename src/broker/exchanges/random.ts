import type { BindingPattern, ExchangeType, Router } from './type.ts';

/** `x-random`: each message goes along one of the bindings, whatever their keys. A queue bound twice is as likely again. */
export const randomExchange: ExchangeType = {
  name: 'x-random',
  createRouter: <B extends BindingPattern>() => new RandomRouter<B>(),
};

class RandomRouter<B extends BindingPattern> implements Router<B> {
  readonly isKeyed = false;
  readonly takesEveryKey = false;
  readonly isByChance = true;
  readonly #bindings: B[] = [];
  /** Where each binding is in `#bindings`. */
  readonly #positions = new Map<B, number>();

  add(binding: B): void {
    this.#positions.set(binding, this.#bindings.push(binding) - 1);
  }

  /** The last one takes the place that becomes free: the order is of no importance here. */
  remove(binding: B): void {
    const position = this.#positions.get(binding);
    const last = this.#bindings.at(-1);
    if (position === undefined || last === undefined) return;
    this.#bindings[position] = last;
    this.#positions.set(last, position);
    this.#bindings.pop();
    this.#positions.delete(binding);
  }

  route(_routingKey: string, _message: unknown, visit: (binding: B) => void): void {
    const binding = this.choose();
    if (binding !== null) visit(binding);
  }

  choose(): B | null {
    return this.#bindings[Math.floor(Math.random() * this.#bindings.length)] ?? null;
  }
}
