import {
  addresses,
  advertisedAddress,
  anonymousUser,
  choice,
  durability,
  integer,
  listenerPort,
  memoryAlarm,
  names,
  objectLimits,
  optionalFile,
  optionalText,
  type SettingType,
  size,
  sizeOrAuto,
  text,
} from './setting-types.ts';

const KIB = 2 ** 10;
const MIB = 2 ** 20;

interface Definition<T> {
  readonly key: string;
  readonly type: SettingType<T>;
  readonly default: NoInfer<T>;
  readonly description: string;
  /** The feature is not in this version: nothing but the default is accepted. */
  readonly unbuilt?: true;
}

function setting<T>(definition: Definition<T>): Definition<T> {
  return definition;
}

/**
 * Every setting there is: flags, environment variables, keys of the file, their documentation and the type of
 * `Configuration` are all read from this table. `key` is what users write; the environment variable is `SLUICE_` and
 * the key in capitals.
 */
const SETTINGS = {
  dataDirectory: setting({
    key: 'data-dir',
    type: text('DIR', 'the path of a directory'),
    default: './sluice-data',
    description:
      'Directory in which everything is kept. It is made if it is not there. One broker at a time.',
  }),
  host: setting({
    key: 'host',
    type: text('HOST', 'a host name or an IP address'),
    default: '127.0.0.1',
    description: 'Address on which all listeners accept connections; 0.0.0.0 or :: for all of the machine.',
  }),
  amqpPort: setting({
    key: 'amqp-port',
    type: listenerPort,
    default: 5672,
    description: 'Port for AMQP 0-9-1.',
  }),
  amqpsPort: setting({
    key: 'amqps-port',
    type: listenerPort,
    default: 'off',
    description:
      'Port for AMQP 0-9-1 over TLS (1.2 and up); 5671 is the usual one. Needs tls-cert and tls-key.',
  }),
  kafkaPort: setting({
    key: 'kafka-port',
    type: listenerPort,
    default: 9092,
    description: 'Port for the Kafka protocol.',
  }),
  kafkasPort: setting({
    key: 'kafkas-port',
    type: listenerPort,
    default: 'off',
    description:
      'Port for the Kafka protocol over TLS (1.2 and up); 9093 is the usual one. Needs tls-cert and tls-key.',
  }),
  kafkaAnonymousUser: setting({
    key: 'kafka-anonymous-user',
    type: anonymousUser,
    default: 'auto',
    description:
      'User whose permissions Kafka clients have that do not log in: its permissions, and none of its tags, so that they ' +
      'administer nothing. none = all have to log in; auto = guest while host is an address of this machine alone and ' +
      'proxy-protocol-from is empty, else none. Where that user may connect from this machine only (loopback-users), so ' +
      'may they. The log warns at the start while it is on.',
  }),
  kafkaVhost: setting({
    key: 'kafka-vhost',
    type: text('NAME', 'the name of a virtual host'),
    default: '/',
    description: 'Virtual host of Kafka clients that do not name one; who logs in as vhost:user does.',
  }),
  kafkaReauthenticationSeconds: setting({
    key: 'kafka-max-reauth',
    type: integer(0, 31_536_000, 'seconds; 0 = for ever'),
    default: 0,
    description:
      'How long a login of a Kafka client by SASL is good for: it logs in again before that, on the same connection, ' +
      'or is served no more.',
  }),
  kafkaAdvertisedHost: setting({
    key: 'kafka-advertised-host',
    type: advertisedAddress,
    default: null,
    description:
      'Where Kafka clients are told to connect to, where that is not what they have connected to: as behind a ' +
      'proxy or a port mapping.',
  }),
  kafkaAutoCreateTopics: setting({
    key: 'kafka-auto-create-topics',
    type: choice('on', 'off'),
    default: 'on',
    description: 'Whether a topic that a Kafka client asks for and that is not there is made.',
  }),
  kafkaPartitions: setting({
    key: 'kafka-partitions',
    type: integer(1, 10_000),
    default: 1,
    description: 'Partitions of a topic that is made without saying how many.',
  }),
  groupRebalanceDelayMs: setting({
    key: 'group-initial-rebalance-delay',
    type: integer(0, 600_000, 'milliseconds'),
    default: 0,
    description:
      'How long the first members of a consumer group wait for more before its partitions are divided among them: ' +
      'it saves work when many start together, and delays those that start alone.',
  }),
  groupMembersMax: setting({
    key: 'group-max-members',
    type: integer(1, 1_000_000),
    default: 100_000,
    description: 'Members that a consumer group may have.',
  }),
  groupSessionTimeoutMsMin: setting({
    key: 'group-min-session-timeout',
    type: integer(1, 1_800_000, 'milliseconds'),
    default: 6000,
    description:
      'The shortest session time-out that a member of a classic consumer group may ask for: after it, a member that is ' +
      'not heard is out.',
  }),
  groupMigration: setting({
    key: 'group-migration',
    type: choice('bidirectional', 'upgrade', 'downgrade', 'disabled'),
    default: 'bidirectional',
    description:
      'Whether a classic consumer group becomes one in which the broker divides the partitions when the first ' +
      'member of that kind joins (upgrade), and a classic one again when the last of them leaves (downgrade).',
  }),
  offsetsRetentionMinutes: setting({
    key: 'offsets-retention',
    type: integer(1, 5_256_000, 'minutes'),
    default: 10_080,
    description:
      'How long it is kept how far a consumer group has read, when nobody is in it any more; then the group is gone too.',
  }),
  mqttPort: setting({
    key: 'mqtt-port',
    type: listenerPort,
    default: 'off',
    unbuilt: true,
    description: 'Port for MQTT.',
  }),
  stompPort: setting({
    key: 'stomp-port',
    type: listenerPort,
    default: 'off',
    unbuilt: true,
    description: 'Port for STOMP.',
  }),
  httpPort: setting({
    key: 'http-port',
    type: listenerPort,
    default: 'off',
    unbuilt: true,
    description: 'Port for the HTTP API, metrics and the web console.',
  }),
  durability: setting({
    key: 'durability',
    type: durability,
    default: { mode: 'sync' },
    description:
      'When a persistent message counts as safe, and is confirmed: sync = when it is on the disk; ' +
      'interval:<ms> = when it is written, with a sync every so many milliseconds; os = when it is written, ' +
      'the operating system decides when it reaches the disk.',
  }),
  logLevel: setting({
    key: 'log-level',
    type: choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    default: 'info',
    description:
      'The least important log entries to write. The log goes to standard error, one JSON object a line.',
  }),
  memoryLimitBytes: setting({
    key: 'memory-limit',
    type: size(8 * MIB),
    default: 64 * MIB,
    description:
      'Memory for the recent messages that are kept in it; older ones that wait are read from the disk.',
  }),
  memoryHighWaterMark: setting({
    key: 'memory-high-water-mark',
    type: memoryAlarm,
    default: { fraction: 0.4 },
    description:
      'The last resort: publishers are blocked while the whole process holds more memory than this, until it is ' +
      'below 95 % of it; and while the heap of Node is three quarters full. A part is one of the memory of the machine, or of ' +
      'the container (cgroup) if that is less.',
  }),
  clientMemoryBytes: setting({
    key: 'client-memory-limit',
    type: sizeOrAuto(MIB),
    default: null,
    description:
      'Memory for what clients have begun to send and not finished, and for what they do not read: all of them together. ' +
      'Beyond it nothing more of the kind is read, and those over their own share are disconnected. auto = half of ' +
      'memory-high-water-mark.',
  }),
  clientMemoryPerUserBytes: setting({
    key: 'client-memory-per-user',
    type: sizeOrAuto(MIB),
    default: null,
    description:
      "The share of client-memory-limit of one user's connections. Beyond it they are read one at a time, and a connection " +
      'that has waited for a minute is closed. auto = a quarter of client-memory-limit. Raise it where one user has many ' +
      'connections that send large messages.',
  }),
  unfinishedInputTimeoutSeconds: setting({
    key: 'unfinished-input-timeout',
    type: integer(1, 3600, 'seconds'),
    default: 30,
    description:
      'A client that has sent a part of a frame, a message or a request, and nothing more of it for this time, is disconnected.',
  }),
  userLimits: setting({
    key: 'user-limits',
    type: objectLimits,
    default: {},
    description:
      'How much of each kind one user may have who is no administrator, where that is to be other than usual: see ' +
      '[Objects](operations.md#objects). `sluice limits set` sets it for one user.',
  }),
  administratorLimits: setting({
    key: 'administrator-limits',
    type: objectLimits,
    default: {},
    description: 'The same for users with the tag administrator. Usually it is 20 times as much.',
  }),
  vhostLimits: setting({
    key: 'vhost-limits',
    type: objectLimits,
    default: {},
    description:
      'The same for all that is in one virtual host, whoever made it. Usually it is 40 times as much.',
  }),
  journalFileBytes: setting({
    key: 'journal-file-size',
    type: size(MIB, 1024 * MIB),
    default: 32 * MIB,
    description: 'Size at which the journal goes on in a new file.',
  }),
  journalLimitBytes: setting({
    key: 'journal-limit',
    type: size(2 * MIB),
    default: 128 * MIB,
    description:
      'Size of the whole journal beyond which its oldest file is retired. It bounds the time that a restart takes. ' +
      'At least twice journal-file-size.',
  }),
  diskFreeLimitBytes: setting({
    key: 'disk-free-limit',
    type: size(0),
    default: 64 * MIB,
    description:
      'Publishers are blocked, and nothing new is made, while less than this is free on the volume of the data directory. ' +
      'Half of it is a reserve for what frees space. At least twice journal-file-size is good.',
  }),
  retentionCheckSeconds: setting({
    key: 'retention-check-interval',
    type: integer(1, 86_400, 'seconds'),
    default: 300,
    description: 'How often streams are looked through for records that are older than their retention.ms.',
  }),
  compactionMemoryBytes: setting({
    key: 'compaction-memory',
    type: size(MIB, 8 * 1024 * MIB),
    default: 64 * MIB,
    description:
      'Memory for the keys of the stream that is being compacted, taken while that lasts; about 27 bytes a key. ' +
      'With more keys it takes several passes.',
  }),
  compactionRateBytes: setting({
    key: 'compaction-rate',
    type: size(MIB),
    default: 128 * MIB,
    description: 'Bytes a second that the compaction of streams may read.',
  }),
  frameMaxBytes: setting({
    key: 'frame-max',
    type: integer(4 * KIB, 16 * MIB, 'bytes'),
    default: 128 * KIB,
    description: 'Largest AMQP frame that is offered to clients.',
  }),
  channelMax: setting({
    key: 'channel-max',
    type: integer(1, 65_535),
    default: 2047,
    description: 'Most channels in one AMQP connection.',
  }),
  heartbeatSeconds: setting({
    key: 'heartbeat',
    type: integer(0, 65_535, 'seconds; 0 = none'),
    default: 60,
    description:
      'Heartbeat interval that is offered to AMQP clients. A peer silent for two of them is dropped.',
  }),
  maxMessageBytes: setting({
    key: 'max-message-size',
    type: size(KIB, 512 * MIB),
    default: 128 * MIB,
    description: 'Largest message body that is accepted.',
  }),
  maxConnections: setting({
    key: 'max-connections',
    type: integer(1, 1_000_000),
    default: 65_536,
    description:
      'Connections beyond this number are closed at once; each listener counts its own. Over all listeners there are never ' +
      'more than the descriptors of the process (ulimit -n) allow, less those that files need; the log says so at the start.',
  }),
  maxConnectionsPerAddress: setting({
    key: 'max-connections-per-address',
    type: integer(0, 1_000_000, '0 = no limit'),
    default: 0,
    description:
      'Connections from one client address beyond this number are closed at once; each listener counts its own.',
  }),
  connectionRatePerAddress: setting({
    key: 'connection-rate-per-address',
    type: integer(0, 1_000_000, 'connections a second; 0 = no limit'),
    default: 2000,
    description:
      'Connections beyond this rate from one client address, or one /64 network of IPv6, are closed at once. The use of 30 ' +
      'seconds may come in one burst; a connection whose handshake or login fails counts as 41. Raise it where more ' +
      'clients than that come back at once from behind one address.',
  }),
  proxyProtocolFrom: setting({
    key: 'proxy-protocol-from',
    type: addresses,
    default: [],
    description:
      'Proxies that begin each connection with a header of the PROXY protocol, version 1 or 2, on all listeners: the ' +
      'client address in it counts for everything then. Connections from there without such a header are closed, and ' +
      'headers from anywhere else are not understood.',
  }),
  consumerTimeoutSeconds: setting({
    key: 'consumer-timeout',
    type: integer(0, 31_536_000, 'seconds; 0 = none'),
    default: 0,
    description:
      'A consumer that does not acknowledge a message in this time is cancelled, and what it holds goes to others.',
  }),
  loopbackUsers: setting({
    key: 'loopback-users',
    type: names,
    default: ['guest'],
    description: 'Users who may connect from this machine only.',
  }),
  tlsCert: setting({
    key: 'tls-cert',
    type: optionalFile,
    default: null,
    description:
      'Certificate for TLS, in PEM, with those between it and one that clients trust behind it. It is read again ' +
      'when the file changes, and on SIGHUP.',
  }),
  tlsKey: setting({
    key: 'tls-key',
    type: optionalFile,
    default: null,
    description: 'Key of the certificate for TLS, in PEM, without a passphrase.',
  }),
  tlsCa: setting({
    key: 'tls-ca',
    type: optionalFile,
    default: null,
    description: "Certificates of those who sign clients' certificates, in PEM.",
  }),
  tlsCrl: setting({
    key: 'tls-crl',
    type: optionalFile,
    default: null,
    description:
      "Lists of clients' certificates that were taken back, in PEM, a list for each authority in tls-ca: who comes with " +
      'one of them is refused, and so is every certificate once its list is out of date. It is read again when the file ' +
      'changes, and on SIGHUP; connections that are open stay.',
  }),
  tlsCiphers: setting({
    key: 'tls-ciphers',
    type: optionalText('CIPHERS', "OpenSSL's names, with colons between them"),
    default: null,
    description:
      'Ciphers for TLS, the preferred one first. Without it: those of TLS 1.3, and of TLS 1.2 those with ECDHE and AES-GCM ' +
      'or ChaCha20. Change it only for clients that have none of these.',
  }),
  tlsVerify: setting({
    key: 'tls-verify',
    type: choice('none', 'optional', 'required'),
    default: 'none',
    description:
      "Clients' certificates: none = not asked for; optional = asked for, and checked if there is one; " +
      'required = no connection without a good one. Who has a good one may log in with it (EXTERNAL).',
  }),
  tlsLoginFrom: setting({
    key: 'tls-login-from',
    type: choice('common-name', 'distinguished-name'),
    default: 'common-name',
    description: "What in a client's certificate is the name of the user, for a login with it (EXTERNAL).",
  }),
  handshakeTimeoutSeconds: setting({
    key: 'handshake-timeout',
    type: integer(1, 3600, 'seconds'),
    default: 10,
    description: 'A connection that has not finished its handshake after this time is closed.',
  }),
};

