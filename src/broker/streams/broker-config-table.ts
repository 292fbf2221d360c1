import { type ConfigEffect, type ConfigRule, type ConfigType, LONG_MAX } from './config-value.ts';
import { TOPIC_CONFIGS } from './topic-configs.ts';

/**
 * Where a dynamic setting of a broker can be set: for the cluster and for a broker; for a broker alone; or for one
 * listener of a broker, with `listener.name.NAME.` before it (KIP-226).
 */
export type BrokerConfigLevel = 'cluster' | 'broker' | 'listener';

export interface BrokerConfig extends ConfigRule {
  readonly name: string;
  /** As in Kafka 4.3; null for none. */
  readonly default: string | null;
  readonly level: BrokerConfigLevel;
  readonly effect: ConfigEffect;
  /** The topic config whose default it is; null if it is of the broker itself. */
  readonly topicName: string | null;
  readonly description: string;
}

type Bounds = Pick<ConfigRule, 'min' | 'max' | 'choices' | 'check'>;

const NO_REPLICAS = 'There are no replicas.';
const NO_REMOTE = 'There is no remote storage.';
const NO_THREADS = 'Sluice has no such pool of threads.';
const AT_START = 'Listeners, certificates and logins are settings of the broker.';
const COMPACTION = 'The settings compaction-memory and compaction-rate limit compaction.';
const CONNECTIONS = 'The settings max-connections and max-connections-per-address limit connections.';
const AT_ONCE = 'Partitions are assigned at once.';
const NO_BUFFERS = 'Sluice has no such buffer.';
const MIB = 1024 * 1024;

function row(
  type: ConfigType,
  name: string,
  value: string | null,
  description: string,
  bounds: Bounds = {},
  level: BrokerConfigLevel = 'cluster',
  effect: ConfigEffect = 'no-effect',
): BrokerConfig {
  return { name, type, default: value, level, effect, topicName: null, description, ...bounds };
}

/** What is about one broker alone: how it is reached, and who may log in. */
function own(type: ConfigType, name: string, value: string | null, bounds: Bounds = {}): BrokerConfig {
  return row(type, name, value, AT_START, bounds, 'broker');
}

/** What Kafka takes for one listener only. */
function ofListener(type: ConfigType, name: string, value: string | null): BrokerConfig {
  return row(type, name, value, AT_START, {}, 'listener');
}

const TOPIC_DEFAULTS: readonly BrokerConfig[] = TOPIC_CONFIGS.flatMap((config) =>
  config.brokerName === null
    ? []
    : [{ ...config, name: config.brokerName, level: 'cluster', topicName: config.name }],
);

