import { finished, type Work } from '../../base/turn-time.ts';
import { typeName } from '../../base/value-text.ts';
import { BrokerError } from '../errors.ts';
import { streamExchange } from '../exchanges/stream.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { deleteUnusedSources } from './auto-delete.ts';
import { type CommandContext, logChange } from './commands.ts';
import { refuseDefaultExchange } from './default-exchange.ts';
import { assertSameArguments, assertSameField } from './equivalence.ts';
import { Exchange, type ExchangeDeclaration } from './exchange.ts';
import { isPredeclared } from './predeclared-exchanges.ts';
import { bindingChanged, exchangeDeclared } from './recovery.ts';
import {
  inUse,
  notFound,
  refuseLongName,
  refuseReservedName,
  refuseSystemExchange,
  resourceText,
} from './refusals.ts';
import { streamFactoryOf } from './stream-commands.ts';

/** Bindings that go with an exchange at once. */
const BINDINGS_AT_ONCE_MAX = 1024;

export function declareExchange<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  declaration: ExchangeDeclaration,
): Exchange<Q> {
  const { name: vhost, state, types, quotas } = ctx;
  const { name } = declaration;
  const type = types.get(declaration.type);
  refuseDefaultExchange(name);
  const existing = state.exchanges.get(name);
  if (existing !== undefined) {
    assertEquivalent(existing, declaration, vhost);
    return existing;
  }
  refuseReservedName('exchange', name);
  refuseLongName('exchange', name);
  validateAlternate(declaration, vhost);
  type.validate?.(declaration.arguments);
  if (type === streamExchange) return declareStreamExchange(ctx, declaration);
  const account = quotas.account(declaration.user);
  quotas.admit('exchanges', account, vhost);
  const exchange = new Exchange<Q>({ ...declaration, type, account });
  state.addExchange(exchange);
  logChange(ctx, exchange.durable, () => exchangeDeclared(vhost, exchange));
  return exchange;
}

/** The stream is what is made; its exchange comes with it. */
function declareStreamExchange<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  { name, durable, autoDelete, internal, arguments: args, user }: ExchangeDeclaration,
): Exchange<Q> {
  const invalid = !durable ? 'non-durable' : autoDelete ? 'auto-delete' : internal ? 'internal' : null;
  if (invalid !== null) {
    throw new BrokerError(
      'precondition-failed',
      `invalid property '${invalid}' for ${resourceText('exchange', name, ctx.name)}: it is a stream`,
    );
  }
  streamFactoryOf(ctx).create(name, args, false, user);
  return findExchange(ctx, name);
}

/** What a passive declaration does: the exchange must be there, however it was declared. */
export function checkExchange<Q extends TopologyQueue>(ctx: CommandContext<Q>, name: string): Exchange<Q> {
  refuseDefaultExchange(name);
  return findExchange(ctx, name);
}

export function findExchange<Q extends TopologyQueue>(
  { name: vhost, state }: CommandContext<Q>,
  name: string,
): Exchange<Q> {
  const exchange = state.exchanges.get(name);
  if (exchange === undefined) throw notFound('exchange', name, vhost);
  return exchange;
}

/** The exchange that a client may publish to under this name. */
export function exchangeForPublish<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  name: string,
): Exchange<Q> {
  const exchange = findExchange(ctx, name);
  if (exchange.internal) {
    throw new BrokerError(
      'access-refused',
      `cannot publish to internal ${resourceText('exchange', name, ctx.name)}`,
    );
  }
  return exchange;
}

/** To delete what is not there succeeds. */
export function deleteExchange<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  name: string,
  ifUnused: boolean,
): void {
  finished(deleteExchangeInSteps(ctx, name, ifUnused));
}

/**
 * Once the condition holds the exchange goes, though it may be bound meanwhile. If the broker stops before the end, it is there
 * with fewer bindings.
 */
export function* deleteExchangeInSteps<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  name: string,
  ifUnused: boolean,
): Work<void> {
  refuseDefaultExchange(name);
  if (isPredeclared(name)) {
    throw new BrokerError(
      'access-refused',
      `deletion of system ${resourceText('exchange', name, ctx.name)} not allowed`,
    );
  }
  const exchange = ctx.state.exchanges.get(name);
  if (exchange === undefined) return;
  if (ifUnused && exchange.outbound.size > 0) throw inUse('exchange', name, ctx.name);
  if (exchange.outbound.size > BINDINGS_AT_ONCE_MAX) {
    for (const binding of exchange.outbound.values()) {
      ctx.state.removeBinding(binding);
      ctx.log.tell?.(bindingChanged('binding.remove', ctx.name, binding));
      yield;
    }
    if (ctx.state.exchanges.get(name) !== exchange) return;
  }
  if (exchange.stream !== null) {
    streamFactoryOf(ctx).delete(name);
    if (ctx.state.exchanges.get(name) !== exchange) return;
  }
  const ledHere = ctx.state.removeExchange(exchange);
  logChange(ctx, exchange.durable, () => ({ op: 'exchange.delete', vhost: ctx.name, name }));
  deleteUnusedSources(ctx, ledHere);
}

function assertEquivalent<Q extends TopologyQueue>(
  existing: Exchange<Q>,
  declaration: ExchangeDeclaration,
  vhost: string,
): void {
  const resource = resourceText('exchange', existing.name, vhost);
  assertSameField('type', existing.type.name, declaration.type, resource);
  assertSameField('durable', existing.durable, declaration.durable, resource);
  assertSameField('auto_delete', existing.autoDelete, declaration.autoDelete, resource);
  assertSameField('internal', existing.internal, declaration.internal, resource);
  const compared = ['alternate-exchange', ...(existing.type.comparedArguments ?? [])];
  assertSameArguments(existing.arguments, declaration.arguments, compared, resource);
}

/** It need not exist: until it does, what it would get is unroutable. */
function validateAlternate(declaration: ExchangeDeclaration, vhost: string): void {
  if (!Object.hasOwn(declaration.arguments, 'alternate-exchange')) return;
  const alternate = declaration.arguments['alternate-exchange'];
  if (typeof alternate === 'string') {
    refuseSystemExchange(alternate, vhost);
    return;
  }
  const resource = resourceText('exchange', declaration.name, vhost);
  throw new BrokerError(
    'precondition-failed',
    `invalid type '${typeName(alternate)}' for arg 'alternate-exchange' in ${resource}`,
  );
}
