import type { Json } from '../../base/value-json.ts';
import { nodeName } from '../../broker/events/node-name.ts';
import type { AnyQueue } from '../../broker/queues/any-queue.ts';
import { type QueueFigures, queueFigures } from '../../broker/queues/queue-figures.ts';
import type { StreamPort } from '../../broker/topology/ports.ts';
import type { VirtualHost } from '../../broker/topology/virtual-host.ts';
import type { AdminContext } from '../context.ts';
import { notFound } from '../http-error.ts';
import { plainTable, snakeCase } from '../plain-json.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, created, done, list, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { durably } from './durably.ts';
import { inSteps } from './in-steps.ts';
import { shardField } from './shard-field.ts';
import { vhostOf, vhostsOf } from './vhost-of.ts';

export const queueRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/queues', handle: all },
  { method: 'GET', path: '/api/queues/{vhost}', handle: all },
  { method: 'GET', path: '/api/queues/{vhost}/{name}', handle: one },
  { method: 'PUT', path: '/api/queues/{vhost}/{name}', handle: declare },
  { method: 'DELETE', path: '/api/queues/{vhost}/{name}', handle: remove },
  { method: 'DELETE', path: '/api/queues/{vhost}/{name}/contents', handle: purge },
];

function all(context: AdminContext, request: ApiRequest): ApiResponse {
  return list(queueViews(context, vhostsOf(context, request)));
}

interface ListedQueue {
  readonly vhost: VirtualHost<AnyQueue>;
  readonly queue: AnyQueue;
}

/** Queues of which the other shards are asked at once. */
const PAGE_QUEUES = 200;

async function* queueViews(
  context: AdminContext,
  vhosts: Iterable<VirtualHost<AnyQueue>>,
): AsyncGenerator<Iterable<Json>> {
  for (const vhost of vhosts) {
    let page: ListedQueue[] = [];
    for (const queue of vhost.queues()) {
      page.push({ vhost, queue });
      if (page.length < PAGE_QUEUES) continue;
      yield await pageViews(context, page);
      page = [];
    }
    yield await pageViews(context, page);
    yield await streamQueues(context, vhost.name);
  }
}

async function pageViews(context: AdminContext, page: readonly ListedQueue[]): Promise<Iterable<Json>> {
  if (page.every(({ queue }) => !queue.isRemote)) return views(context, page, new Map());
  return views(
    context,
    page,
    await context.broker.allShards.remoteQueueFigures(page.map(({ queue }) => queue)),
  );
}

function* views(
  context: AdminContext,
  page: readonly ListedQueue[],
  remote: ReadonlyMap<number, QueueFigures>,
): Iterable<Json> {
  for (const listed of page) {
    const { queue } = listed;
    const figures = queue.isRemote ? remote.get(queue.id) : queueFigures(queue);
    // It was deleted meanwhile.
    if (figures !== undefined) yield view(context, listed, figures);
  }
}

async function one(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  const stream = vhost.findStream(request.parameter('name'));
  if (stream !== undefined) return ok(await streamView(context, vhost.name, stream));
  const queue = queueOf(context, request);
  for (const found of await pageViews(context, [{ vhost, queue }])) return ok(found);
  throw noQueue(queue.name, vhost.name);
}

async function declare(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  const name = request.parameter('name');
  const args = request.table('arguments', {});
  const isStream = args['x-queue-type'] === 'stream' && vhost.findQueue(name) === undefined;
  const existed = isStream ? vhost.findStream(name) !== undefined : vhost.findQueue(name) !== undefined;
  if (isStream) {
    const durable = request.boolean('durable', true);
    const autoDelete = request.boolean('auto_delete', false);
    vhost.declareStream({ name, durable, exclusive: false, autoDelete, arguments: args });
    return await durably(context, existed ? done() : created());
  }
  if (!existed) context.broker.access.checkQueueLimit(vhost.name, name);
  vhost.declareQueue(
    {
      name,
      durable: request.boolean('durable', true),
      exclusive: false,
      autoDelete: request.boolean('auto_delete', false),
      arguments: args,
    },
    null,
  );
  return await durably(context, existed ? done() : created());
}

