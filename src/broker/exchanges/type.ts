import type { Table } from '../../base/value.ts';

/** What a router looks at in a binding. Where the binding leads is none of its business. */
export interface BindingPattern {
  readonly routingKey: string;
  readonly arguments: Table;
}

/** The bindings of one exchange, arranged so that the matching ones are found quickly. */
export interface Router<B extends BindingPattern> {
  /** The caller adds a binding once, and removes the same object. */
  add(binding: B): void;
  remove(binding: B): void;
  /**
   * Visits every binding that matches, each once, in no particular order. Bindings must not be added or removed
   * meanwhile. `headers` is null when the message has none, or when the type does not use them.
   */
  route(routingKey: string, headers: Table | null, visit: (binding: B) => void): void;
}

/** A way to route. A new one is a file with a value of this shape, handed to the registry. */
export interface ExchangeType {
  readonly name: string;
  /** Whether routing depends on anything but the routing key: such routes cannot be cached by key. */
  readonly usesHeaders: boolean;
  /** Throws a BrokerError if an exchange of this type cannot be declared with these arguments. */
  validate?(args: Table): void;
  /** Throws a BrokerError if this is not a binding that the type understands. */
  validateBinding?(routingKey: string, args: Table): void;
  createRouter<B extends BindingPattern>(): Router<B>;
}
