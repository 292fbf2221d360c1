import type { RoutedMessage } from '../messages/property-codec.ts';
import { headersExchange } from './headers.ts';
import { topicExchange } from './topic.ts';
import type { BindingPattern, ExchangeType, Router } from './type.ts';

/**
 * The exchange that every stream has under its own name. What is published to it is appended to the stream, and what is
 * in the stream flows through its bindings: those with `x-match` are compared with the headers, all others with the
 * routing key, as by a topic exchange.
 */
export const streamExchange: ExchangeType = {
  name: 'x-stream',
  validateBinding(routingKey, args, exchangeArguments) {
    headersExchange.validateBinding?.(routingKey, args, exchangeArguments);
  },
  createRouter: <B extends BindingPattern>() => new StreamRouter<B>(),
};

class StreamRouter<B extends BindingPattern> implements Router<B> {
  readonly takesEveryKey = true;
  readonly #byKey = topicExchange.createRouter<B>({});
  readonly #byHeaders = headersExchange.createRouter<B>({});
  #headerBindings = 0;

  get isKeyed(): boolean {
    return this.#headerBindings === 0;
  }

  add(binding: B): void {
    if (looksAtHeaders(binding)) {
      this.#headerBindings++;
      this.#byHeaders.add(binding);
    } else {
      this.#byKey.add(binding);
    }
  }

  remove(binding: B): void {
    if (looksAtHeaders(binding)) {
      this.#headerBindings--;
      this.#byHeaders.remove(binding);
    } else {
      this.#byKey.remove(binding);
    }
  }

  route(routingKey: string, message: RoutedMessage, visit: (binding: B) => void): void {
    this.#byKey.route(routingKey, message, visit);
    if (this.#headerBindings > 0) this.#byHeaders.route(routingKey, message, visit);
  }
}

function looksAtHeaders(binding: BindingPattern): boolean {
  return Object.hasOwn(binding.arguments, 'x-match');
}
