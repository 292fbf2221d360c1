import type { Table, Value } from '../../base/value.ts';
import { erlangText, typeName } from '../../base/value-text.ts';
import { BrokerError } from '../errors.ts';
import type { NamedProperty, RoutedMessage } from '../messages/property-codec.ts';
import { hashedText, hashText, mix } from './text-hash.ts';
import type { BindingPattern, ExchangeType, Router } from './type.ts';

/**
 * `x-consistent-hash`: each message goes to one destination, the same for the same routing key (or header, or property).
 * The binding key is a weight: a destination bound with '2' gets twice what one bound with '1' gets.
 */
export const consistentHashExchange: ExchangeType = {
  name: 'x-consistent-hash',
  validate,
  validateBinding,
  createRouter: <B extends BindingPattern>(args: Table) => new ConsistentHashRouter<B>(hashedPart(args)),
};

/** How the message's part is named in the argument `hash-property`, and in the port to its codec. */
const PROPERTIES: Readonly<Record<string, NamedProperty>> = {
  message_id: 'message-id',
  correlation_id: 'correlation-id',
  timestamp: 'timestamp',
};

/** Null for the routing key. */
type HashedPart = { readonly header: string } | { readonly property: NamedProperty } | null;

interface Destination<B> {
  readonly seed: number;
  readonly name: string;
  /** The same destination may be bound several times: then its weights add up. */
  readonly bindings: Set<B>;
  weight: number;
}

const SLOT_COUNT = 1 << 16;
const UNKNOWN = -1;

/**
 * Weighted rendezvous hashing (Thaler, Ravishankar 1998). A key belongs to one of 65,536 slots; for a slot every
 * destination draws a number from its own name, and the lowest, divided by weight, wins. The draws of the others do
 * not change with a destination that comes or goes: it takes or leaves its share, and no other key moves. There is
 * nothing to store either: after a restart the same names draw the same numbers.
 *
 *     key ─ hash ─▶ slot ─▶ owner, or UNKNOWN: then the destinations draw, and the slot remembers who won
 */
class ConsistentHashRouter<B extends BindingPattern> implements Router<B> {
  readonly isKeyed: boolean;
  readonly takesEveryKey = false;
  readonly #part: HashedPart;
  readonly #byName = new Map<string, Destination<B>>();
  #destinations: readonly Destination<B>[] = [];
  /** Indexes into `#destinations`. Made when there is something to choose from. */
  #owners: Int32Array | null = null;
  /** The slots whose owner is known: mostly a few of all, where destinations come and go. */
  #knownSlots: number[] = [];
  /** Destinations came or went since a message was routed. */
  #isStale = false;

  constructor(part: HashedPart) {
    this.#part = part;
    this.isKeyed = part === null;
  }

  add(binding: B): void {
    const name = destinationName(binding);
    let destination = this.#byName.get(name);
    if (destination === undefined) {
      destination = { seed: hashText(name), name, bindings: new Set(), weight: 0 };
      this.#byName.set(name, destination);
    }
    destination.bindings.add(binding);
    destination.weight += weightOf(binding);
    this.#isStale = true;
  }

  remove(binding: B): void {
    const destination = this.#byName.get(destinationName(binding));
    if (destination?.bindings.delete(binding) !== true) return;
    destination.weight -= weightOf(binding);
    if (destination.bindings.size === 0) this.#byName.delete(destination.name);
    this.#isStale = true;
  }

  route(routingKey: string, message: RoutedMessage, visit: (binding: B) => void): void {
    const binding = this.choose(routingKey, message);
    if (binding !== null) visit(binding);
  }

  choose(routingKey: string, message: RoutedMessage): B | null {
    if (this.#isStale) this.#refresh();
    const destinations = this.#destinations;
    if (destinations.length === 0) return null;
    const index = destinations.length === 1 ? 0 : this.#ownerOf(this.#hash(routingKey, message));
    // All bindings of a destination lead to the same place.
    for (const binding of destinations[index].bindings) return binding;
    return null;
  }

  /** A message without the header or property hashes as an empty one: all of these go to one destination. */
  #hash(routingKey: string, message: RoutedMessage): number {
    const part = this.#part;
    if (part === null) return hashText(routingKey);
    if ('property' in part) return hashText(message.property(part.property) ?? '');
    return hashText(hashedText(message.headers()?.[part.header]));
  }

  #ownerOf(hash: number): number {
    const owners = (this.#owners ??= new Int32Array(SLOT_COUNT).fill(UNKNOWN));
    const slot = hash & (SLOT_COUNT - 1);
    const known = owners[slot];
    if (known !== UNKNOWN) return known;
    const owner = this.#draw(slot);
    owners[slot] = owner;
    this.#knownSlots.push(slot);
    return owner;
  }

  /** The least of exponentially distributed numbers falls to each with a chance proportional to its rate. */
  #draw(slot: number): number {
    const destinations = this.#destinations;
    const slotHash = mix(slot + 1);
    let winner = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < destinations.length; index++) {
      const { seed, weight } = destinations[index];
      const uniform = (mix(seed ^ slotHash) + 0.5) / 0x100000000;
      const drawn = -Math.log(uniform) / weight;
      if (drawn >= least) continue;
      least = drawn;
      winner = index;
    }
    return winner;
  }

  #refresh(): void {
    this.#isStale = false;
    // In the order of the names, so that even a draw with two winners ends the same after a restart.
    this.#destinations = [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (this.#owners === null) return;
    for (const slot of this.#knownSlots) this.#owners[slot] = UNKNOWN;
    this.#knownSlots = [];
  }
}

function destinationName(binding: BindingPattern): string {
  return `${binding.destinationKind} ${binding.destination.name}`;
}

function weightOf(binding: BindingPattern): number {
  return Number(binding.routingKey);
}

function hashedPart(args: Table): HashedPart {
  const header = args['hash-header'];
  if (typeof header === 'string') return { header };
  const property = args['hash-property'];
  return typeof property === 'string' ? { property: PROPERTIES[property] } : null;
}

/** The texts are those of RabbitMQ's plugin; where a type is wrong, it ends the connection with an internal error. */
function validate(args: Table): void {
  const hasHeader = Object.hasOwn(args, 'hash-header');
  const hasProperty = Object.hasOwn(args, 'hash-property');
  if (hasHeader && hasProperty) {
    throw new BrokerError('precondition-failed', 'hash-header and hash-property are mutually exclusive');
  }
  for (const name of ['hash-header', 'hash-property']) {
    if (!Object.hasOwn(args, name) || typeof args[name] === 'string') continue;
    const type = typeName(args[name] as Value);
    throw new BrokerError('precondition-failed', `invalid type '${type}' for arg '${name}'`);
  }
  const property = args['hash-property'];
  if (typeof property === 'string' && !Object.hasOwn(PROPERTIES, property)) {
    throw new BrokerError('precondition-failed', `Unsupported property: ${property}`);
  }
}

function validateBinding(routingKey: string): void {
  if (!/^[+-]?[0-9]+$/.test(routingKey)) {
    throw new BrokerError(
      'precondition-failed',
      `The binding key must be an integer: ${routingKey === '' ? '<<>>' : erlangText(routingKey)}`,
    );
  }
  if (Number(routingKey) < 1) {
    throw new BrokerError('precondition-failed', 'The binding key must be greater than 0');
  }
}
