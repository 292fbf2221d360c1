import type { Json } from '../../base/value-json.ts';
import type { AnyPartition } from '../../broker/streams/any-partition.ts';
import { type FiguresById, figuresOfAll } from '../../broker/streams/partition-figures.ts';
import type { Stream } from '../../broker/streams/stream.ts';
import { validateConfig, validateConfigs } from '../../broker/streams/topic-config-validation.ts';
import type { AdminContext } from '../context.ts';
import { badRequest, notFound } from '../http-error.ts';
import { plainTable } from '../plain-json.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, created, done, list, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { durably } from './durably.ts';
import { shardField } from './shard-field.ts';
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

/** Streams of whose partitions the other shards are asked at once. */
const PAGE_STREAMS = 200;

async function* views(
  context: AdminContext,
  vhosts: Iterable<{ readonly name: string }>,
): AsyncGenerator<Iterable<Json>> {
  const { broker } = context;
  for (const { name } of vhosts) {
    const streams = broker.streams.list(name);
    for (let at = 0; at < streams.length; at += PAGE_STREAMS) {
      const page = streams.slice(at, at + PAGE_STREAMS);
      const figures = await figuresOfAll(
        page.flatMap(({ partitions }) => partitions),
        broker.partitionReads,
      );
      yield page.map((stream) => view(context, stream, figures));
    }
  }
}

async function one(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const stream = streamOf(context, request);
  const figures = await figuresOfAll(stream.partitions, context.broker.partitionReads);
  const partitions = stream.partitions.map((each) => partitionView(context, each, figures));
  return ok({ ...view(context, stream, figures), partitions });
}

/** Makes the stream; or gives it more partitions and other configs, if the request has any. */
async function put(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const { streams } = context.broker;
  const vhost = vhostOf(context, request).name;
  const name = request.parameter('name');
  const configs = configsIn(request);
  const stream = streams.get(vhost, name);
  if (stream === undefined) {
    streams.create({ vhost, name, partitions: request.integer('partitions', 1), shards: 'spread', configs });
    return await durably(context, created());
  }
  if (request.has('partitions')) streams.addPartitions(stream, request.integer('partitions'), null, 'spread');
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

function view(
  { broker }: AdminContext,
  stream: Stream,
  figures: FiguresById,
): { readonly [field: string]: Json } {
  const { name, vhost, id, partitions, configs } = stream;
  const seen = broker.streamExchanges.of(stream);
  const exchange = broker.vhosts.get(vhost)?.findExchange(name);
  return {
    name,
    vhost,
    id,
    partition_count: partitions.length,
    configs: Object.fromEntries(configs),
    messages: messagesIn(partitions, figures),
    consumers: seen?.consumers.count ?? 0,
    exchange_type: exchange?.type.name ?? null,
    bindings: exchange?.outbound.size ?? 0,
    // Lag of the queues that are bound to it, in records.
    messages_to_feed: seen === undefined ? 0 : broker.streamExchanges.unfedCount(stream),
    queue_arguments: seen?.declaredAs == null ? null : plainTable(seen.declaredAs),
  };
}

function messagesIn(partitions: readonly AnyPartition[], figures: FiguresById): number {
  let count = 0;
  for (const { id } of partitions) {
    const { startOffset = 0, highWatermark = 0 } = figures.get(id) ?? {};
    count += highWatermark - startOffset;
  }
  return count;
}

function partitionView(
  { broker }: AdminContext,
  { index, id, shard, leaderEpoch }: AnyPartition,
  figures: FiguresById,
): { readonly [field: string]: Json } {
  const { startOffset, highWatermark, lastStableOffset, isCorrupt, bytes } = figures.get(id) ?? {};
  return {
    index,
    ...shardField(broker, shard),
    start_offset: startOffset ?? null,
    high_watermark: highWatermark ?? null,
    last_stable_offset: lastStableOffset ?? null,
    leader_epoch: leaderEpoch,
    bytes: bytes ?? null,
    damaged: isCorrupt ?? null,
  };
}
