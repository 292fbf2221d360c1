import type { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import { Broker } from '../../broker/broker.ts';
import type { Budget } from '../../broker/budget/budget.ts';
import type { ShardSeat } from '../../broker/doors/shard-link.ts';
import { storageFailureText } from '../../log/operator-advice.ts';
import type { AmqpServerOptions } from '../../servers/amqp091/options.ts';
import { amqp091Codec } from '../../servers/amqp091/property-codec.ts';
import { AmqpServer } from '../../servers/amqp091/server.ts';
import type { KafkaServerOptions } from '../../servers/kafka/options.ts';
import { KafkaServer } from '../../servers/kafka/server.ts';
import type { ListenerName } from '../../servers/listener/connection-limits.ts';
import { FoldedLog } from '../../servers/listener/folded-log.ts';
import type { PortOptions, ReservedPort } from '../../servers/listener/reserved-port.ts';
import type { TlsMaterial, TlsOptions } from '../../servers/listener/tls.ts';
import { TrustedProxies } from '../../servers/listener/trusted-proxies.ts';
import type { Configuration } from '../config/settings.ts';
import { memoryHighWaterBytes } from './client-budget.ts';
import { anonymousUserOf } from './exposure.ts';
import { formatAddress, type ListenerComponent } from './lifecycle.ts';
import { readTlsFiles, type TlsFiles, TlsWatcher, tlsFiles } from './tls-files.ts';

/** What `sluice start` opens, with the settings translated to the options of each component. `place`: among several shards. */
export function openBroker(
  configuration: Configuration,
  budget: Budget,
  log: Logger,
  onStep: (step: string) => void,
  place: { readonly seat?: ShardSeat; readonly isHeld?: boolean } = {},
): Promise<Broker> {
  return Broker.open({
    budget,
    ...place,
    dataDirectory: configuration.dataDirectory,
    durability: configuration.durability,
    memoryLimitBytes: configuration.memoryLimitBytes,
    journalFileBytes: configuration.journalFileBytes,
    journalLimitBytes: configuration.journalLimitBytes,
    diskFreeLimitBytes: configuration.diskFreeLimitBytes,
    streamUpkeep: {
      retentionCheckMs: configuration.retentionCheckSeconds * 1000,
      compactionMemoryBytes: configuration.compactionMemoryBytes,
      compactionBytesPerSecond: configuration.compactionRateBytes,
    },
    groups: {
      initialRebalanceDelayMs: configuration.groupRebalanceDelayMs,
      membersMax: configuration.groupMembersMax,
      sessionTimeoutMsMin: configuration.groupSessionTimeoutMsMin,
      migration: configuration.groupMigration,
      offsetsRetentionMs: configuration.offsetsRetentionMinutes * 60_000,
    },
    objectLimits: {
      user: configuration.userLimits,
      administrator: configuration.administratorLimits,
      vhost: configuration.vhostLimits,
    },
    memoryHighWaterBytes: memoryHighWaterBytes(configuration),
    loopbackUsers: configuration.loopbackUsers,
    propertyCodecs: [amqp091Codec],
    log,
    onStep,
    onFailure(error) {
      // Nothing more becomes durable, so nothing more may be confirmed. What was confirmed is in the journal.
      log.fatal({ err: error }, storageFailureText(error, configuration.dataDirectory));
      process.exit(1);
    },
  });
}

interface ClientServer {
  readonly port: number;
  renewTls(material: TlsMaterial): void;
  close(): Promise<void>;
}

interface ListenOptions {
  readonly tls?: TlsOptions;
  readonly countedAs: ListenerName;
  /** Of all shards, where each has one of its own. */
  readonly ports: readonly number[];
}

type Listen = (
  broker: Broker,
  reserved: ReservedPort,
  configuration: Configuration,
  log: Logger,
  options: ListenOptions,
) => Promise<ClientServer>;

export interface ClientListener {
  /** As in the ready line. */
  readonly protocol: ListenerName;
  /** As in messages. */
  readonly title: string;
  readonly setting: 'amqpPort' | 'amqpsPort' | 'kafkaPort' | 'kafkasPort';
  readonly isTls: boolean;
  /** All shards serve it: on one port, or each on a port of its own. */
  readonly ports: 'one' | 'each';
  readonly listen: Listen;
}

const listenAmqp: Listen = (broker, reserved, configuration, log, { tls, countedAs }) =>
  AmqpServer.listen(broker, {
    ...amqpOptions(configuration, reserved, log),
    countedAs,
    ...(tls !== undefined && { tls }),
  });

const listenKafka: Listen = (broker, reserved, configuration, log, options) =>
  KafkaServer.listen(broker, { ...kafkaOptions(configuration, reserved, log), ...options });

/** In the order in which they are opened. */
const CLIENT_LISTENERS: readonly ClientListener[] = [
  {
    protocol: 'amqp',
    title: 'AMQP',
    setting: 'amqpPort',
    isTls: false,
    ports: 'one',
    listen: listenAmqp,
  },
  {
    protocol: 'amqps',
    title: 'AMQP over TLS',
    setting: 'amqpsPort',
    isTls: true,
    ports: 'one',
    listen: listenAmqp,
  },
  {
    protocol: 'kafka',
    title: 'Kafka',
    setting: 'kafkaPort',
    isTls: false,
    ports: 'each',
    listen: listenKafka,
  },
  {
    protocol: 'kafkas',
    title: 'Kafka over TLS',
    setting: 'kafkasPort',
    isTls: true,
    ports: 'each',
    listen: listenKafka,
  },
];

/** Those that are on. @throws Error if one needs files of TLS that cannot be read */
export function clientListeners(configuration: Configuration): readonly ClientListener[] {
  const listeners = CLIENT_LISTENERS.filter(({ setting }) => configuration[setting] !== 'off');
  // What is wrong with the files is said before anything is opened.
  if (listeners.some(({ isTls }) => isTls)) readTlsFiles(tlsFiles(configuration));
  return listeners;
}

/** The port of a listener in a shard; 0 for any free one. */
export function portInShard(
  { title, setting, ports }: Pick<ClientListener, 'title' | 'setting' | 'ports'>,
  configuration: Configuration,
  shard: number,
): number {
  const port = configuration[setting];
  if (port === 'off') throw new Error(`the listener for ${title} is off`);
  return port === 0 || ports === 'one' ? port : port + shard * configuration.kafkaShardPortStep;
}

/** Takes the port of a listener with `take`. Rejects with a message for an operator. */
export async function reservePort<Taken = ReservedPort>(
  listener: ClientListener,
  configuration: Configuration,
  take: (on: PortOptions) => Promise<Taken>,
  shard = 0,
): Promise<Taken> {
  const { host } = configuration;
  const { protocol, title, ports } = listener;
  const port = portInShard(listener, configuration, shard);
  const isOfShard = ports === 'each' && shard > 0;
  const name = isOfShard ? `${title} in shard ${shard}` : title;
  const flag = `--${protocol}-port${isOfShard ? ' or --kafka-shard-port-step' : ''}`;
  try {
    return await take({ host, port });
  } catch (error) {
    throw listenError(error, name, flag, formatAddress(host, port));
  }
}

/** Who tells that certificates are to be read again: the process, or whoever passes its signal on. */
export type Hangups = Pick<EventEmitter, 'on' | 'off'>;

export interface StartOptions {
  readonly hangups?: Hangups;
  /** Of all shards, where each has one of its own and there are several. */
  readonly ports?: readonly number[] | null;
}

/** Serves clients on the port that was taken for it. */
export async function startListener(
  { protocol, isTls, listen }: ClientListener,
  reserved: ReservedPort,
  broker: Broker,
  configuration: Configuration,
  log: Logger,
  options: StartOptions = {},
): Promise<ListenerComponent> {
  const { host } = configuration;
  const { hangups = process } = options;
  const ports = options.ports ?? [reserved.port];
  const files = isTls ? tlsFiles(configuration) : null;
  const tls = files === null ? {} : { tls: readTlsFiles(files) };
  const server = await listen(broker, reserved, configuration, log, {
    countedAs: protocol,
    ports,
    ...tls,
  });
  const stopRenewing = files === null ? null : renewTls(server, files, log, hangups);
  return {
    protocol,
    address: ports.map((port) => formatAddress(host, port)).join(','),
    close() {
      stopRenewing?.();
      return server.close();
    },
  };
}

/** The certificate is read again when it changes, and on SIGHUP. Returns what ends that. */
function renewTls(server: ClientServer, files: TlsFiles, log: Logger, hangups: Hangups): () => void {
  const watcher = new TlsWatcher(files, log, (material) => server.renewTls(material));
  const reload = () => watcher.reload();
  hangups.on('SIGHUP', reload);
  return () => {
    watcher.stop();
    hangups.off('SIGHUP', reload);
  };
}

/** What is the same for all listeners. */
function acceptOptions(configuration: Configuration) {
  return {
    maxConnections: configuration.maxConnections,
    maxConnectionsPerAddress: configuration.maxConnectionsPerAddress || Number.POSITIVE_INFINITY,
    unfinishedInputTimeoutMs: configuration.unfinishedInputTimeoutSeconds * 1000,
    trustedProxies: new TrustedProxies(configuration.proxyProtocolFrom),
    handshakeTimeoutMs: configuration.handshakeTimeoutSeconds * 1000,
  };
}

function kafkaOptions(configuration: Configuration, reserved: ReservedPort, log: Logger): KafkaServerOptions {
  return {
    host: configuration.host,
    port: reserved.port,
    reserved,
    advertised: configuration.kafkaAdvertisedHost,
    createsTopics: configuration.kafkaAutoCreateTopics === 'on',
    partitions: configuration.kafkaPartitions,
    anonymousUser: anonymousUserOf(configuration),
    defaultVhost: configuration.kafkaVhost,
    reauthenticationMs: configuration.kafkaReauthenticationSeconds * 1000,
    ...acceptOptions(configuration),
    log: new FoldedLog(log),
  };
}

function amqpOptions(configuration: Configuration, reserved: ReservedPort, log: Logger): AmqpServerOptions {
  return {
    host: configuration.host,
    port: reserved.port,
    reserved,
    frameMaxBytes: configuration.frameMaxBytes,
    channelMax: configuration.channelMax,
    heartbeatSeconds: configuration.heartbeatSeconds,
    maxMessageBytes: configuration.maxMessageBytes,
    ...acceptOptions(configuration),
    consumerTimeoutMs:
      configuration.consumerTimeoutSeconds === 0
        ? Number.POSITIVE_INFINITY
        : configuration.consumerTimeoutSeconds * 1000,
    log: new FoldedLog(log),
  };
}

/** What stands in the way of listening, in words, with the flag that changes it. */
function listenError(error: unknown, protocol: string, flag: string, address: string): Error {
  const code = (error as NodeJS.ErrnoException).code;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `the port is in use by another process; choose another with ${flag}`,
    EACCES: `no permission for this port; choose one above 1023 with ${flag}`,
    EADDRNOTAVAIL: 'this machine has no such address; see --host',
    ENOTFOUND: 'the host name is unknown; see --host',
    EAFNOSUPPORT: 'this machine does not support the kind of address; see --host',
  };
  const reason = code === undefined ? undefined : reasons[code];
  if (reason === undefined) return error as Error;
  return new Error(`cannot listen for ${protocol} on ${address}: ${reason}`, { cause: error });
}
