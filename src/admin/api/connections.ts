import type { Json } from '../../base/value-json.ts';
import type { ChannelInfo, ConnectionInfo, ConsumerInfo } from '../../broker/connections/connection-info.ts';
import { nodeName } from '../../broker/events/node-name.ts';
import type { Described, DescribedKind } from '../../broker/shards/connection-codec.ts';
import type { AdminContext } from '../context.ts';
import { notFound } from '../http-error.ts';
import { plainTable } from '../plain-json.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, done, list, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { shardField } from './shard-field.ts';
import { vhostOf } from './vhost-of.ts';

export const connectionRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/connections', handle: listed('connections') },
  { method: 'GET', path: '/api/vhosts/{vhost}/connections', handle: listed('connections') },
  {
    method: 'GET',
    path: '/api/connections/{name}',
    handle: async (...asked) => ok((await ofConnection('connections', ...asked))[0] as Json),
  },
  { method: 'DELETE', path: '/api/connections/{name}', handle: close },
  {
    method: 'GET',
    path: '/api/connections/{name}/channels',
    handle: async (...asked) => ok(await ofConnection('channels', ...asked)),
  },
  { method: 'GET', path: '/api/channels', handle: listed('channels') },
  { method: 'GET', path: '/api/vhosts/{vhost}/channels', handle: listed('channels') },
  { method: 'GET', path: '/api/channels/{name}', handle: channel },
  { method: 'GET', path: '/api/consumers', handle: listed('consumers') },
  { method: 'GET', path: '/api/consumers/{vhost}', handle: listed('consumers') },
];

type View<K extends DescribedKind> = (info: Described[K]) => { readonly [field: string]: Json };

const VIEWS: { readonly [K in DescribedKind]: View<K> } = {
  connections: connectionView,
  channels: channelView,
  consumers: consumerView,
};

function listed(kind: DescribedKind): Route['handle'] {
  return (context, request) => {
    const vhost = request.parameter('vhost') === '' ? null : vhostOf(context, request).name;
    return list(pages(context, kind, vhost));
  };
}

async function* pages<K extends DescribedKind>(
  { broker }: AdminContext,
  kind: K,
  vhost: string | null,
): AsyncGenerator<Iterable<Json>> {
  for await (const { shard, items } of broker.allShards.describe(kind, vhost))
    yield items.map((each) => ({ ...VIEWS[kind](each), ...shardField(broker, shard) }));
}

/** The connection itself, or what it has. @throws HttpError 404 */
async function ofConnection<K extends DescribedKind>(
  kind: K,
  { broker }: AdminContext,
  request: ApiRequest,
): Promise<Json[]> {
  const name = request.parameter('name');
  const found = await broker.allShards.ofConnection(kind, name);
  if (found === null) throw notFound(`no connection '${name}'`);
  return found.items.map((each) => ({ ...VIEWS[kind](each), ...shardField(broker, found.shard) }));
}

async function close({ broker }: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const name = request.parameter('name');
  const reason = request.query.get('reason') ?? 'closed by an administrator';
  if (!(await broker.allShards.closeConnection(name, reason))) throw notFound(`no connection '${name}'`);
  return done();
}

async function channel({ broker }: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const name = request.parameter('name');
  const found = await broker.allShards.channel(name);
  if (found === null) throw notFound(`no channel '${name}'`);
  return ok({ ...channelView(found.channel), ...shardField(broker, found.shard) });
}

function connectionView(info: ConnectionInfo): { readonly [field: string]: Json } {
  const { peer, local, tls } = info;
  return {
    id: info.id,
    name: info.name,
    node: nodeName,
    type: 'network',
    protocol: info.protocol,
    user: info.user,
    vhost: info.vhost,
    state: info.state,
    channels: info.channelCount,
    peer_host: peer.host,
    peer_port: peer.port,
    host: local.host,
    port: local.port,
    auth_mechanism: info.authMechanism,
    ssl: tls !== null,
    ssl_protocol: tls?.version ?? null,
    ssl_cipher: tls?.cipher ?? null,
    peer_cert_subject: tls?.peerSubject ?? null,
    connected_at: info.connectedAtMs,
    timeout: info.heartbeatSeconds,
    frame_max: info.frameMaxBytes,
    channel_max: info.channelMax,
    recv_oct: info.receivedBytes,
    send_oct: info.sentBytes,
    send_pend: info.queuedBytes,
    client_properties: plainTable(info.clientProperties),
  };
}

function channelView(info: ChannelInfo): { readonly [field: string]: Json } {
  return {
    name: info.name,
    number: info.number,
    connection_details: { name: info.connection },
    node: nodeName,
    user: info.user,
    vhost: info.vhost,
    state: info.state,
    confirm: info.confirms,
    transactional: info.transactional,
    prefetch_count: info.prefetch,
    global_prefetch_count: info.globalPrefetch,
    consumer_count: info.consumerCount,
    messages_unacknowledged: info.unacknowledged,
    messages_unconfirmed: info.unconfirmed,
  };
}

function consumerView(info: ConsumerInfo): { readonly [field: string]: Json } {
  return {
    consumer_tag: info.tag,
    queue: { name: info.queue, vhost: info.vhost },
    channel_details: {
      name: info.channel,
      number: info.channelNumber,
      connection_name: info.connection,
      user: info.user,
      node: nodeName,
    },
    ack_required: info.ackRequired,
    prefetch_count: info.prefetch,
    exclusive: info.exclusive,
    active: info.active,
    arguments: plainTable(info.arguments),
  };
}
