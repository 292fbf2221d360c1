import { randomBytes } from 'node:crypto';
import { finished, type Work } from '../../base/turn-time.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { deleteUnusedSources } from './auto-delete.ts';
import { type CommandContext, logChange } from './commands.ts';
import type { DeclarationGuard, QueueDeclaration, QueueDeletion } from './declarations.ts';
import { assertSameArguments, assertSameField } from './equivalence.ts';
import type { Binding, Exchange } from './exchange.ts';
import { assertAccess, assertSameOwner, exclusiveOwnerOf } from './exclusive-queues.ts';
import { comparedArguments, queueTypeOf, refuseServerName, validateQueue } from './queue-arguments.ts';
import { bindingChanged, queueDeclared } from './recovery.ts';
import {
  notFound,
  refuseLongName,
  refuseReservedName,
  refuseSystemExchange,
  resourceText,
} from './refusals.ts';
import { refuseQueueAtStream } from './stream-commands.ts';

/** Bindings that go with a queue at once. */
const AT_ONCE_MAX = 1024;

/** `owner` stands for the connection of the client that asks; null for those without one, which own nothing. */
export function declareQueue<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  declaration: QueueDeclaration,
  owner: object | null,
  guard: DeclarationGuard | null = null,
): Q {
  const { name: vhost, state, createQueue, quotas, placement } = ctx;
  const { exclusive, autoDelete, arguments: args } = declaration;
  const exclusiveOwner = exclusiveOwnerOf(exclusive, owner);
  // RabbitMQ refuses these names even when the queue exists: server-named queues cannot be declared again.
  if (declaration.name === '') refuseServerName(args);
  else refuseReservedName('queue', declaration.name);
  refuseLongName('queue', declaration.name);
  const name = declaration.name === '' ? (declaration.newName ?? serverGeneratedName()) : declaration.name;
  guard?.declaring(name);
  const resource = resourceText('queue', name, vhost);
  // An exclusive queue cannot outlive its connection, so it is never durable.
  const durable = declaration.durable && !exclusive;
  const existing = state.queues.get(name);
  if (existing !== undefined) {
    assertSameOwner(existing, exclusiveOwner, vhost);
    assertSameField('durable', existing.durable, durable, resource);
    assertSameField('auto_delete', existing.autoDelete, autoDelete, resource);
    const compared = comparedArguments(queueTypeOf(existing.arguments));
    assertSameArguments(existing.arguments, args, compared, resource);
    existing.touch();
    return existing;
  }
  refuseQueueAtStream(ctx, declaration);
  guard?.creating(name);
  validateQueue(declaration, resource);
  refuseSystemExchange(args['x-dead-letter-exchange'], vhost);
  if (queueTypeOf(args) === 'stream') throw new Error('a stream is declared as one: see declareStream');
  const account = quotas.account(declaration.user);
  quotas.admit('queues', account, vhost);
  const queue = createQueue({
    id: null,
    vhost,
    name,
    shard: placement.place(vhost, { ...declaration, durable }),
    durable,
    exclusiveOwner,
    autoDelete,
    arguments: args,
    declaredBy: declaration.declaredBy ?? null,
    account,
  });
  state.addQueue(queue);
  logChange(ctx, durable, () => queueDeclared(vhost, queue, ctx.owners));
  return queue;
}

/** The queue, if it is there and this owner may use it: a passive declaration, and the start of most commands. */
export function findQueue<Q extends TopologyQueue>(
  { name: vhost, state }: CommandContext<Q>,
  name: string,
  owner: object | null,
): Q {
  const queue = state.queues.get(name);
  if (queue === undefined) throw notFound('queue', name, vhost);
  assertAccess(queue, owner, vhost);
  return queue;
}

/** Returns the number of ready messages that went with the queue. To delete what is not there succeeds, with 0. */
export function deleteQueue<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  name: string,
  conditions: QueueDeletion,
  owner: object | null,
): number {
  return finished(deleteQueueInSteps(ctx, name, conditions, owner));
}

/**
 * As `deleteQueue`. What may take long is done in steps before: once the conditions hold the queue goes, though a consumer
 * or message came meanwhile. If the broker stops before the end, the queue is there with less in it.
 */
export function* deleteQueueInSteps<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  name: string,
  conditions: QueueDeletion,
  owner: object | null,
): Work<number> {
  const queue = ctx.state.queues.get(name);
  if (queue === undefined) return 0;
  assertAccess(queue, owner, ctx.name);
  const purged = yield* queue.prepareDeletion(conditions);
  if (ctx.state.bindingsTo(queue).size > AT_ONCE_MAX) yield* unbindInSteps(ctx, queue);
  return purged + removeQueue(ctx, queue);
}

function* unbindInSteps<Q extends TopologyQueue>(ctx: CommandContext<Q>, queue: Q): Work<void> {
  const lastOf = new Map<Exchange<Q>, Binding<Q>>();
  for (const binding of ctx.state.bindingsTo(queue)) {
    lastOf.set(binding.source, binding);
    ctx.state.removeBinding(binding);
    ctx.log.tell?.(bindingChanged('binding.remove', ctx.name, binding));
    yield;
  }
  deleteUnusedSources(ctx, lastOf.values());
}

/** Without conditions: for auto-delete queues that lost their last consumer. A queue that is gone already is let be. */
export function removeQueue<Q extends TopologyQueue>(ctx: CommandContext<Q>, queue: Q): number {
  if (ctx.state.queues.get(queue.name) !== queue) return 0;
  const ledHere = ctx.state.removeQueue(queue);
  const { name, id } = queue;
  logChange(ctx, queue.durable, () => ({ op: 'queue.delete', vhost: ctx.name, name, id }));
  deleteUnusedSources(ctx, ledHere);
  return queue.remove();
}

/** 128 random bits, so that nobody can guess another's reply queue. */
export function serverGeneratedName(): string {
  return `amq.gen-${randomBytes(16).toString('base64url')}`;
}