/** Names, types, defaults and bounds of all dynamic settings of Kafka 4.3.1, as its DynamicBrokerConfig has them. */
export const BROKER_CONFIGS: readonly BrokerConfig[] = [
  ...TOPIC_DEFAULTS,
  row('int', 'background.threads', '10', NO_THREADS, { min: 1 }),
  row('list', 'config.providers', '', 'Values are used as they are written.'),
  row('list', 'cordoned.log.dirs', '', 'There is one data directory.', {}, 'broker'),
  row('boolean', 'follower.fetch.last.tiered.offset.enable', 'false', NO_REMOTE),
  row('long', 'follower.replication.throttled.rate', LONG_MAX, NO_REPLICAS, { min: 0 }),
  row('int', 'group.consumer.assignment.interval.ms', '1000', AT_ONCE, { min: 0 }),
  row('int', 'group.coordinator.cached.buffer.max.bytes', '1048588', NO_BUFFERS, { min: MIB / 2 }),
  row('int', 'group.share.assignment.interval.ms', '1000', AT_ONCE, { min: 0 }),
  row('int', 'group.streams.assignment.interval.ms', '1000', 'There are no streams groups.', { min: 0 }),
  row('long', 'leader.replication.throttled.rate', LONG_MAX, NO_REPLICAS, { min: 0 }),
  own(
    'string',
    'listener.security.protocol.map',
    'SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT',
  ),
  own('list', 'listeners', 'PLAINTEXT://:9092'),
  row('long', 'log.cleaner.backoff.ms', '15000', COMPACTION, { min: 0 }),
  row('long', 'log.cleaner.dedupe.buffer.size', '134217728', COMPACTION, { min: MIB }),
  row('double', 'log.cleaner.io.buffer.load.factor', '0.9', COMPACTION),
  row('int', 'log.cleaner.io.buffer.size', '524288', COMPACTION, { min: 0 }),
  row('double', 'log.cleaner.io.max.bytes.per.second', '1.7976931348623157E308', COMPACTION),
  row('int', 'log.cleaner.threads', '1', NO_THREADS, { min: 0 }),
  row('int', 'max.connection.creation.rate', '2147483647', CONNECTIONS, { min: 0 }),
  row('int', 'max.connections', '2147483647', CONNECTIONS, { min: 0 }),
  row('int', 'max.connections.per.ip', '2147483647', CONNECTIONS, { min: 0 }),
  row('string', 'max.connections.per.ip.overrides', '', CONNECTIONS, { check: countsByAddress }),
  row(
    'list',
    'metric.reporters',
    'org.apache.kafka.common.metrics.JmxReporter',
    'Sluice loads no Java classes.',
  ),
  row('int', 'num.io.threads', '8', NO_THREADS, { min: 1 }),
  row('int', 'num.network.threads', '3', NO_THREADS, { min: 1 }),
  row('int', 'num.recovery.threads.per.data.dir', '2', NO_THREADS, { min: 1 }),
  row('int', 'num.replica.fetchers', '1', NO_REPLICAS, { min: 1 }),
  own(
    'class',
    'principal.builder.class',
    'org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder',
  ),
  row(
    'int',
    'producer.id.expiration.ms',
    '86400000',
    'The time without records after which a partition forgets a producer.',
    { min: 1 },
    'cluster',
    'has-effect',
  ),
  row('int', 'remote.fetch.max.wait.ms', '500', NO_REMOTE, { min: 1 }),
  row('long', 'remote.list.offsets.request.timeout.ms', '30000', NO_REMOTE, { min: 1 }),
  row('long', 'remote.log.index.file.cache.total.size.bytes', '1073741824', NO_REMOTE, { min: 1 }),
  row('int', 'remote.log.manager.copier.thread.pool.size', '10', NO_REMOTE, { min: 1 }),
  row('long', 'remote.log.manager.copy.max.bytes.per.second', LONG_MAX, NO_REMOTE, { min: 1 }),
  row('int', 'remote.log.manager.expiration.thread.pool.size', '10', NO_REMOTE, { min: 1 }),
  row('long', 'remote.log.manager.fetch.max.bytes.per.second', LONG_MAX, NO_REMOTE, { min: 1 }),
  row('int', 'remote.log.manager.follower.thread.pool.size', '2', NO_REMOTE, { min: 1 }),
  row('int', 'remote.log.reader.threads', '10', NO_REMOTE, { min: 1 }),
  row('long', 'replica.alter.log.dirs.io.max.bytes.per.second', LONG_MAX, 'There is one data directory.', {
    min: 0,
  }),
  own('list', 'sasl.enabled.mechanisms', 'GSSAPI'),
  own('password', 'sasl.jaas.config', null),
  own('string', 'sasl.kerberos.kinit.cmd', '/usr/bin/kinit'),
  own('long', 'sasl.kerberos.min.time.before.relogin', '60000'),
  own('list', 'sasl.kerberos.principal.to.local.rules', 'DEFAULT'),
  own('string', 'sasl.kerberos.service.name', null),
  own('double', 'sasl.kerberos.ticket.renew.jitter', '0.05'),
  own('double', 'sasl.kerberos.ticket.renew.window.factor', '0.8'),
  own('short', 'sasl.login.refresh.buffer.seconds', '300'),
  own('short', 'sasl.login.refresh.min.period.seconds', '60'),
  own('double', 'sasl.login.refresh.window.factor', '0.8'),
  own('double', 'sasl.login.refresh.window.jitter', '0.05'),
  own('string', 'sasl.mechanism.inter.broker.protocol', 'GSSAPI'),
  row('int', 'share.coordinator.cached.buffer.max.bytes', '1048588', NO_BUFFERS, { min: MIB / 2 }),
  own('list', 'ssl.cipher.suites', ''),
  own('string', 'ssl.client.auth', 'none', { choices: ['required', 'requested', 'none'] }),
  own('list', 'ssl.enabled.protocols', 'TLSv1.2,TLSv1.3'),
  own('string', 'ssl.endpoint.identification.algorithm', 'https'),
  own('class', 'ssl.engine.factory.class', null),
  ofListener('password', 'ssl.key.password', null),
  own('string', 'ssl.keymanager.algorithm', 'SunX509'),
  ofListener('password', 'ssl.keystore.certificate.chain', null),
  ofListener('password', 'ssl.keystore.key', null),
  ofListener('string', 'ssl.keystore.location', null),
  ofListener('password', 'ssl.keystore.password', null),
  ofListener('string', 'ssl.keystore.type', 'JKS'),
  own('string', 'ssl.protocol', 'TLSv1.3'),
  own('string', 'ssl.provider', null),
  own('string', 'ssl.secure.random.implementation', null),
  own('string', 'ssl.trustmanager.algorithm', 'PKIX'),
  ofListener('password', 'ssl.truststore.certificates', null),
  ofListener('string', 'ssl.truststore.location', null),
  ofListener('password', 'ssl.truststore.password', null),
  ofListener('string', 'ssl.truststore.type', 'JKS'),
  row('boolean', 'transaction.partition.verification.enable', 'true', 'Partitions are always verified.'),
];

const byName = new Map(BROKER_CONFIGS.map((config) => [config.name, config]));

/** Those of the cluster that a listener can have for itself. */
const LISTENER_LIMITS: ReadonlySet<string> = new Set([
  'max.connections',
  'max.connection.creation.rate',
  'num.network.threads',
]);

/**
 * By its name, also with `listener.name.NAME.` before it, and a SASL mechanism after that: then it is a copy of that name,
 * for one broker alone. Undefined if Kafka has no such dynamic setting.
 */
export function brokerConfig(name: string): BrokerConfig | undefined {
  const known = byName.get(name);
  if (known !== undefined) return known;
  const rest = /^listener\.name\.[^.]+\.(.+)$/.exec(name)?.[1];
  if (rest === undefined) return undefined;
  const base = byName.get(rest) ?? byName.get(rest.slice(rest.indexOf('.') + 1));
  if (base === undefined || base.name === 'listeners') return undefined;
  if (base.level === 'cluster' && !LISTENER_LIMITS.has(base.name)) return undefined;
  return { ...base, name, level: base.level === 'cluster' ? 'cluster' : 'broker' };
}

function countsByAddress(value: string): string | null {
  const isGood = value === '' || value.split(',').every((each) => /^\s*[^\s,]+:\s*\d{1,9}\s*$/.test(each));
  return isGood ? null : 'It must be a list of counts in the following format: [address]:[count],…';
}
