import type { Socket } from 'node:net';
import type { Broker } from '../../../broker/broker.ts';
import type {
  ChannelInfo,
  ClientConnection,
  ConnectionInfo,
  ConsumerInfo,
  SocketAddress,
} from '../../../broker/connections/connection-info.ts';
import type { Peer } from '../../listener/peer.ts';
import { tlsInfo } from '../../listener/tls-info.ts';
import type { Identity } from './identity.ts';
import type { ResponseQueue } from './response-queue.ts';

export const PROTOCOL_NAME = 'Kafka';

/** What operators are told of a connection. */
export interface DescribedConnection {
  readonly socket: Socket;
  readonly broker: Broker;
  readonly settings: { readonly requestBytesMax: number };
  readonly responses: ResponseQueue;
  readonly peer: Peer;
  readonly clientId: string;
  readonly software: string;
  readonly connectedAtMs: number;
  readonly isClosed: boolean;
  close(reason: string): void;
}

/** An authenticated connection in the broker's registry of connections: what the HTTP API, CLI and console list. */
export class KafkaConnectionInfo implements ClientConnection {
  readonly id: number;
  readonly name: string;
  readonly user: string;
  readonly vhost: string;
  readonly peer: SocketAddress;
  readonly local: SocketAddress;
  readonly #connection: DescribedConnection;
  readonly #mechanism: string;

  constructor(connection: DescribedConnection, identity: Identity) {
    const { peer } = connection;
    this.#connection = connection;
    this.#mechanism = identity.mechanism;
    this.user = identity.user.name;
    this.vhost = identity.vhost;
    this.peer = { host: peer.address, port: peer.port };
    this.local = { host: peer.localAddress, port: peer.localPort };
    this.name = `${addressText(this.peer)} -> ${addressText(this.local)}`;
    this.id = connection.broker.connections.add(this);
  }

  describe(): ConnectionInfo {
    const { socket, responses, isClosed, clientId, software, settings } = this.#connection;
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
      state: isClosed ? 'closing' : responses.isCongested ? 'flow' : 'running',
      channelCount: 0,
      channelMax: 0,
      frameMaxBytes: settings.requestBytesMax,
      heartbeatSeconds: 0,
      receivedBytes: socket.bytesRead,
      sentBytes: socket.bytesWritten - socket.writableLength,
      queuedBytes: responses.queuedBytes,
    };
  }

  channels(): ChannelInfo[] {
    return [];
  }

  /** None: Kafka's consumers fetch, nothing is delivered to them. */
  consumers(): ConsumerInfo[] {
    return [];
  }

  /** Nothing: message tracing follows single messages, and Kafka clients send and read batches. */
  trace(): void {}

  close(reason: string): void {
    this.#connection.close(reason);
  }
}

function addressText({ host, port }: SocketAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
