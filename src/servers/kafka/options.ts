import type { Logger } from 'pino';
import type { ListenerName } from '../listener/connection-limits.ts';
import type { ReservedPort } from '../listener/reserved-port.ts';
import type { TlsOptions } from '../listener/tls.ts';
import type { TrustedProxies } from '../listener/trusted-proxies.ts';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** advertised.listeners: the address in responses, where it is not the one that the client has connected to. */
export interface AdvertisedAddress {
  readonly host: string;
  /** Null for the port that the client has connected to. */
  readonly port: number | null;
}

/** Options of `KafkaServer.listen`, with Kafka's name in brackets where it has one. */
export interface KafkaServerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** The port, where it was taken before. */
  readonly reserved?: ReservedPort | undefined;
  /** As which listener its connections are counted, over all shards of the process. */
  readonly countedAs?: ListenerName;
  /** With a port, it is that of shard 0; those of others are as far from it as the ports that they listen on. */
  readonly advertised?: AdvertisedAddress | null;
  /** What the servers of all shards listen on, by the number of the shard; left out where there is one. */
  readonly ports?: readonly number[];
  /** Metadata requests create topics that do not exist (auto.create.topics.enable). */
  readonly createsTopics?: boolean;
  /** Of topics that are created without a number of partitions (num.partitions). */
  readonly partitions?: number;
  /** Largest request (socket.request.max.bytes). */
  readonly requestBytesMax?: number;
  /** Requests of one connection without a response; beyond it the socket is not read. */
  readonly requestsMax?: number;
  /** Bytes of such requests; beyond it the socket is not read. */
  readonly requestsBytesMax?: number;
  /** A connection without requests for this long is closed (connections.max.idle.ms). */
  readonly idleTimeoutMs?: number;
  readonly maxConnections?: number;
  /** (max.connections.per.ip) */
  readonly maxConnectionsPerAddress?: number;
  /** Who begins connections with a header of the PROXY protocol; null: nobody. */
  readonly trustedProxies?: TrustedProxies | null;
  /** The time that a client has to authenticate. */
  readonly handshakeTimeoutMs?: number;
  /** The user whose permissions unauthenticated clients have, subject to `loopback-users`; null: all clients authenticate. */
  readonly anonymousUser?: string | null;
  /** The virtual host for user names without `vhost:`. */
  readonly defaultVhost?: string;
  /** Lifetime of a SASL session; 0 for ever (connections.max.reauth.ms). */
  readonly reauthenticationMs?: number;
  /** Delay of the response to a failed authentication (connection.failed.authentication.delay.ms). */
  readonly refusedLoginDelayMs?: number;
  /** Present: the listener speaks TLS, and nothing else. */
  readonly tls?: TlsOptions;
  readonly closeTimeoutMs?: number;
  /** Response bytes that the socket has not taken; beyond it no requests begin, until a quarter of it is left. */
  readonly outputHighWaterBytes?: number;
  /** A peer that reads nothing for this long, with more than `stalledPeerBytes` to read, is disconnected. */
  readonly stalledPeerTimeoutMs?: number;
  readonly stalledPeerBytes?: number;
  /** A peer of which the rest of a request does not come for this long is disconnected. */
  readonly unfinishedInputTimeoutMs?: number;
  readonly log?: Log;
}

export type Settings = Required<
  Omit<KafkaServerOptions, 'host' | 'port' | 'ports' | 'reserved' | 'countedAs' | 'tls'>
>;

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
    maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? Number.POSITIVE_INFINITY,
    trustedProxies: options.trustedProxies ?? null,
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? 10_000,
    anonymousUser: options.anonymousUser ?? null,
    defaultVhost: options.defaultVhost ?? '/',
    reauthenticationMs: options.reauthenticationMs ?? 0,
    refusedLoginDelayMs: options.refusedLoginDelayMs ?? 200,
    closeTimeoutMs: options.closeTimeoutMs ?? 3_000,
    outputHighWaterBytes: options.outputHighWaterBytes ?? MIB,
    stalledPeerTimeoutMs: options.stalledPeerTimeoutMs ?? 120_000,
    unfinishedInputTimeoutMs: options.unfinishedInputTimeoutMs ?? 30_000,
    stalledPeerBytes: options.stalledPeerBytes ?? 64 * 1024,
    log: options.log ?? silent,
  };
}
