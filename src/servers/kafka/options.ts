import type { Logger } from 'pino';
import type { TlsOptions } from '../listener/tls.ts';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** Where clients are told to connect to, where that is not the address at which they did. */
export interface AdvertisedAddress {
  readonly host: string;
  /** Null for the one of the listener. */
  readonly port: number | null;
}

/** What `KafkaServer.listen` may be told; a limit on everything. In brackets how Kafka calls it. */
export interface KafkaServerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly advertised?: AdvertisedAddress | null;
  /** Topics that are asked for and not there are made (auto.create.topics.enable)… */
  readonly createsTopics?: boolean;
  /** …with so many partitions, as all that do not say how many (num.partitions). */
  readonly partitions?: number;
  /** Largest request (socket.request.max.bytes). */
  readonly requestBytesMax?: number;
  /** Requests of one connection that have no answer yet; no more are read beyond that… */
  readonly requestsMax?: number;
  /** …or beyond so many bytes of them. */
  readonly requestsBytesMax?: number;
  /** A connection without requests for this long is closed (connections.max.idle.ms). */
  readonly idleTimeoutMs?: number;
  readonly maxConnections?: number;
  /** Who has to log in has to have done it after this time. */
  readonly handshakeTimeoutMs?: number;
  /** Whose permissions those have that do not log in; null if everybody has to. Subject to `loopback-users`. */
  readonly anonymousUser?: string | null;
  /** Where those are whose user name does not say it. */
  readonly defaultVhost?: string;
  /** How long a login by SASL is good for; 0 for ever (connections.max.reauth.ms). */
  readonly reauthenticationMs?: number;
  /** Who could not prove who he is waits so long for the answer. */
  readonly refusedLoginDelayMs?: number;
  /** Present: the listener speaks TLS, and nothing else. */
  readonly tls?: TlsOptions;
  readonly closeTimeoutMs?: number;
  /** No requests are taken from a connection that holds more than this for its socket, until most of it is gone. */
  readonly outputHighWaterBytes?: number;
  /** A peer that took nothing for this long, while we hold more than `stalledPeerBytes` for it, is dropped. */
  readonly stalledPeerTimeoutMs?: number;
  readonly stalledPeerBytes?: number;
  readonly log?: Log;
}

export type Settings = Required<Omit<KafkaServerOptions, 'host' | 'port' | 'tls'>>;

const MIB = 1024 * 1024;
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export function withDefaults(options: KafkaServerOptions): Settings {
  return {
    advertised: options.advertised ?? null,
    createsTopics: options.createsTopics ?? true,
    partitions: options.partitions ?? 1,
    requestBytesMax: options.requestBytesMax ?? 100 * MIB,
    requestsMax: options.requestsMax ?? 256,
    requestsBytesMax: options.requestsBytesMax ?? 64 * MIB,
    idleTimeoutMs: options.idleTimeoutMs ?? 600_000,
    maxConnections: options.maxConnections ?? 65_536,
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? 10_000,
    anonymousUser: options.anonymousUser === undefined ? 'guest' : options.anonymousUser,
    defaultVhost: options.defaultVhost ?? '/',
    reauthenticationMs: options.reauthenticationMs ?? 0,
    refusedLoginDelayMs: options.refusedLoginDelayMs ?? 200,
    closeTimeoutMs: options.closeTimeoutMs ?? 5_000,
    outputHighWaterBytes: options.outputHighWaterBytes ?? MIB,
    stalledPeerTimeoutMs: options.stalledPeerTimeoutMs ?? 120_000,
    stalledPeerBytes: options.stalledPeerBytes ?? 64 * 1024,
    log: options.log ?? silent,
  };
}
