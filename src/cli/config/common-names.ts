import { likelyMeant } from '../../base/suggestion.ts';

/**
 * What settings are called elsewhere (other brokers, other programs), and which of ours was meant. Dots and underscores
 * are written as dashes. For suggestions alone: none of these names is accepted.
 */
const COMMON_NAMES: { readonly [name: string]: readonly string[] } = {
  port: ['amqp-port', 'kafka-port'],
  ports: ['amqp-port', 'kafka-port'],
  listeners: ['amqp-port', 'kafka-port'],
  'listeners-tcp-default': ['amqp-port'],
  'listeners-ssl-default': ['amqps-port'],
  'ssl-port': ['amqps-port', 'kafkas-port'],
  'tls-port': ['amqps-port', 'kafkas-port'],
  address: ['host'],
  'bind-address': ['host'],
  bind: ['host'],
  interface: ['host'],
  ip: ['host'],
  listen: ['host', 'amqp-port', 'kafka-port'],
  dir: ['data-dir'],
  data: ['data-dir'],
  path: ['data-dir'],
  datadir: ['data-dir'],
  'data-directory': ['data-dir'],
  directory: ['data-dir'],
  'log-dir': ['data-dir'],
  'log-dirs': ['data-dir'],
  verbose: ['log-level'],
  debug: ['log-level'],
  quiet: ['log-level'],
  'log-console-level': ['log-level'],
  cert: ['tls-cert'],
  certificate: ['tls-cert'],
  'ssl-options-certfile': ['tls-cert'],
  key: ['tls-key'],
  'ssl-options-keyfile': ['tls-key'],
  ca: ['tls-ca'],
  'ssl-options-cacertfile': ['tls-ca'],
  memory: ['memory-limit', 'memory-high-water-mark'],
  'vm-memory-high-watermark': ['memory-high-water-mark'],
  'vm-memory-high-watermark-relative': ['memory-high-water-mark'],
  'vm-memory-high-watermark-absolute': ['memory-high-water-mark'],
  'disk-free-limit-absolute': ['disk-free-limit'],
  'advertised-listeners': ['kafka-advertised-host'],
  'advertised-host': ['kafka-advertised-host'],
  'num-partitions': ['kafka-partitions'],
  partitions: ['kafka-partitions'],
  'auto-create-topics-enable': ['kafka-auto-create-topics'],
  'group-initial-rebalance-delay-ms': ['group-initial-rebalance-delay'],
  'group-min-session-timeout-ms': ['group-min-session-timeout'],
  'offsets-retention-minutes': ['offsets-retention'],
  'log-retention-check-interval-ms': ['retention-check-interval'],
  'connections-max-reauth-ms': ['kafka-max-reauth'],
  'max-connections-per-ip': ['max-connections-per-address'],
  fsync: ['durability'],
  sync: ['durability'],
};

/**
 * The keys of `known` that somebody who wrote this name may have meant: by what others call them, by a part of the name,
 * or by the spelling.
 */
export function meantKeys(name: string, known: readonly string[]): readonly string[] {
  const plain = name.toLowerCase().replaceAll(/[_.]/g, '-');
  const common = ofCommonName(plain, known);
  if (common.length > 0) return common;
  const meant = likelyMeant(plain, known);
  if (meant.length > 0) return meant;
  return likelyMeant(plain, Object.keys(COMMON_NAMES)).flatMap((each) => ofCommonName(each, known));
}

function ofCommonName(name: string, known: readonly string[]): readonly string[] {
  const keys = Object.hasOwn(COMMON_NAMES, name) ? COMMON_NAMES[name] : [];
  return keys.filter((key) => known.includes(key));
}
