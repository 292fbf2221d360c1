import type { Json } from '../../base/value-json.ts';
import { ownPartitions } from '../../broker/streams/any-partition.ts';
import type { Partition } from '../../broker/streams/partition.ts';
import type { Stream } from '../../broker/streams/stream.ts';
import { validateConfig, validateConfigs } from '../../broker/streams/topic-config-validation.ts';
import type { AdminContext } from '../context.ts';
import { badRequest, notFound } from '../http-error.ts';
import { plainTable } from '../plain-json.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, created, done, list, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { durably } from './durably.ts';
import { vhostOf, vhostsOf } from './vhost-of.ts';

export const streamRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/streams', handle: all },
  { method: 'GET', path: '/api/streams/{vhost}', handle: all },
  { method: 'GET', path: '/api/streams/{vhost}/{name}', handle: one },
  { method: 'PUT', path: '/api/streams/{vhost}/{name}', handle: put },
  { method: 'DELETE', path: '/api/streams/{vhost}/{name}', handle: remove },
];

function all(context: AdminContext, request: ApiRequest): ApiResponse {
  return list(views(context, vhostsOf(context, request)));
}

function* views(context: AdminContext, vhosts: Iterable<{ readonly name: string }>): Iterable<Json> {
  for (const { name } of vhosts) {
    for (const stream of context.broker.streams.list(name)) yield view(context, stream);
  }
}

function one(context: AdminContext, request: ApiRequest): ApiResponse {
  const stream = streamOf(context, request);
  return ok({ ...view(context, stream), partitions: ownPartitions(stream.partitions).map(partitionView) });
}

/** Makes the stream; or gives it more partitions and other configs, if the request has any. */
async function put(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const { streams } = context.broker;
  const vhost = vhostOf(context, request).name;
  const name = request.parameter('name');
  const configs = configsIn(request);
  const stream = streams.get(vhost, name);
  if (stream === undefined) {
    streams.create({ vhost, name, partitions: request.integer('partitions', 1), configs });
    return await durably(context, created());
  }
  if (request.has('partitions')) streams.addPartitions(stream, request.integer('partitions'));
  if (request.has('configs')) streams.configure(stream, configs);
  return await durably(context, done());
}

async function remove(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  context.broker.streams.delete(streamOf(context, request));
  return await durably(context, done());
}

function configsIn(request: ApiRequest): ReadonlyMap<string, string> {
  const configs = new Map<string, string>();
  for (const [name, value] of Object.entries(request.table('configs', {}))) {
    configs.set(name, String(value));
    const problem = validateConfig(name, String(value));
    if (problem !== null) throw badRequest(problem);
  }
  const problem = validateConfigs(configs);
  if (problem !== null) throw badRequest(problem);
  return configs;
}

function streamOf(context: AdminContext, request: ApiRequest): Stream {
  const vhost = vhostOf(context, request);
  const name = request.parameter('name');
  const stream = context.broker.streams.get(vhost.name, name);
  if (stream === undefined) throw notFound(`no stream '${name}' in vhost '${vhost.name}'`);
  return stream;
}

function view({ broker }: AdminContext, stream: Stream): { readonly [field: string]: Json } {
  const { name, vhost, id, partitions, configs } = stream;
  const seen = broker.streamExchanges.of(stream);
  const exchange = broker.vhosts.get(vhost)?.findExchange(name);
  return {
    name,
    vhost,
    id,
    partition_count: partitions.length,
    configs: Object.fromEntries(configs),
    messages: seen?.counts.ready ?? 0,
    consumers: seen?.counts.consumers ?? 0,
    exchange_type: exchange?.type.name ?? null,
    bindings: exchange?.outbound.size ?? 0,
    // Lag of the queues that are bound to it, in records.
    messages_to_feed: seen === undefined ? 0 : broker.streamExchanges.unfedCount(stream),
    queue_arguments: seen?.declaredAs == null ? null : plainTable(seen.declaredAs),
  };
}

function partitionView(partition: Partition): { readonly [field: string]: Json } {
  const { index, startOffset, highWatermark, lastStableOffset, leaderEpoch } = partition;
  return {
    index,
    start_offset: startOffset,
    high_watermark: highWatermark,
    last_stable_offset: lastStableOffset,
    leader_epoch: leaderEpoch,
    damaged: partition.log.isCorrupt,
  };
}
