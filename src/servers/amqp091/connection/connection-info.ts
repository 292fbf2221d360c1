import type {
  ChannelInfo,
  ConnectionInfo,
  ConsumerInfo,
  Session as ListedSession,
  SessionState,
  SocketAddress,
  TlsInfo,
} from '../../../broker/connections/connection-info.ts';
import type { Tracer } from '../../../broker/connections/message-tracer.ts';
import type { Consumer } from '../../../broker/queues/consumer.ts';
import { tlsInfo } from '../../listener/tls-info.ts';
import type { Channel } from '../channel.ts';
import { reply } from '../errors.ts';
import type { Connection } from './connection.ts';
import type { Session } from './session.ts';

export const PROTOCOL_NAME = 'AMQP 0-9-1';

/** What is told of a consumer, be it one of a queue or one that waits for answers. */
export interface ShownConsumer
  extends Pick<Consumer, 'tag' | 'noAck' | 'exclusive' | 'prefetch' | 'arguments'> {
  readonly queue: Pick<Consumer['queue'], 'name' | 'vhost'>;
}

/** One connection as the broker's operators see it: worked out when they ask, so that it costs nothing otherwise. */
export class SessionView implements ListedSession {
  readonly id: number;
  readonly name: string;
  readonly user: string;
  readonly vhost: string;
  readonly peer: SocketAddress;
  readonly local: SocketAddress;
  readonly tls: TlsInfo | null;
  readonly connectedAtMs: number;
  readonly #connection: Connection;
  readonly #session: Session;

  constructor(connection: Connection, session: Session) {
    const { socket } = session;
    this.#connection = connection;
    this.#session = session;
    this.user = connection.user;
    this.vhost = connection.vhost.name;
    this.peer = addressOf(socket.remoteAddress, socket.remotePort);
    this.local = addressOf(socket.localAddress, socket.localPort);
    this.name = `${addressText(this.peer)} -> ${addressText(this.local)}`;
    this.tls = tlsInfo(socket);
    this.connectedAtMs = connection.broker.clock.now();
    connection.tracer = connection.broker.tracing.of(this.vhost);
    this.id = connection.broker.sessions.add(this);
  }

  describe(): ConnectionInfo {
    const { socket, tuning, client } = this.#session;
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
      transactional: channel.transaction !== null,
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

  #consumersOf(channel: Channel): ConsumerInfo[] {
    const infoOf = (consumer: ShownConsumer, active: boolean): ConsumerInfo => ({
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
    return channel.reply === null ? ofQueues : [...ofQueues, infoOf(channel.reply, true)];
  }

  channelName(channel: Channel): string {
    return `${this.name} (${channel.number})`;
  }

  trace(tracer: Tracer | null): void {
    this.#connection.tracer = tracer;
  }

  close(reason: string): void {
    this.#connection.close(reply('CONNECTION_FORCED', reason));
  }

  #state(): SessionState {
    const { state, isBlocked, isPaused } = this.#connection;
    if (state !== 'open') return 'closing';
    if (isBlocked) return 'blocked';
    return isPaused ? 'flow' : 'running';
  }
}

/** What a socket that broke at once does not know any more is left out. */
function addressOf(host = '', port = 0): SocketAddress {
  return { host: host.replace(/^::ffff:/, ''), port };
}

function addressText({ host, port }: SocketAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
