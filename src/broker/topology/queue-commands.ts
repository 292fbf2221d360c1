import { randomBytes } from 'node:crypto';
import type { Work } from '../../base/turn-time.ts';
import { BrokerError } from '../errors.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { deleteUnusedSources } from './auto-delete.ts';
import type { CommandContext } from './commands.ts';
import type { DeclarationGuard, QueueDeclaration, QueueDeletion } from './declarations.ts';
import { assertSameArguments, assertSameField } from './equivalence.ts';
import type { Binding, Exchange } from './exchange.ts';
import { assertAccess, assertSameOwner, exclusiveOwnerOf } from './exclusive-queues.ts';
import { comparedArguments, queueTypeOf, refuseServerName, validateQueue } from './queue-arguments.ts';
import { queueDeclared } from './recovery.ts';
import {
  inUse,
  notFound,
  refuseLongName,
  refuseReservedName,
  refuseSystemExchange,
  resourceText,
} from './refusals.ts';
import { refuseQueueAtStream } from './stream-commands.ts';

/** Messages or bindings that go with a queue at once. */
const AT_ONCE_MAX = 1024;

/** `owner` stands for the connection of the client that asks; null for those without one, which own nothing. */
export function declareQueue<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  declaration: QueueDeclaration,
  owner: object | null,
  guard: DeclarationGuard | null = null,
): Q {
  const { name: vhost, state, createQueue, log, quotas } = ctx;
  const { exclusive, autoDelete, arguments: args } = declaration;
  const exclusiveOwner = exclusiveOwnerOf(exclusive, owner);
  // RabbitMQ refuses these names even when the queue exists: server-named queues cannot be declared again.
  if (declaration.name === '') refuseServerName(args);
  else refuseReservedName('queue', declaration.name);
  refuseLongName('queue', declaration.name);
  const name = declaration.name === '' ? serverGeneratedName() : declaration.name;
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
    durable,
    exclusiveOwner,
    autoDelete,
    arguments: args,
    declaredBy: declaration.declaredBy ?? null,
    account,
  });
  state.addQueue(queue);
  if (durable) log.append(queueDeclared(vhost, queue));
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
  const queue = deletable(ctx, name, conditions, owner);
  return queue === undefined ? 0 : removeQueue(ctx, queue);
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
  const queue = deletable(ctx, name, conditions, owner);
  if (queue === undefined) return 0;
  const purged = queue.readyCount > AT_ONCE_MAX ? yield* queue.purgeInSteps() : 0;
  if (ctx.state.bindingsTo(queue).size > AT_ONCE_MAX) yield* unbindInSteps(ctx, queue);
  return purged + removeQueue(ctx, queue);
}

function* unbindInSteps<Q extends TopologyQueue>(ctx: CommandContext<Q>, queue: Q): Work<void> {
  const lastOf = new Map<Exchange<Q>, Binding<Q>>();
  for (const binding of ctx.state.bindingsTo(queue)) {
    lastOf.set(binding.source, binding);
    ctx.state.removeBinding(binding);
    yield;
  }
  deleteUnusedSources(ctx, lastOf.values());
}

function deletable<Q extends TopologyQueue>(
  ctx: CommandContext<Q>,
  name: string,
  { ifUnused, ifEmpty }: QueueDeletion,
  owner: object | null,
): Q | undefined {
  const queue = ctx.state.queues.get(name);
  if (queue === undefined) return undefined;
  assertAccess(queue, owner, ctx.name);
  if (ifEmpty && queue.readyCount > 0) {
    throw new BrokerError('precondition-failed', `${resourceText('queue', name, ctx.name)} not empty`);
  }
  if (ifUnused && queue.consumerCount > 0) throw inUse('queue', name, ctx.name);
  return queue;
}

/** Without conditions: for auto-delete queues that lost their last consumer. A queue that is gone already is let be. */
export function removeQueue<Q extends TopologyQueue>(ctx: CommandContext<Q>, queue: Q): number {
  if (ctx.state.queues.get(queue.name) !== queue) return 0;
  const ledHere = ctx.state.removeQueue(queue);
  if (queue.durable) {
    ctx.log.append({ op: 'queue.delete', vhost: ctx.name, name: queue.name, id: queue.id });
  }
  deleteUnusedSources(ctx, ledHere);
  return queue.remove();
}

/** 128 random bits, so that nobody can guess another's reply queue. */
function serverGeneratedName(): string {
  return `amq.gen-${randomBytes(16).toString('base64url')}`;
}
