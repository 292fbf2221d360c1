import type { Logger } from 'pino';
import type { TlsOptions } from '../listener/tls.ts';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** What `AmqpServer.listen` may be told; a limit on everything. */
export interface AmqpServerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly frameMaxBytes?: number;
  readonly channelMax?: number;
  /** What we propose; 0 for none. The client decides. */
  readonly heartbeatSeconds?: number;
  readonly maxMessageBytes?: number;
  readonly maxConnections?: number;
  readonly handshakeTimeoutMs?: number;
  /** Who could not prove who he is waits so long for the answer. */
  readonly refusedLoginDelayMs?: number;
  /** Present: the listener speaks TLS, and nothing else. */
  readonly tls?: TlsOptions;
  /** How long we wait for close-ok, and for the peer to end its side. */
  readonly closeTimeoutMs?: number;
  /** No deliveries to a connection that holds more than this for its socket, until most of it is gone. */
  readonly outputHighWaterBytes?: number;
  /** A peer that took nothing for this long, while we hold more than `stalledPeerBytes` for it, is dropped. */
  readonly stalledPeerTimeoutMs?: number;
  readonly stalledPeerBytes?: number;
  /** How long a consumer may hold a message, where the queue does not say so; Infinity for as long as it likes. */
  readonly consumerTimeoutMs?: number;
  /** Of Sluice, for the server-properties. */
  readonly version?: string;
  readonly log?: Log;
}

export type Settings = Required<Omit<AmqpServerOptions, 'host' | 'port' | 'tls'>>;

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export function withDefaults(options: AmqpServerOptions): Settings {
  return {
    frameMaxBytes: options.frameMaxBytes ?? 128 * 1024,
    channelMax: options.channelMax ?? 2047,
    heartbeatSeconds: options.heartbeatSeconds ?? 60,
    maxMessageBytes: options.maxMessageBytes ?? 128 * 1024 * 1024,
    maxConnections: options.maxConnections ?? 65_536,
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? 10_000,
    refusedLoginDelayMs: options.refusedLoginDelayMs ?? 200,
    closeTimeoutMs: options.closeTimeoutMs ?? 5_000,
    outputHighWaterBytes: options.outputHighWaterBytes ?? 512 * 1024,
    stalledPeerTimeoutMs: options.stalledPeerTimeoutMs ?? 120_000,
    stalledPeerBytes: options.stalledPeerBytes ?? 64 * 1024,
    consumerTimeoutMs: options.consumerTimeoutMs ?? Number.POSITIVE_INFINITY,
    version: options.version ?? '0.1.0',
    log: options.log ?? silent,
  };
}
