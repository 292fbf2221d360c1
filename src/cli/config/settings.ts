import {
  addresses,
  advertisedAddress,
  anonymousUser,
  choice,
  durability,
  duration,
  hostName,
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
    description: 'Directory of all data. It is made if it is not there. One broker uses it at a time.',
  }),
  host: setting({
    key: 'host',
    type: hostName,
    default: '127.0.0.1',
    description: 'Address of all listeners. 0.0.0.0 or :: stands for all addresses of the machine.',
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
      'User of the Kafka clients that do not log in. They have its permissions and none of its tags. none = everybody has ' +
      'to log in. auto = guest while all listeners are on this machine alone and proxy-protocol-from is empty, else none. ' +
      'A user in loopback-users admits them from this machine only. The log warns at the start while it is on.',
  }),
  kafkaVhost: setting({
    key: 'kafka-vhost',
    type: text('NAME', 'the name of a virtual host'),
    default: '/',
    description: 'Virtual host of Kafka clients. A client that logs in as vhost:user names another one.',
  }),
  kafkaReauthenticationSeconds: setting({
    key: 'kafka-max-reauth',
    type: duration('s', { min: 1, max: 31_536_000, zero: 'for ever' }),
    default: 0,
    description:
      'Time after which Kafka clients have to log in again (SASL, KIP-368). They do so on the same connection.',
  }),
  kafkaAdvertisedHost: setting({
    key: 'kafka-advertised-host',
    type: advertisedAddress,
    default: null,
    description:
      'Address that Kafka clients are given for this broker. none = the address that they have connected to.',
  }),
  kafkaAutoCreateTopics: setting({
    key: 'kafka-auto-create-topics',
    type: choice('on', 'off'),
    default: 'on',
    description: 'Whether a topic is made when a Kafka client asks for it and it is not there.',
  }),
  kafkaPartitions: setting({
    key: 'kafka-partitions',
    type: integer(1, 10_000),
    default: 1,
    description: 'Partitions of a topic whose maker does not give a number.',
  }),
  groupRebalanceDelayMs: setting({
    key: 'group-initial-rebalance-delay',
    type: duration('ms', { min: 0, max: 600_000 }),
    default: 0,
    description:
      'Time that a new classic consumer group waits for more members before partitions are assigned.',
  }),
  groupMembersMax: setting({
    key: 'group-max-members',
    type: integer(1, 1_000_000),
    default: 5000,
    description:
      'Most members of one consumer group. What the members of a classic group tell one another, and are given, may take ' +
      '2 MiB together, twice what Apache Kafka has room for.',
  }),
  groupSessionTimeoutMsMin: setting({
    key: 'group-min-session-timeout',
    type: duration('ms', { min: 1, max: 1_800_000 }),
    default: 6000,
    description:
      'Shortest session time-out that a member of a classic consumer group may ask for. A member without a heartbeat ' +
      'for that long leaves the group.',
  }),
  groupMigration: setting({
    key: 'group-migration',
    type: choice('bidirectional', 'upgrade', 'downgrade', 'disabled'),
    default: 'bidirectional',
    description:
      'Whether a group changes its protocol with its members. upgrade: from classic to consumer (KIP-848) when the first ' +
      'such member joins. downgrade: back to classic when the last such member leaves.',
  }),
  offsetsRetentionMinutes: setting({
    key: 'offsets-retention',
    type: duration('m', { min: 1, max: 5_256_000 }),
    default: 10_080,
    description:
      'Time before the offsets of an empty consumer group are deleted. The group is deleted with them.',
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
      'When a persistent message is confirmed. sync: it is on the disk. interval:<time>: it is written, and the disk is ' +
      'synced at this interval. os: it is written, and the operating system decides when it reaches the disk.',
  }),
  logLevel: setting({
    key: 'log-level',
    type: choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    default: 'info',
    description:
      'Lowest level of log entries that are written. The log goes to standard error, one JSON object per line.',
  }),
  memoryLimitBytes: setting({
    key: 'memory-limit',
    type: size(8 * MIB),
    default: 64 * MIB,
    description: 'Memory for recent messages. Older messages that wait are read from the disk.',
  }),
  memoryHighWaterMark: setting({
    key: 'memory-high-water-mark',
    type: memoryAlarm,
    default: { fraction: 0.4 },
    description:
      'Memory of the whole process above which publishers are blocked. They go on below 95 % of it. They are blocked too ' +
      'while the heap of Node is three quarters full. A part is one of the memory of the machine, or of the container ' +
      '(cgroup) if that is less.',
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
    type: duration('s', { min: 1, max: 3600 }),
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
    description: 'Size of one journal file. The journal then continues in a new file.',
  }),
  journalLimitBytes: setting({
    key: 'journal-limit',
    type: size(2 * MIB),
    default: 128 * MIB,
    description:
      'Size of the whole journal. Beyond it the oldest file is retired. A restart reads the journal, so this bounds its ' +
      'time. At least twice journal-file-size.',
  }),
  diskFreeLimitBytes: setting({
    key: 'disk-free-limit',
    type: size(0),
    default: 64 * MIB,
    description:
      'Free space on the volume of the data directory below which publishers are blocked, and nothing new is made. ' +
      'Half of it is a reserve for what frees space. At least twice journal-file-size is good.',
  }),
  retentionCheckSeconds: setting({
    key: 'retention-check-interval',
    type: duration('s', { min: 1, max: 86_400 }),
    default: 300,
    description: 'Interval at which streams are checked for records older than their retention.ms.',
  }),
  compactionMemoryBytes: setting({
    key: 'compaction-memory',
    type: size(MIB, 8 * 1024 * MIB),
    default: 64 * MIB,
    description:
      'Memory for the keys of a stream during its compaction, about 27 bytes per key. More keys take several passes.',
  }),
  compactionRateBytes: setting({
    key: 'compaction-rate',
    type: size(MIB),
    default: 128 * MIB,
    description: 'Bytes per second that compaction reads.',
  }),
  frameMaxBytes: setting({
    key: 'frame-max',
    type: size(4 * KIB, 16 * MIB),
    default: 128 * KIB,
    description: 'Largest AMQP frame. Clients may negotiate a smaller one.',
  }),
  channelMax: setting({
    key: 'channel-max',
    type: integer(1, 65_535),
    default: 2047,
    description: 'Most channels of one AMQP connection.',
  }),
  heartbeatSeconds: setting({
    key: 'heartbeat',
    type: duration('s', { min: 1, max: 65_535, zero: 'none', isWhole: true }),
    default: 60,
    description:
      'Heartbeat interval offered to AMQP clients. A client that is silent for two intervals is disconnected.',
  }),
  maxMessageBytes: setting({
    key: 'max-message-size',
    type: size(KIB, 512 * MIB),
    default: 128 * MIB,
    description: 'Largest body of a message.',
  }),
  maxConnections: setting({
    key: 'max-connections',
    type: integer(1, 1_000_000),
    default: 65_536,
    description:
      'Most connections of one listener. More are closed at once. All listeners together have no more than the descriptors ' +
      'of the process (ulimit -n) allow, less those that files need; the log says so at the start.',
  }),
  maxConnectionsPerAddress: setting({
    key: 'max-connections-per-address',
    type: integer(0, 1_000_000, '0 = no limit'),
    default: 0,
    description: 'Most connections from one client address to one listener. More are closed at once.',
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
      'Addresses of proxies that send the PROXY protocol, version 1 or 2. The client address in its header counts ' +
      'everywhere. These proxies have to send a header on all listeners; nobody else may.',
  }),
  consumerTimeoutSeconds: setting({
    key: 'consumer-timeout',
    type: duration('s', { min: 0.001, max: 31_536_000, zero: 'none' }),
    default: 0,
    description:
      'Time that an AMQP consumer has to acknowledge a message. After it the consumer is cancelled, and its messages go ' +
      'to others.',
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
      'Certificate for TLS, in PEM, followed by its intermediate certificates. The file is read again when it changes, ' +
      'and on SIGHUP.',
  }),
  tlsKey: setting({
    key: 'tls-key',
    type: optionalFile,
    default: null,
    description: 'Private key of the certificate, in PEM, without a passphrase.',
  }),
  tlsCa: setting({
    key: 'tls-ca',
    type: optionalFile,
    default: null,
    description: "Certificates of the authorities that sign clients' certificates, in PEM.",
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
      "Clients' certificates. none: not asked for. optional: checked if there is one. required: no connection without " +
      'a valid one. A client with a valid certificate may log in with it (EXTERNAL).',
  }),
  tlsLoginFrom: setting({
    key: 'tls-login-from',
    type: choice('common-name', 'distinguished-name'),
    default: 'common-name',
    description: "Field of a client's certificate that names the user (EXTERNAL).",
  }),
  handshakeTimeoutSeconds: setting({
    key: 'handshake-timeout',
    type: duration('s', { min: 0.1, max: 3600 }),
    default: 10,
    description: 'Time that a client has for its handshake. After it the connection is closed.',
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
