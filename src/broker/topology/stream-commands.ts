import type { Table } from '../../base/value.ts';
import { BrokerError } from '../errors.ts';
import { streamExchange } from '../exchanges/stream.ts';
import type { QueueCounts, TopologyQueue } from '../queues/queue-port.ts';
import { deleteUnusedSources } from './auto-delete.ts';
import type { CommandContext } from './commands.ts';
import type { DeclarationGuard, QueueDeclaration, QueueDeletion } from './declarations.ts';
import { assertSameArguments, assertSameField } from './equivalence.ts';
import { type Binding, Exchange } from './exchange.ts';
import { locked } from './exclusive-queues.ts';
import { offsetSpecification } from './offset-specification.ts';
import type { StreamFactory, StreamPort } from './ports.ts';
import { comparedArguments, refuseServerName, validateQueue } from './queue-arguments.ts';
import { inUse, refuseLongName, refuseReservedName, resourceText } from './refusals.ts';
import type { TopologyState } from './state.ts';

/** Where a binding from a stream begins to take messages: with those to come, unless this argument says otherwise. */
export const REPLAY_ARGUMENT = 'x-replay-from';

/** A stream was made, or is there after a restart: it is its exchange's from now on. */
export function attachStream<Q extends TopologyQueue>(
  { state }: CommandContext<Q>,
  stream: StreamPort,
): void {
  const exchange = state.exchanges.get(stream.name);
  if (exchange === undefined) state.addExchange(exchangeOf(stream));
  else exchange.stream = stream;
  state.invalidateRoutes();
}

/** The stream is gone, and with it the exchange that was there for it alone. */
export function detachStream<Q extends TopologyQueue>(ctx: CommandContext<Q>, name: string): void {
  deleteUnusedSources(ctx, removeStream(ctx.state, name));
}

/** The same in a shard that follows: what goes with it there is told as changes of their own. */
export function detachFollowedStream<Q extends TopologyQueue>(
  { state }: CommandContext<Q>,
  name: string,
): void {
  removeStream(state, name);
}

/** Returns the bindings that led to the exchange and are gone with it. */
function removeStream<Q extends TopologyQueue>(state: TopologyState<Q>, name: string): readonly Binding<Q>[] {
  const exchange = state.exchanges.get(name);
  if (exchange === undefined || exchange.stream === null) return [];
  exchange.stream = null;
  if (exchange.type === streamExchange) return state.removeExchange(exchange);
  state.invalidateRoutes();
  return [];
}

function exchangeOf<Q extends TopologyQueue>(stream: StreamPort): Exchange<Q> {
  const exchange = new Exchange<Q>({
    name: stream.name,
    type: streamExchange,
    durable: true,
    autoDelete: false,
    internal: false,
    arguments: {},
  });
  exchange.stream = stream;
  return exchange;
}

/** The stream that stands under this name as a queue; none where there is a queue of this name. */
export function findStream<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  name: string,
): StreamPort | undefined {
  if (name === '' || state.queues.has(name)) return undefined;
  return state.exchanges.get(name)?.stream ?? undefined;
}

/** A queue of type `stream`: the stream of this name, which is made if it is not there. */
export function declareStream<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  declaration: QueueDeclaration,
  guard: DeclarationGuard | null,
): StreamPort {
  const { name } = declaration;
  if (name === '') refuseServerName(declaration.arguments);
  refuseReservedName('queue', name);
  refuseLongName('queue', name);
  guard?.declaring(name);
  const resource = resourceText('queue', name, ctx.name);
  const existing = findStream(ctx.state, name);
  if (existing !== undefined) {
    assertSameKind(declaration, resource, ctx.name);
    const { declaredAs } = existing;
    if (declaredAs !== null) {
      assertSameArguments(declaredAs, declaration.arguments, comparedArguments('stream'), resource);
    }
    return existing;
  }
  guard?.creating(name);
  validateQueue(declaration, resource);
  streamFactoryOf(ctx).create(name, declaration.arguments, true, declaration.user);
  return findStream(ctx.state, name) as StreamPort;
}

/** A stream is durable, stays, and belongs to no connection. Checked in RabbitMQ's order. */
function assertSameKind(
  { name, exclusive, durable, autoDelete }: QueueDeclaration,
  resource: string,
  vhost: string,
): void {
  if (exclusive) throw locked(name, vhost);
  assertSameField('durable', true, durable, resource);
  assertSameField('auto_delete', false, autoDelete, resource);
}