type Table = typeof SETTINGS;
export type SettingName = keyof Table;

/** All settings with their values, by name. */
export type Configuration = {
  readonly [Name in SettingName]: Table[Name] extends Definition<infer T> ? T : never;
};

/** A row of the table, its value's type forgotten: for code that treats all settings alike. */
export interface Setting {
  readonly name: SettingName;
  readonly key: string;
  readonly flag: string;
  readonly variable: string;
  readonly placeholder: string;
  readonly allowed: string;
  readonly default: unknown;
  readonly description: string;
  readonly unbuilt: boolean;
  /** A TOML list is taken too. */
  readonly isList: boolean;
  /** What is not allowed of a text that `parse` does not take. */
  wrongPart(text: string): string;
  parse(text: string): unknown;
  format(value: unknown): string;
}

function forget<T>(name: string, { key, type, description, unbuilt, ...rest }: Definition<T>): Setting {
  return {
    name: name as SettingName,
    key,
    flag: `--${key}`,
    variable: `SLUICE_${key.toUpperCase().replaceAll('-', '_')}`,
    placeholder: type.placeholder,
    allowed: type.allowed,
    default: rest.default,
    description,
    unbuilt: unbuilt ?? false,
    isList: type.isList ?? false,
    wrongPart: (value) => type.wrongPart?.(value) ?? value,
    parse: (value) => type.parse(value),
    format: (value) => type.format(value as T),
  };
}

export const ALL_SETTINGS: readonly Setting[] = Object.entries(SETTINGS).map(([name, definition]) =>
  forget<never>(name, definition as Definition<never>),
);
