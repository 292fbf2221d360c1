import type { Broker } from '../../../broker/broker.ts';
import type {
  ChannelInfo,
  ConnectionInfo,
  ConsumerInfo,
  ClientConnection as ListedConnection,
  ConnectionState as ListedState,
  SocketAddress,
  TlsInfo,
} from '../../../broker/connections/connection-info.ts';
import type { MessageTracer } from '../../../broker/connections/message-tracer.ts';
import { tlsInfo } from '../../listener/tls-info.ts';
import type { ChannelContext, ConsumerDescription, HandlerContext } from '../channel-context.ts';
import { type CloseReason, closeReason } from '../errors.ts';
import { type HandshakeResult, PROTOCOL_NAME } from './handshake-result.ts';
import type { Output } from './output.ts';

/**
 * - `open`;
 * - `closing`: one of us sent connection.close; only close and close-ok are understood any more (AMQP 1.4.2.9);
 * - `deaf`: the framing of what the peer sends is lost, and it is not looked at;
 * - `closed`: the socket is gone.
 */
export type ConnectionLifecycle = 'open' | 'closing' | 'deaf' | 'closed';

/** What is listed of a connection. `Connection` implements it. */
export interface InspectedConnection {
  readonly state: ConnectionLifecycle;
  readonly output: Output;
  readonly channels: Iterable<HandlerContext>;
  readonly channelCount: number;
  /** By a resource alarm: `blocked`. */
  readonly isBlocked: boolean;
  /** By flow control: `flow`. */
  readonly isPaused: boolean;
  tracer: MessageTracer | null;
  close(reason: CloseReason): void;
}

/** A connection in the lists of the HTTP API: put together when it is asked for, so that it costs nothing otherwise. */
export class AmqpConnectionInfo implements ListedConnection {
  readonly id: number;
  readonly name: string;
  readonly user: string;
  readonly vhost: string;
  readonly peer: SocketAddress;
  readonly local: SocketAddress;
  readonly tls: TlsInfo | null;
  readonly connectedAtMs: number;
  readonly #connection: InspectedConnection;
  readonly #handshake: HandshakeResult;

  constructor(connection: InspectedConnection, handshake: HandshakeResult, broker: Broker) {
    const { socket, peer, identity, vhost } = handshake;
    this.#connection = connection;
    this.#handshake = handshake;
    this.user = identity.name;
    this.vhost = vhost.name;
    this.peer = { host: peer.address, port: peer.port };
    this.local = { host: peer.localAddress, port: peer.localPort };
    this.name = `${addressText(this.peer)} -> ${addressText(this.local)}`;
    this.tls = tlsInfo(socket);
    this.connectedAtMs = broker.shard.clock.now();
    connection.tracer = broker.tracing.of(this.vhost);
    this.id = broker.connections.add(this);
  }

  describe(): ConnectionInfo {
    const { socket, tuning, client } = this.#handshake;
    return {
      id: this.id,
      name: this.name,
      user: this.user,
      vhost: this.vhost,
      protocol: PROTOCOL_NAME,
      authMechanism: client.mechanism,
      peer: this.peer,
      local: this.local,
      tls: this.tls,
      connectedAtMs: this.connectedAtMs,
      clientProperties: client.properties,
      state: this.#state(),
      channelCount: this.#connection.channelCount,
      channelMax: tuning.channelMax,
      frameMaxBytes: tuning.frameMax,
      heartbeatSeconds: tuning.heartbeatSeconds,
      receivedBytes: socket.bytesRead,
      sentBytes: socket.bytesWritten - socket.writableLength,
      queuedBytes: this.#connection.output.queuedBytes,
    };
  }

  channels(): ChannelInfo[] {
    return Array.from(this.#connection.channels, (channel) => ({
      connection: this.name,
      number: channel.number,
      name: this.channelName(channel),
      user: this.user,
      vhost: this.vhost,
      state: channel.state === 'open' ? this.#state() : 'closing',
      confirms: channel.confirms !== null,
      transactional: channel.tx !== null,
      unacknowledged: channel.unacknowledged.count,
      unconfirmed: channel.confirms?.unconfirmedCount ?? 0,
      prefetch: channel.prefetchPerConsumer,
      globalPrefetch: channel.prefetchLimit,
      consumerCount: channel.consumers.size,
    }));
  }

  consumers(): ConsumerInfo[] {
    return Array.from(this.#connection.channels).flatMap((channel) => this.#consumersOf(channel));
  }

  #consumersOf(channel: HandlerContext): ConsumerInfo[] {
    const infoOf = (consumer: ConsumerDescription, active: boolean): ConsumerInfo => ({
      tag: consumer.tag,
      vhost: this.vhost,
      queue: consumer.queue.name,
      user: this.user,
      connection: this.name,
      channel: this.channelName(channel),
      channelNumber: channel.number,
      ackRequired: !consumer.noAck,
      prefetch: consumer.prefetch,
      exclusive: consumer.exclusive,
      active,
      arguments: consumer.arguments,
    });
    const ofQueues = Array.from(channel.consumers.values(), (consumer) =>
      infoOf(consumer, consumer.isActive && (consumer.queue.consumers.active ?? consumer) === consumer),
    );
    return channel.directReplyTo === null ? ofQueues : [...ofQueues, infoOf(channel.directReplyTo, true)];
  }

  channelName(channel: ChannelContext): string {
    return `${this.name} (${channel.number})`;
  }

  trace(tracer: MessageTracer | null): void {
    this.#connection.tracer = tracer;
  }

  close(reason: string): void {
    this.#connection.close(closeReason('CONNECTION_FORCED', reason));
  }

  #state(): ListedState {
    const { state, isBlocked, isPaused } = this.#connection;
    if (state !== 'open') return 'closing';
    if (isBlocked) return 'blocked';
    return isPaused ? 'flow' : 'running';
  }
}

function addressText({ host, port }: SocketAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
