import type { Histogram } from '../../base/histogram.ts';
import type { Json } from '../../base/value-json.ts';
import { nodeName } from '../../broker/events/node-name.ts';
import { type AnyQueue, asLocal, localOf } from '../../broker/queues/any-queue.ts';
import type { Queue } from '../../broker/queues/queue.ts';
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

function* queueViews(context: AdminContext, vhosts: Iterable<VirtualHost<AnyQueue>>): Iterable<Json> {
  for (const vhost of vhosts) {
    for (const queue of localOf(vhost.queues())) yield view(vhost, queue);
    yield* streamQueues(context, vhost.name);
  }
}

function one(context: AdminContext, request: ApiRequest): ApiResponse {
  const vhost = vhostOf(context, request);
  const stream = vhost.findStream(request.parameter('name'));
  return ok(stream === undefined ? view(vhost, queueOf(context, request)) : streamView(vhost.name, stream));
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
    vhost.deleteStream(stream, { ifUnused: request.flag('if-unused'), ifEmpty: request.flag('if-empty') });
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

function queueOf(context: AdminContext, request: ApiRequest): Queue {
  const name = request.parameter('name');
  const vhost = vhostOf(context, request);
  const queue = asLocal(vhost.findQueue(name));
  if (queue === undefined) throw notFound(`no queue '${name}' in vhost '${vhost.name}'`);
  return queue;
}

/** The streams that were declared as queues. Of others more is to be said than that: see `streams.ts`. */
function* streamQueues({ broker }: AdminContext, vhost: string): Iterable<Json> {
  for (const stream of broker.streams.list(vhost)) {
    const seen = broker.streamExchanges.of(stream);
    if (seen?.declaredAs != null) yield streamView(vhost, seen);
  }
}

function streamView(vhost: string, stream: StreamPort): { readonly [field: string]: Json } {
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
    consumers: stream.consumerCount,
    messages: stream.messageCount,
    messages_ready: stream.messageCount,
    messages_unacknowledged: 0,
  };
}

/** RabbitMQ's fields; beyond them `ledger`, where every message went, and `latency_ms`. */
function view(vhost: VirtualHost<AnyQueue>, queue: Queue): { readonly [field: string]: Json } {
  const { ledger, readyCount, unacknowledgedCount, leavingCount, retryingCount } = queue;
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
    state: queue.corruption === null ? 'running' : 'damaged',
    damage: queue.corruption?.message ?? null,
    consumers: queue.consumerCount,
    single_active_consumer_tag: queue.consumers.active?.tag ?? null,
    messages: readyCount + unacknowledgedCount,
    messages_ready: readyCount,
    messages_unacknowledged: unacknowledgedCount,
    messages_retrying: retryingCount,
    messages_dead_lettering: leavingCount,
    message_bytes_ready: queue.readyBytes,
    message_stats: {
      publish: ledger.routed,
      ack: ledger.acknowledged,
      deliver_get: ledger.delivered,
      redeliver: ledger.redelivered,
    },
    ledger: countsOf(ledger),
    latency_ms: {
      publish_to_deliver: latencies(ledger.publishToDeliver),
      publish_to_ack: latencies(ledger.publishToAck),
    },
  };
}

function countsOf(ledger: Queue['ledger']): { readonly [field: string]: number } {
  const counts = Object.entries(ledger).filter(([, value]) => typeof value === 'number');
  return Object.fromEntries(counts.map(([name, value]) => [snakeCase(name), value as number]));
}

function latencies(histogram: Histogram): Json {
  return {
    count: histogram.count,
    average: histogram.count === 0 ? 0 : histogram.sumMs / histogram.count,
    p50: histogram.quantileMs(0.5),
    p99: histogram.quantileMs(0.99),
    max: histogram.maxMs,
  };
}
