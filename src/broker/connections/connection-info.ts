import type { Table } from '../../base/value.ts';
import type { MessageTracer } from './message-tracer.ts';

export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

export interface TlsInfo {
  /** 'TLSv1.3' */
  readonly version: string;
  readonly cipher: string;
  /** The distinguished name in the client's certificate; null if it sent none. */
  readonly peerSubject: string | null;
}

export type ConnectionState = 'running' | 'blocked' | 'flow' | 'closing';

/** A client's connection as its server describes it, at the moment it is asked. */
export interface ConnectionInfo {
  readonly id: number;
  /** `127.0.0.1:41522 -> 127.0.0.1:5672` */
  readonly name: string;
  readonly user: string;
  readonly vhost: string;
  /** As RabbitMQ names them: 'AMQP 0-9-1'. */
  readonly protocol: string;
  readonly authMechanism: string;
  readonly peer: SocketAddress;
  readonly local: SocketAddress;
  readonly tls: TlsInfo | null;
  readonly connectedAtMs: number;
  readonly clientProperties: Table;
  readonly state: ConnectionState;
  readonly channelCount: number;
  readonly channelMax: number;
  readonly frameMaxBytes: number;
  readonly heartbeatSeconds: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Held for a peer that has not taken it yet. */
  readonly queuedBytes: number;
}

export interface ChannelInfo {
  readonly connection: string;
  readonly number: number;
  /** The name of the connection with the number in brackets. */
  readonly name: string;
  readonly user: string;
  readonly vhost: string;
  readonly state: ConnectionState;
  readonly confirms: boolean;
  readonly transactional: boolean;
  readonly unacknowledged: number;
  /** Published, and not confirmed yet. */
  readonly unconfirmed: number;
  /** For each consumer to come; 0 for no limit. */
  readonly prefetch: number;
  /** For the channel as a whole; 0 for no limit. */
  readonly globalPrefetch: number;
  readonly consumerCount: number;
}

export interface ConsumerInfo {
  readonly tag: string;
  readonly vhost: string;
  readonly queue: string;
  readonly user: string;
  readonly connection: string;
  /** The name of its channel. */
  readonly channel: string;
  readonly channelNumber: number;
  readonly ackRequired: boolean;
  /** 0 for no limit. */
  readonly prefetch: number;
  readonly exclusive: boolean;
  /** Whether it may be given messages; false for one that waits its turn on a queue with a single active consumer. */
  readonly active: boolean;
  readonly arguments: Table;
}

/** One client's connection, as a server shows it to the broker. Nothing here is asked for per message. */
export interface ClientConnection {
  readonly name: string;
  readonly user: string;
  readonly vhost: string;
  describe(): ConnectionInfo;
  channels(): ChannelInfo[];
  consumers(): ConsumerInfo[];
  /** Copies of its messages go there from now on; to nobody for null. */
  trace(tracer: MessageTracer | null): void;
  /** Ends it from our side; the client is told why. */
  close(reason: string): void;
}
