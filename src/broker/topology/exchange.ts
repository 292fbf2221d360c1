import { SlotMap } from '../../base/slot-map.ts';
import type { Table, Value } from '../../base/value.ts';
import { isTable } from '../../base/value-equality.ts';
import { valueToJson } from '../../base/value-json.ts';
import type { ObjectAccount } from '../budget/object-account.ts';
import type { ExchangeType, Router } from '../exchanges/type.ts';
import { isSystemExchange } from '../policies/system-exchange.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import type { StreamPort } from './ports.ts';
import type { Route } from './route.ts';

export interface ExchangeDeclaration {
  readonly name: string;
  readonly type: string;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  /** Reached through bindings alone: clients cannot publish to it. */
  readonly internal: boolean;
  readonly arguments: Table;
  /** The user whose rights the alternate exchange of the arguments needs; null if that is nobody's but an operator's. */
  readonly declaredBy?: string | null;
  /** Who declares it; left out where no user does. */
  readonly user?: string;
}

export interface ExchangeSpec extends Omit<ExchangeDeclaration, 'type' | 'user'> {
  readonly type: ExchangeType;
  /** Of the user who declared it; null if that is not known, or it is there by itself. */
  readonly account?: ObjectAccount | null;
}

/** What policies say of an exchange. */
export interface ExchangePolicy {
  readonly alternateExchange: string | null;
}

export type Binding<Q extends TopologyQueue> = QueueBinding<Q> | ExchangeBinding<Q>;

export interface QueueBinding<Q extends TopologyQueue> {
  readonly destinationKind: 'queue';
  readonly source: Exchange<Q>;
  readonly destination: Q;
  readonly routingKey: string;
  readonly arguments: Table;
  /** Of the user who made it; null if that is not known. */
  readonly account?: ObjectAccount | null;
}

export interface ExchangeBinding<Q extends TopologyQueue> {
  readonly destinationKind: 'exchange';
  readonly source: Exchange<Q>;
  readonly destination: Exchange<Q>;
  readonly routingKey: string;
  readonly arguments: Table;
  readonly account?: ObjectAccount | null;
}

/** An exchange and what hangs on it. Only the topology's state changes it. */
export class Exchange<Q extends TopologyQueue> {
  readonly name: string;
  readonly type: ExchangeType;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
  readonly arguments: Table;
  readonly declaredBy: string | null;
  readonly account: ObjectAccount | null;
  /** The default exchange, whose name is empty: it reaches every queue by its name, without bindings. */
  readonly isDefault: boolean;
  /** The broker alone writes here: no binding, alternate or dead-letter exchange leads to it. */
  readonly isSystem: boolean;
  /** Where messages go that match no binding; it need not exist. */
  alternate: string | null;
  /** What is published here is appended to this stream, and reaches the bindings from there; null for most. */
  stream: StreamPort | null = null;
  readonly #ownAlternate: string | null;
  readonly router: Router<Binding<Q>>;
  /** Bindings from here, by their identity. */
  readonly outbound = new SlotMap<string, Binding<Q>>();
  /** Bindings from other exchanges to this one, and from itself. */
  readonly inbound = new Set<Binding<Q>>();
  /** Routes that hold, by routing key. */
  readonly routes = new Map<string, Route<Q>>();

  constructor(spec: ExchangeSpec) {
    this.name = spec.name;
    this.type = spec.type;
    this.durable = spec.durable;
    this.autoDelete = spec.autoDelete;
    this.internal = spec.internal;
    this.arguments = spec.arguments;
    this.declaredBy = spec.declaredBy ?? null;
    this.account = spec.account ?? null;
    this.isDefault = spec.name === '';
    this.isSystem = isSystemExchange(spec.name);
    const alternate = spec.arguments['alternate-exchange'];
    this.#ownAlternate = typeof alternate === 'string' ? alternate : null;
    this.alternate = this.#ownAlternate;
    this.router = spec.type.createRouter(spec.arguments);
  }

  /** Whose rights it takes that messages go on to the alternate exchange; null if a policy says so. */
  get alternateNeeds(): string | null {
    return this.#ownAlternate === null ? null : this.declaredBy;
  }

  /** As in RabbitMQ, the argument counts before the policy. Routes are the caller's to invalidate. */
  setPolicy({ alternateExchange }: ExchangePolicy): void {
    this.alternate = this.#ownAlternate ?? alternateExchange;
  }
}

/** A binding outlives a restart only if there is something at both of its ends. */
export function isDurable<Q extends TopologyQueue>(binding: Binding<Q>): boolean {
  return binding.source.durable && binding.destination.durable;
}

/**
 * Two bindings of one exchange are the same if they agree in destination, routing key and arguments; the order of
 * the arguments does not count.
 */
export function bindingIdentity(
  destinationKind: 'queue' | 'exchange',
  destination: string,
  routingKey: string,
  args: Table,
): string {
  return JSON.stringify([destinationKind, destination, routingKey, valueToJson(sorted(args))]);
}

function sorted(value: Value): Value {
  if (typeof value === 'bigint' && BigInt(Number(value)) === value) return Number(value);
  if (Array.isArray(value)) return value.map(sorted);
  if (!isTable(value)) return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sorted(value[key])]));
}
