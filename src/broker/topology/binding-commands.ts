import type { Table } from '../../base/value.ts';
import { BrokerError } from '../errors.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { deleteUnusedSources } from './auto-delete.ts';
import { type CommandContext, logChange } from './commands.ts';
import { refuseDefaultExchange } from './default-exchange.ts';
import type { Exchange } from './exchange.ts';
import { type Binding, bindingIdentity, isDurable } from './exchange.ts';
import { findExchange } from './exchange-commands.ts';
import { assertAccess } from './exclusive-queues.ts';
import { bindingChanged } from './recovery.ts';
import { notFound, refuseSystemExchange } from './refusals.ts';
import { findStream, refuseCircle, validateReplay } from './stream-commands.ts';

export interface BindingRequest {
  /** The exchange that messages come from. */
  readonly source: string;
  /** The queue or exchange that they go to. */
  readonly destination: string;
  readonly routingKey: string;
  readonly arguments: Table;
  /** Who binds; left out where no user does. */
  readonly user?: string;
}

/** Binding what is bound already succeeds and changes nothing. */
export function bindQueue<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  request: BindingRequest,
  owner: object | null,
): void {
  refuseDefaultExchange(request.source);
  const source = findExchange(ctx, request.source);
  const destination = ctx.state.queues.get(request.destination);
  if (destination === undefined) {
    if (findStream(ctx.state, request.destination) === undefined) {
      throw notFound('queue', request.destination, ctx.name);
    }
    // A stream is a queue and an exchange in one.
    bindExchange(ctx, request);
    return;
  }
  source.type.validateBinding?.(request.routingKey, request.arguments, source.arguments);
  assertAccess(destination, owner, ctx.name);
  const { routingKey, arguments: args } = request;
  validateReplay(source, args, ctx.name);
  const account = ctx.quotas.account(request.user);
  add(ctx, { destinationKind: 'queue', source, destination, routingKey, arguments: args, account });
}

export function bindExchange<Q extends TopologyQueue>(ctx: CommandContext<Q>, request: BindingRequest): void {
  refuseDefaultExchange(request.source);
  refuseDefaultExchange(request.destination);
  refuseSystemExchange(request.destination, ctx.name);
  const source = findExchange(ctx, request.source);
  const destination: Exchange<Q> = findExchange(ctx, request.destination);
  source.type.validateBinding?.(request.routingKey, request.arguments, source.arguments);
  const { routingKey, arguments: args } = request;
  validateReplay(source, args, ctx.name);
  refuseCircle(ctx.state, source, destination, ctx.name);
  const account = ctx.quotas.account(request.user);
  add(ctx, { destinationKind: 'exchange', source, destination, routingKey, arguments: args, account });
}

function refuseOverlap<Q extends TopologyQueue>(source: Exchange<Q>, routingKey: string): void {
  const refusal = source.router.refusal?.(routingKey) ?? null;
  if (refusal !== null) throw new BrokerError('resource-error', `exchange '${source.name}': ${refusal}`);
}

/** As in RabbitMQ, to remove a binding that is not there succeeds, also when its ends are not there. */
export function unbindQueue<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  request: BindingRequest,
  owner: object | null,
): void {
  refuseDefaultExchange(request.source);
  const isStream = findStream(ctx.state, request.destination) !== undefined;
  const binding = find(ctx, isStream ? 'exchange' : 'queue', request);
  if (binding === undefined) return;
  if (binding.destinationKind === 'queue') assertAccess(binding.destination, owner, ctx.name);
  remove(ctx, binding);
}

export function unbindExchange<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  request: BindingRequest,
): void {
  refuseDefaultExchange(request.source);
  refuseDefaultExchange(request.destination);
  const binding = find(ctx, 'exchange', request);
  if (binding !== undefined) remove(ctx, binding);
}

function find<Q extends TopologyQueue>(
  { state }: CommandContext<Q>,
  destinationKind: 'queue' | 'exchange',
  { source, destination, routingKey, arguments: args }: BindingRequest,
): Binding<Q> | undefined {
  const identity = bindingIdentity(destinationKind, destination, routingKey, args);
  return state.exchanges.get(source)?.outbound.get(identity);
}

function add<Q extends TopologyQueue>(ctx: CommandContext<Q>, binding: Binding<Q>): void {
  const { name: vhost, state, quotas } = ctx;
  const { destinationKind, destination, routingKey } = binding;
  const identity = bindingIdentity(destinationKind, destination.name, routingKey, binding.arguments);
  if (binding.source.outbound.has(identity)) return;
  refuseOverlap(binding.source, routingKey);
  quotas.admit('bindings', binding.account ?? null, vhost);
  state.addBinding(binding);
  logChange(ctx, isDurable(binding), () => bindingChanged('binding.add', vhost, binding));
}

function remove<Q extends TopologyQueue>(ctx: CommandContext<Q>, binding: Binding<Q>): void {
  ctx.state.removeBinding(binding);
  logChange(ctx, isDurable(binding), () => bindingChanged('binding.remove', ctx.name, binding));
  deleteUnusedSources(ctx, [binding]);
}
