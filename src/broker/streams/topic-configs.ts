import { type ConfigEffect, type ConfigRule, LONG_MAX } from './config-value.ts';

/** Kafka's topic configs, which are what can be set for a stream: values are texts, as they are set and shown. */

export interface TopicConfig extends ConfigRule {
  readonly name: string;
  readonly default: string;
  readonly effect: ConfigEffect;
  /** The setting of a whole broker that is the default for its streams, where there is one. */
  readonly brokerName: string | null;
  readonly description: string;
  /** For tests and experts: not shown unless it is set. */
  readonly isHidden?: true;
}

const DAY_MS = 24 * 3600 * 1000;
const WEEK_MS = 7 * DAY_MS;
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

export const TOPIC_CONFIGS: readonly TopicConfig[] = [
  {
    name: 'cleanup.policy',
    type: 'list',
    default: 'delete',
    effect: 'has-effect',
    brokerName: 'log.cleanup.policy',
    choices: ['compact', 'delete'],
    description:
      'delete: old segments are deleted, by age and size. compact: of the records with one key, the last one stays. ' +
      'Both can be given.',
  },
  {
    name: 'compression.type',
    type: 'string',
    default: 'producer',
    effect: 'has-effect',
    brokerName: 'compression.type',
    choices: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
    description: 'The compression of stored record batches; producer: as the producer sent them.',
  },
  {
    name: 'compression.gzip.level',
    type: 'int',
    default: '-1',
    effect: 'has-effect',
    brokerName: 'compression.gzip.level',
    check: (value) =>
      value === '-1' || (Number(value) >= 1 && Number(value) <= 9)
        ? null
        : 'Value must be between 1 and 9 or equal to -1',
    description: 'The level of compression.type gzip; -1: the default level.',
  },
  {
    name: 'compression.lz4.level',
    type: 'int',
    default: '9',
    effect: 'no-effect',
    brokerName: 'compression.lz4.level',
    min: 1,
    max: 17,
    description: 'The level of compression.type lz4. Sluice has one level only.',
  },
  {
    name: 'compression.zstd.level',
    type: 'int',
    default: '3',
    effect: 'has-effect',
    brokerName: 'compression.zstd.level',
    min: -131072,
    max: 22,
    description: 'The level of compression.type zstd.',
  },
  {
    name: 'delete.retention.ms',
    type: 'long',
    default: String(DAY_MS),
    effect: 'has-effect',
    brokerName: 'log.cleaner.delete.retention.ms',
    min: 0,
    description: 'The time for which a tombstone stays in a compacted log, for consumers that are behind.',
  },
  {
    name: 'file.delete.delay.ms',
    type: 'long',
    default: '60000',
    effect: 'no-effect',
    brokerName: 'log.segment.delete.delay.ms',
    min: 0,
    description: 'The time for which a deleted file stays. Sluice deletes it when its last reader is done.',
  },
  {
    name: 'flush.messages',
    type: 'long',
    default: LONG_MAX,
    effect: 'no-effect',
    brokerName: 'log.flush.interval.messages',
    min: 1,
    description:
      'The number of records between two syncs of the disk. The setting durability of the broker decides.',
  },
  {
    name: 'flush.ms',
    type: 'long',
    default: LONG_MAX,
    effect: 'no-effect',
    brokerName: 'log.flush.interval.ms',
    min: 0,
    description: 'The time between two syncs of the disk. The setting durability of the broker decides.',
  },
  {
    name: 'follower.replication.throttled.replicas',
    type: 'list',
    default: '',
    effect: 'no-effect',
    brokerName: null,
    check: throttledReplicas,
    description: 'The replicas whose copying is slowed. There are no replicas.',
  },
  {
    name: 'index.interval.bytes',
    type: 'int',
    default: '4096',
    effect: 'no-effect',
    brokerName: 'log.index.interval.bytes',
    min: 0,
    description: 'The bytes of a log between two entries of its index. The broker decides.',
  },
  {
    name: 'leader.replication.throttled.replicas',
    type: 'list',
    default: '',
    effect: 'no-effect',
    brokerName: null,
    check: throttledReplicas,
    description: 'The replicas whose copying is slowed. There are no replicas.',
  },
  {
    name: 'local.retention.bytes',
    type: 'long',
    default: '-2',
    effect: 'no-effect',
    brokerName: 'log.local.retention.bytes',
    min: -2,
    description: 'The bytes that stay local with remote storage. There is no remote storage.',
  },
  {
    name: 'local.retention.ms',
    type: 'long',
    default: '-2',
    effect: 'no-effect',
    brokerName: 'log.local.retention.ms',
    min: -2,
    description: 'The time for which records stay local with remote storage. There is no remote storage.',
  },
  {
    name: 'max.compaction.lag.ms',
    type: 'long',
    default: LONG_MAX,
    effect: 'has-effect',
    brokerName: 'log.cleaner.max.compaction.lag.ms',
    min: 1,
    description: 'The longest time before a record is compacted.',
  },
  {
    name: 'max.message.bytes',
    type: 'int',
    default: String(MIB + 12),
    effect: 'has-effect',
    brokerName: 'message.max.bytes',
    min: 0,
    description: 'The largest record batch that is accepted, in bytes as sent.',
  },
  {
    name: 'message.timestamp.after.max.ms',
    type: 'long',
    default: '3600000',
    effect: 'has-effect',
    brokerName: 'log.message.timestamp.after.max.ms',
    min: 0,
    description: "With CreateTime: the most by which a record's time may be after the broker's.",
  },
  {
    name: 'message.timestamp.before.max.ms',
    type: 'long',
    default: LONG_MAX,
    effect: 'has-effect',
    brokerName: 'log.message.timestamp.before.max.ms',
    min: 0,
    description: "With CreateTime: the most by which a record's time may be before the broker's.",
  },
  {
    name: 'message.timestamp.type',
    type: 'string',
    default: 'CreateTime',
    effect: 'has-effect',
    brokerName: 'log.message.timestamp.type',
    choices: ['CreateTime', 'LogAppendTime'],
    description:
      "CreateTime: a record has the producer's time. LogAppendTime: it has the time of its arrival.",
  },
  {
    name: 'min.cleanable.dirty.ratio',
    type: 'double',
    default: '0.5',
    effect: 'has-effect',
    brokerName: 'log.cleaner.min.cleanable.ratio',
    min: 0,
    max: 1,
    description: 'A log is compacted when this share of it is newer than the last compaction.',
  },
  {
    name: 'min.compaction.lag.ms',
    type: 'long',
    default: '0',
    effect: 'has-effect',
    brokerName: 'log.cleaner.min.compaction.lag.ms',
    min: 0,
    description: 'The age below which a record is not compacted.',
  },
  {
    name: 'min.insync.replicas',
    type: 'int',
    default: '1',
    effect: 'no-effect',
    brokerName: 'min.insync.replicas',
    min: 1,
    description: 'The replicas that must have a record before acks=all is answered. There is one.',
  },
  {
    name: 'preallocate',
    type: 'boolean',
    default: 'false',
    effect: 'no-effect',
    brokerName: 'log.preallocate',
    description: 'Whether a new file gets its full size at once.',
  },
  {
    name: 'remote.log.copy.disable',
    type: 'boolean',
    default: 'false',
    effect: 'no-effect',
    brokerName: null,
    description: 'Whether copying to remote storage is off. There is no remote storage.',
  },
  {
    name: 'remote.log.delete.on.disable',
    type: 'boolean',
    default: 'false',
    effect: 'no-effect',
    brokerName: null,
    description: 'Whether switching remote storage off deletes what is there. There is no remote storage.',
  },
  {
    name: 'remote.storage.enable',
    type: 'boolean',
    default: 'false',
    effect: 'no-effect',
    brokerName: null,
    description:
      'Whether old segments move to remote storage. There is no remote storage: only false is accepted.',
  },
  {
    name: 'retention.bytes',
    type: 'long',
    default: '-1',
    effect: 'has-effect',
    brokerName: 'log.retention.bytes',
    description: 'The size of a partition above which its oldest segments are deleted; -1: no limit.',
  },
  {
    name: 'retention.ms',
    type: 'long',
    default: String(WEEK_MS),
    effect: 'has-effect',
    brokerName: 'log.retention.ms',
    min: -1,
    description: 'The age of records at which their segment is deleted; -1: never.',
  },
  {
    name: 'segment.bytes',
    type: 'int',
    default: String(GIB),
    effect: 'has-effect',
    brokerName: 'log.segment.bytes',
    min: MIB,
    description: 'The size at which a new segment begins. Retention deletes whole segments.',
  },
  {
    name: 'segment.index.bytes',
    type: 'int',
    default: String(10 * MIB),
    effect: 'no-effect',
    brokerName: 'log.index.size.max.bytes',
    min: 4,
    description: 'The size of the index of a segment. The broker decides.',
  },
  {
    name: 'segment.jitter.ms',
    type: 'long',
    default: '0',
    effect: 'has-effect',
    brokerName: 'log.roll.jitter.ms',
    min: 0,
    description:
      'A random part of this time is subtracted from segment.ms, so that segments do not all end at once.',
  },
  {
    name: 'segment.ms',
    type: 'long',
    default: String(WEEK_MS),
    effect: 'has-effect',
    brokerName: 'log.roll.ms',
    min: 1,
    description: 'The age at which a new segment begins, also if the last one is not full.',
  },
  {
    name: 'unclean.leader.election.enable',
    type: 'boolean',
    default: 'false',
    effect: 'no-effect',
    brokerName: 'unclean.leader.election.enable',
    description: 'Whether a replica that is behind may become leader. There are no replicas.',
  },
  {
    name: 'internal.segment.bytes',
    type: 'int',
    default: String(GIB),
    effect: 'has-effect',
    brokerName: null,
    min: 14,
    isHidden: true,
    description: 'As segment.bytes, for tests: without its lower bound. It goes before segment.bytes.',
  },
];

const byName = new Map(TOPIC_CONFIGS.map((config) => [config.name, config]));

export function topicConfig(name: string): TopicConfig | undefined {
  return byName.get(name);
}

/** The settings that are shown for every stream. */
export const SHOWN_CONFIGS: readonly TopicConfig[] = TOPIC_CONFIGS.filter(
  ({ isHidden }) => isHidden !== true,
);

function throttledReplicas(value: string): string | null {
  const isGood =
    value === '' || value === '*' || value.split(',').every((each) => /^\s*\d+:\d+\s*$/.test(each));
  return isGood
    ? null
    : "Must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],…";
}
