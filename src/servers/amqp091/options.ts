import type { Logger } from 'pino';
import type { ListenerName } from '../listener/connection-limits.ts';
import type { ReservedPort } from '../listener/reserved-port.ts';
import type { TlsOptions } from '../listener/tls.ts';
import type { TrustedProxies } from '../listener/trusted-proxies.ts';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** Of `AmqpServer.listen`. */
export interface AmqpServerOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** The port, where it was taken before. */
  readonly reserved?: ReservedPort | undefined;
  /** As which listener its connections are counted, over all shards of the process. */
  readonly countedAs?: ListenerName;
  readonly frameMaxBytes?: number;
  readonly channelMax?: number;
  /** Proposed in tune; 0 for none. The client decides in tune-ok. */
  readonly heartbeatSeconds?: number;
  readonly maxMessageBytes?: number;
  readonly maxConnections?: number;
  readonly maxConnectionsPerAddress?: number;
  /** Who begins connections with a header of the PROXY protocol; null: nobody. */
  readonly trustedProxies?: TrustedProxies | null;
  /** From accept to connection.open-ok. */
  readonly handshakeTimeoutMs?: number;
  /** How long the refusal of a login is held back, against password guessing. */
  readonly refusedLoginDelayMs?: number;
  /** Present: the listener speaks TLS, and nothing else. */
  readonly tls?: TlsOptions;
  /** From connection.close until the socket is destroyed, if the peer does not answer or end its side. */
  readonly closeTimeoutMs?: number;
  /** No deliveries to a connection with more output queued than this, until three quarters of it are gone. */
  readonly outputHighWaterBytes?: number;
  /** A peer that read nothing for this long, with more than `stalledPeerBytes` queued for it, is dropped. */
  readonly stalledPeerTimeoutMs?: number;
  readonly stalledPeerBytes?: number;
  /** A peer of which the rest of a frame or message does not come for this long is disconnected. */
  readonly unfinishedInputTimeoutMs?: number;
  /** RabbitMQ's delivery acknowledgement timeout, of queues without one of their own. Infinity: none. */
  readonly consumerTimeoutMs?: number;
  /** Of Sluice, for the server-properties of connection.start. */
  readonly version?: string;
  readonly log?: Log;
}

export type Settings = Required<Omit<AmqpServerOptions, 'host' | 'port' | 'reserved' | 'countedAs' | 'tls'>>;

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export function withDefaults(options: AmqpServerOptions): Settings {
  return {
    frameMaxBytes: options.frameMaxBytes ?? 128 * 1024,
    channelMax: options.channelMax ?? 2047,
    heartbeatSeconds: options.heartbeatSeconds ?? 60,
    maxMessageBytes: options.maxMessageBytes ?? 128 * 1024 * 1024,
    maxConnections: options.maxConnections ?? 65_536,
    maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? Number.POSITIVE_INFINITY,
    trustedProxies: options.trustedProxies ?? null,
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? 10_000,
    refusedLoginDelayMs: options.refusedLoginDelayMs ?? 200,
    closeTimeoutMs: options.closeTimeoutMs ?? 3_000,
    outputHighWaterBytes: options.outputHighWaterBytes ?? 512 * 1024,
    stalledPeerTimeoutMs: options.stalledPeerTimeoutMs ?? 120_000,
    unfinishedInputTimeoutMs: options.unfinishedInputTimeoutMs ?? 30_000,
    stalledPeerBytes: options.stalledPeerBytes ?? 64 * 1024,
    consumerTimeoutMs: options.consumerTimeoutMs ?? Number.POSITIVE_INFINITY,
    version: options.version ?? '0.1.0',
    log: options.log ?? silent,
  };
}
