import type { Json } from '../../base/value-json.ts';
import type {
  ChannelInfo,
  ClientConnection,
  ConnectionInfo,
  ConsumerInfo,
} from '../../broker/connections/connection-info.ts';
import { nodeName } from '../../broker/events/node-name.ts';
import type { AdminContext } from '../context.ts';
import { notFound } from '../http-error.ts';
import { plainTable } from '../plain-json.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, done, list, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { vhostOf } from './vhost-of.ts';

export const connectionRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/connections', handle: connections },
  { method: 'GET', path: '/api/vhosts/{vhost}/connections', handle: connections },
  {
    method: 'GET',
    path: '/api/connections/{name}',
    handle: (...asked) => ok(connectionView(connectionOf(...asked).describe())),
  },
  { method: 'DELETE', path: '/api/connections/{name}', handle: close },
  {
    method: 'GET',
    path: '/api/connections/{name}/channels',
    handle: (...asked) =>
      ok(
        connectionOf(...asked)
          .channels()
          .map(channelView),
      ),
  },
  { method: 'GET', path: '/api/channels', handle: channels },
  { method: 'GET', path: '/api/vhosts/{vhost}/channels', handle: channels },
  { method: 'GET', path: '/api/channels/{name}', handle: (...asked) => ok(channelView(channelOf(...asked))) },
  { method: 'GET', path: '/api/consumers', handle: consumers },
  { method: 'GET', path: '/api/consumers/{vhost}', handle: consumers },
];

function connections(context: AdminContext, request: ApiRequest): ApiResponse {
  return list(viewsOf(registered(context, request), (each) => [connectionView(each.describe())]));
}

function channels(context: AdminContext, request: ApiRequest): ApiResponse {
  return list(viewsOf(registered(context, request), (each) => each.channels().map(channelView)));
}

function consumers(context: AdminContext, request: ApiRequest): ApiResponse {
  return list(viewsOf(registered(context, request), (each) => each.consumers().map(consumerView)));
}

function* viewsOf(
  connections: Iterable<ClientConnection>,
  views: (connection: ClientConnection) => Iterable<Json>,
): Iterable<Json> {
  for (const connection of connections) yield* views(connection);
}

function close(context: AdminContext, request: ApiRequest): ApiResponse {
  const connection = connectionOf(context, request);
  connection.close(request.query.get('reason') ?? 'closed by an administrator');
  return done();
}

function registered(context: AdminContext, request: ApiRequest): readonly ClientConnection[] {
  const all = [...context.broker.connections];
  if (request.parameter('vhost') === '') return all;
  const { name } = vhostOf(context, request);
  return all.filter((each) => each.vhost === name);
}

function connectionOf({ broker }: AdminContext, request: ApiRequest): ClientConnection {
  const name = request.parameter('name');
  const connection = broker.connections.find(name);
  if (connection === undefined) throw notFound(`no connection '${name}'`);
  return connection;
}

function channelOf({ broker }: AdminContext, request: ApiRequest): ChannelInfo {
  const name = request.parameter('name');
  for (const connection of broker.connections) {
    const found =
      name.startsWith(connection.name) && connection.channels().find((each) => each.name === name);
    if (found) return found;
  }
  throw notFound(`no channel '${name}'`);
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