/** For a queue that is to be declared: a stream that was declared as a queue of this name is in its way. */
export function refuseQueueAtStream<Q extends TopologyQueue>(
  { name: vhost, state }: CommandContext<Q>,
  declaration: QueueDeclaration,
): void {
  const { name, arguments: args } = declaration;
  const declaredAs = state.exchanges.get(name)?.stream?.declaredAs ?? null;
  if (declaredAs === null) return;
  const resource = resourceText('queue', name, vhost);
  assertSameKind(declaration, resource, vhost);
  assertSameArguments(declaredAs, args, ['x-queue-type'], resource);
}

/** `counts`: what it has. For the shard that makes and deletes streams. */
export function deleteStream<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  stream: StreamPort,
  { ifUnused, ifEmpty }: QueueDeletion,
  { ready, consumers }: QueueCounts,
): void {
  if (ifEmpty && ready > 0) {
    throw new BrokerError('precondition-failed', `${resourceText('queue', stream.name, ctx.name)} not empty`);
  }
  if (ifUnused && consumers > 0) throw inUse('queue', stream.name, ctx.name);
  streamFactoryOf(ctx).delete(stream.name);
}

export function streamFactoryOf<Q extends TopologyQueue>({
  streamFactory,
}: CommandContext<Q>): StreamFactory {
  if (streamFactory === null) throw new Error('there is nobody here who makes streams');
  return streamFactory;
}

/** @throws BrokerError precondition-failed */
export function validateReplay<Q extends TopologyQueue>(
  source: Exchange<Q>,
  args: Table,
  vhost: string,
): void {
  const value = Object.hasOwn(args, REPLAY_ARGUMENT) ? args[REPLAY_ARGUMENT] : undefined;
  if (value === undefined) return;
  const resource = resourceText('exchange', source.name, vhost);
  if (source.stream === null) {
    throw new BrokerError(
      'precondition-failed',
      `invalid arg '${REPLAY_ARGUMENT}' for a binding from ${resource}: it is no stream, and remembers nothing`,
    );
  }
  if (source.router.isByChance === true) {
    throw new BrokerError(
      'precondition-failed',
      `invalid arg '${REPLAY_ARGUMENT}' for a binding from ${resource}: it sends each message to one of its bindings, ` +
        'and what it sent to others is not to be sent again',
    );
  }
  if (offsetSpecification(value, 0) === null) {
    throw new BrokerError(
      'precondition-failed',
      `invalid arg '${REPLAY_ARGUMENT}' for a binding from ${resource}: 'first', 'last', 'next', an offset, a ` +
        "timestamp or an interval such as '1h' is needed",
    );
  }
}

/**
 * What goes around in a circle of exchanges ends where it began; but what comes to a stream is stored, and goes on from
 * there as if it were new. So there must be no circle with a stream in it.
 */
export function refuseCircle<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  source: Exchange<Q>,
  destination: Exchange<Q>,
  vhost: string,
): void {
  if (!isCircleWithStream(state, source, destination)) return;
  throw new BrokerError(
    'precondition-failed',
    `${resourceText('exchange', destination.name, vhost)} leads back to ${resourceText('exchange', source.name, vhost)}, ` +
      'and a stream is on the way: messages would go around without end',
  );
}

/** Whether `to` leads to `from`, and one of those on the way that leads from the one to the other is a stream. */
export function isCircleWithStream<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  from: Exchange<Q>,
  to: Exchange<Q>,
): boolean {
  const reached = reachable(state, to);
  if (!reached.has(from)) return false;
  for (const each of reached) if (each.stream !== null && reachable(state, each).has(from)) return true;
  return from.stream !== null;
}

/** Whether the exchange leads to itself. */
export function isInCircle<Q extends TopologyQueue>(state: TopologyState<Q>, exchange: Exchange<Q>): boolean {
  for (const binding of exchange.outbound.values()) {
    if (binding.destinationKind === 'exchange' && reachable(state, binding.destination).has(exchange))
      return true;
  }
  return false;
}

function reachable<Q extends TopologyQueue>(state: TopologyState<Q>, from: Exchange<Q>): Set<Exchange<Q>> {
  const reached = new Set([from]);
  for (const exchange of reached) {
    for (const binding of exchange.outbound.values()) {
      if (binding.destinationKind === 'exchange') reached.add(binding.destination);
    }
    const alternate = exchange.alternate === null ? undefined : state.exchanges.get(exchange.alternate);
    if (alternate !== undefined) reached.add(alternate);
  }
  return reached;
}