async function remove(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  const stream = vhost.findStream(request.parameter('name'));
  if (stream !== undefined) {
    const conditions = { ifUnused: request.flag('if-unused'), ifEmpty: request.flag('if-empty') };
    await inSteps(context, context.broker.commands.deleteStream(vhost, stream, conditions));
    return await durably(context, done());
  }
  const queue = queueOf(context, request);
  // As the queue's owner: an administrator may delete a queue that is exclusive to a connection.
  const conditions = { ifUnused: request.flag('if-unused'), ifEmpty: request.flag('if-empty') };
  await inSteps(context, vhost.deleteQueueInSteps(queue.name, conditions, queue.exclusiveOwner));
  return await durably(context, done());
}

async function purge(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  const stream = vhost.findStream(request.parameter('name'));
  if (stream !== undefined && vhost.findQueue(stream.name) === undefined) {
    throw notFound(
      `'${stream.name}' is a stream, which cannot be purged: its records go by retention, or when it is deleted`,
    );
  }
  const messages = await inSteps(context, queueOf(context, request).purgeInSteps());
  return await durably(context, ok({ messages }));
}

function queueOf(context: AdminContext, request: ApiRequest): AnyQueue {
  const name = request.parameter('name');
  const vhost = vhostOf(context, request);
  const queue = vhost.findQueue(name);
  if (queue === undefined) throw noQueue(name, vhost.name);
  return queue;
}

function noQueue(name: string, vhost: string): Error {
  return notFound(`no queue '${name}' in vhost '${vhost}'`);
}

/** The streams that were declared as queues. Of others more is to be said than that: see `streams.ts`. */
async function streamQueues(context: AdminContext, vhost: string): Promise<Json[]> {
  const views: Json[] = [];
  for (const stream of context.broker.streams.list(vhost)) {
    const seen = context.broker.streamExchanges.of(stream);
    if (seen?.declaredAs != null) views.push(await streamView(context, vhost, seen));
  }
  return views;
}

async function streamView(context: AdminContext, vhost: string, stream: StreamPort): Promise<Json> {
  const { consumers, ready } = stream.counts ?? (await inSteps(context, stream.askCounts()));
  return {
    name: stream.name,
    vhost,
    durable: true,
    auto_delete: false,
    exclusive: false,
    arguments: plainTable(stream.declaredAs ?? {}),
    type: 'stream',
    node: nodeName,
    state: 'running',
    consumers,
    messages: ready,
    messages_ready: ready,
    messages_unacknowledged: 0,
  };
}

/** RabbitMQ's fields; beyond them `ledger`, where every message went, `latency_ms`, and `shard` where there are several. */
function view(
  { broker }: AdminContext,
  { vhost, queue }: ListedQueue,
  figures: QueueFigures,
): { readonly [field: string]: Json } {
  const { ledger, ready, unacknowledged } = figures;
  const { policy, operatorPolicy, definition } = vhost.policiesOf(queue);
  return {
    name: queue.name,
    vhost: queue.vhost,
    durable: queue.durable,
    auto_delete: queue.autoDelete,
    exclusive: queue.exclusiveOwner !== null,
    arguments: plainTable(queue.arguments),
    type: typeof queue.arguments['x-queue-type'] === 'string' ? queue.arguments['x-queue-type'] : 'classic',
    policy: policy?.name ?? null,
    operator_policy: operatorPolicy?.name ?? null,
    effective_policy_definition: plainTable(definition),
    node: nodeName,
    ...shardField(broker, queue.shard),
    state: figures.damage === null ? 'running' : 'damaged',
    damage: figures.damage,
    consumers: figures.consumers,
    single_active_consumer_tag: figures.singleActiveConsumerTag,
    messages: ready + unacknowledged,
    messages_ready: ready,
    messages_unacknowledged: unacknowledged,
    messages_retrying: figures.retrying,
    messages_dead_lettering: figures.leaving,
    message_bytes_ready: figures.readyBytes,
    message_stats: {
      publish: ledger.routed,
      ack: ledger.acknowledged,
      deliver_get: ledger.delivered,
      redeliver: ledger.redelivered,
    },
    ledger: Object.fromEntries(Object.entries(ledger).map(([name, count]) => [snakeCase(name), count])),
    latency_ms: { publish_to_deliver: figures.publishToDeliver, publish_to_ack: figures.publishToAck },
  };
}
