import type {
  ChannelInfo,
  ConnectionInfo,
  ConsumerInfo,
  Session,
  SocketAddress,
} from '../../../broker/connections/connection-info.ts';
import { tlsInfo } from '../../listener/tls-info.ts';
import type { KafkaConnection } from './connection.ts';
import type { Identity } from './identity.ts';

export const PROTOCOL_NAME = 'Kafka';

/** One connection as the broker's operators see it. */
export class SessionView implements Session {
  readonly id: number;
  readonly name: string;
  readonly user: string;
  readonly vhost: string;
  readonly peer: SocketAddress;
  readonly local: SocketAddress;
  readonly #connection: KafkaConnection;
  readonly #mechanism: string;

  constructor(connection: KafkaConnection, identity: Identity) {
    const { socket } = connection;
    this.#connection = connection;
    this.#mechanism = identity.mechanism;
    this.user = identity.user.name;
    this.vhost = identity.vhost;
    this.peer = { host: connection.address, port: socket.remotePort ?? 0 };
    this.local = { host: connection.localAddress, port: socket.localPort ?? 0 };
    this.name = `${addressText(this.peer)} -> ${addressText(this.local)}`;
    this.id = connection.broker.sessions.add(this);
  }

  describe(): ConnectionInfo {
    const { socket, replies, isClosed, clientId, software, settings } = this.#connection;
    return {
      id: this.id,
      name: this.name,
      user: this.user,
      vhost: this.vhost,
      protocol: PROTOCOL_NAME,
      authMechanism: this.#mechanism,
      peer: this.peer,
      local: this.local,
      tls: tlsInfo(socket),
      connectedAtMs: this.#connection.connectedAtMs,
      clientProperties: { connection_name: clientId, product: software },
      state: isClosed ? 'closing' : replies.isCongested ? 'flow' : 'running',
      channelCount: 0,
      channelMax: 0,
      frameMaxBytes: settings.requestBytesMax,
      heartbeatSeconds: 0,
      receivedBytes: socket.bytesRead,
      sentBytes: socket.bytesWritten - socket.writableLength,
      queuedBytes: replies.queuedBytes,
    };
  }

  channels(): ChannelInfo[] {
    return [];
  }

  /** Readers of streams are no consumers: nobody gives them anything that they do not ask for. */
  consumers(): ConsumerInfo[] {
    return [];
  }

  /** What is traced are messages on their way through exchanges and queues, each by itself; these are batches. */
  trace(): void {}

  close(reason: string): void {
    this.#connection.close(reason);
  }
}

function addressText({ host, port }: SocketAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
