import type { Table } from '../../base/value.ts';
import type { RoutedMessage } from '../messages/property-codec.ts';

/** What a router looks at in a binding. Of where it leads it may know the name, and no more. */
export interface BindingPattern {
  readonly routingKey: string;
  readonly arguments: Table;
  readonly destinationKind: 'queue' | 'exchange';
  readonly destination: { readonly name: string };
}

/** The bindings of one exchange, arranged so that the matching ones are found quickly. */
export interface Router<B extends BindingPattern> {
  /**
   * Whether the bindings that match depend on the routing key alone, until one is added or removed. Only then may
   * routes be remembered by key.
   */
  readonly isKeyed: boolean;
  /**
   * Whether each of several routing keys counts (CC and BCC), as for types that compare it with the binding keys. To
   * others a message with several keys is one message: they are asked once, with the first.
   */
  readonly takesEveryKey: boolean;
  /** Set if the same message may go another way the next time. */
  readonly isByChance?: true;
  /** The caller adds a binding once, and removes the same object. */
  add(binding: B): void;
  remove(binding: B): void;
  /**
   * Visits every binding that matches, each once, in no particular order. Bindings must not be added or removed
   * meanwhile.
   */
  route(routingKey: string, message: RoutedMessage, visit: (binding: B) => void): void;
  /** How many steps the last `route` took, of types for which it can be many. */
  readonly routeSteps?: number;
  /** Why a binding with this key cannot be added: the messages of others would be held up. Null if it can. */
  refusal?(routingKey: string): string | null;
  /**
   * For types that choose one binding for each message: the one that `route` would visit, or null. Routes through them
   * are remembered by where they lead, so that many different keys do not matter.
   */
  choose?(routingKey: string, message: RoutedMessage): B | null;
}

/** A way to route. A new one is a file with a value of this shape, handed to the registry. */
export interface ExchangeType {
  readonly name: string;
  /** Arguments in which a second declaration must agree with the first. */
  readonly comparedArguments?: readonly string[];
  /** Whether a message that asks for it waits before it is routed. */
  readonly delays?: boolean;
  /** Throws a BrokerError if an exchange of this type cannot be declared with these arguments. */
  validate?(args: Table): void;
  /** Throws a BrokerError if this is not a binding that an exchange with these arguments understands. */
  validateBinding?(routingKey: string, args: Table, exchangeArguments: Table): void;
  createRouter<B extends BindingPattern>(exchangeArguments: Table): Router<B>;
}
