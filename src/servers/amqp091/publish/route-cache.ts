import { BrokerError } from '../../../broker/errors.ts';
import { extraKeys } from '../../../broker/messages/cc-bcc.ts';
import { KEY_HEADER } from '../../../broker/messages/mapping-headers.ts';
import type { RoutedMessage } from '../../../broker/messages/property-codec.ts';
import type { AnyQueue } from '../../../broker/queues/any-queue.ts';
import type { Exchange } from '../../../broker/topology/exchange.ts';
import type { Route, RouteVersion } from '../../../broker/topology/route.ts';
import { ROUTE_STEPS_MAX } from '../../../broker/topology/routing.ts';
import type { VirtualHost } from '../../../broker/topology/virtual-host.ts';
import { readShortString } from '../../../wire/amqp091/short-strings.ts';
import type { Permissions } from '../connection/permissions.ts';

interface ResolvedAddress {
  readonly exchange: Exchange<AnyQueue>;
  readonly routingKey: string;
}

interface CachedRoute extends ResolvedAddress {
  /** As in basic.publish: length octet, exchange, length octet, routing key. */
  readonly address: Buffer;
  readonly route: Route<AnyQueue>;
}

/** A message for so many queues takes no longer than a few messages for one. */
export const CHEAP_QUEUES_MAX = 16;
const SLOT_COUNT = 256;
const HASHED_BYTES_MAX = 16;
/** Up to this many bytes a loop is quicker than a call of Buffer.compare. */
const LOOP_BYTES_MAX = 64;

/**
 * From the bytes of exchange and routing key to the route, without making strings of them: the last one used, then a
 * direct-mapped table by a hash of the bytes, then the virtual host. Permissions are checked when an entry is made; it
 * holds until the topology or any permission in the virtual host changes (`RouteVersion`).
 */
export class RouteCache {
  readonly #vhost: VirtualHost<AnyQueue>;
  readonly #current: RouteVersion;
  readonly #permissions: Permissions;
  /** Since this was last false a route had to be worked out, or one was taken with more queues than `CHEAP_QUEUES_MAX`. */
  wasCostly = false;
  #last: CachedRoute | null = null;
  #slots: (CachedRoute | undefined)[] | null = null;

  constructor(vhost: VirtualHost<AnyQueue>, permissions: Permissions) {
    this.#vhost = vhost;
    this.#current = vhost.routeVersion;
    this.#permissions = permissions;
  }

  /**
   * The address is at `[start, end)`, and its exchange ends at `exchangeEnd`. `message` is for exchange types that
   * route by headers or properties. @throws BrokerError not-found, access-refused; WireError if the names are not UTF-8
   */
  find(
    bytes: Buffer,
    start: number,
    exchangeEnd: number,
    end: number,
    message: RoutedMessage,
  ): Route<AnyQueue> {
    const last = this.#last;
    if (
      last !== null &&
      last.route.version === this.#current.version &&
      last.route.cacheable &&
      isSame(last.address, bytes, start, end)
    ) {
      return last.route;
    }
    return this.#findSlot(bytes, start, exchangeEnd, end, message);
  }

  #findSlot(
    bytes: Buffer,
    start: number,
    exchangeEnd: number,
    end: number,
    message: RoutedMessage,
  ): Route<AnyQueue> {
    const slots = (this.#slots ??= new Array<CachedRoute | undefined>(SLOT_COUNT));
    const slot = hash(bytes, start, end) & (SLOT_COUNT - 1);
    const found = slots[slot];
    if (
      found !== undefined &&
      found.route.version === this.#current.version &&
      isSame(found.address, bytes, start, end)
    ) {
      this.#last = found;
      if (found.route.cacheable) return found.route;
      this.wasCostly = true;
      return whole(this.#vhost.route(found.exchange, found.routingKey, message));
    }
    const { exchange, routingKey } = this.#resolve(bytes, start, exchangeEnd, end);
    const route = whole(this.#vhost.route(exchange, routingKey, message));
    const entry = { address: Buffer.from(bytes.subarray(start, end)), exchange, routingKey, route };
    slots[slot] = entry;
    this.#last = entry;
    return route;
  }

  /** For a message with CC or BCC. Topic permissions are checked for each key: RabbitMQ does so for the first alone. */
  findWithKeys(
    bytes: Buffer,
    start: number,
    exchangeEnd: number,
    end: number,
    message: RoutedMessage,
  ): Route<AnyQueue> {
    const { exchange, routingKey } = this.#resolve(bytes, start, exchangeEnd, end);
    const extra = extraKeys(message.headers());
    for (const key of extra) this.#permissions.topic('write', exchange, key);
    return whole(this.#vhost.routeWithKeys(exchange, [routingKey, ...extra], message));
  }

  /**
   * A message that is appended to a stream may bring the key of its record in a header, and is routed on by that: it is a
   * routing key as any other. @throws BrokerError access-refused
   */
  checkRecordKey(
    bytes: Buffer,
    start: number,
    exchangeEnd: number,
    end: number,
    message: RoutedMessage,
  ): void {
    const key = message.headers()?.[KEY_HEADER];
    if (!(key instanceof Uint8Array)) return;
    const { exchange } = this.#resolve(bytes, start, exchangeEnd, end);
    this.#permissions.topic('write', exchange, Buffer.from(key).toString('utf8'));
  }

  #resolve(bytes: Buffer, start: number, exchangeEnd: number, end: number): ResolvedAddress {
    this.wasCostly = true;
    const name = readShortString(bytes, start + 1, exchangeEnd, 'basic.publish, exchange');
    const routingKey = readShortString(bytes, exchangeEnd + 1, end, 'basic.publish, routingKey');
    this.#permissions.write('exchange', name);
    const exchange = this.#vhost.exchangeForPublish(name);
    this.#permissions.topic('write', exchange, routingKey);
    return { exchange, routingKey };
  }
}

/** @throws BrokerError resource-error if the message would hold up others on its way */
function whole(route: Route<AnyQueue>): Route<AnyQueue> {
  if (!route.isCutOff) return route;
  throw new BrokerError(
    'resource-error',
    `the message would take more than ${ROUTE_STEPS_MAX} steps through the exchanges; ` +
      'use fewer CC and BCC keys, fewer bindings with wildcards, or fewer exchanges one behind the other',
  );
}

function isSame(known: Buffer, bytes: Buffer, start: number, end: number): boolean {
  const { length } = known;
  if (end - start !== length) return false;
  if (length > LOOP_BYTES_MAX) return known.compare(bytes, start, end) === 0;
  for (let i = 0; i < length; i++) {
    if (known[i] !== bytes[start + i]) return false;
  }
  return true;
}

/** Of the last bytes: routing keys often have a common beginning. */
function hash(bytes: Buffer, start: number, end: number): number {
  let value = end - start;
  for (let at = Math.max(start, end - HASHED_BYTES_MAX); at < end; at++) {
    value = (Math.imul(value, 31) + bytes[at]) | 0;
  }
  return value ^ (value >>> 10);
}
