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
      'What becomes of old records: delete = whole segments go when they are too old or too many; compact = of ' +
      'records with the same key the last one stays; both can be given.',
  },
  {
    name: 'compression.type',
    type: 'string',
    default: 'producer',
    effect: 'has-effect',
    brokerName: 'compression.type',
    choices: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
    description: 'How record batches of Kafka clients are stored; producer = as they came.',
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
    description: 'Level for compression.type gzip; -1 for the usual one.',
  },
  {
    name: 'compression.lz4.level',
    type: 'int',
    default: '9',
    effect: 'no-effect',
    brokerName: 'compression.lz4.level',
    min: 1,
    max: 17,
    description: 'Level for compression.type lz4. There is one level here.',
  },
  {
    name: 'compression.zstd.level',
    type: 'int',
    default: '3',
    effect: 'has-effect',
    brokerName: 'compression.zstd.level',
    min: -131072,
    max: 22,
    description: 'Level for compression.type zstd.',
  },
  {
    name: 'delete.retention.ms',
    type: 'long',
    default: String(DAY_MS),
    effect: 'has-effect',
    brokerName: 'log.cleaner.delete.retention.ms',
    min: 0,
    description:
      'How long the mark that a key was deleted stays in a compacted log, for readers that are behind.',
  },
  {
    name: 'file.delete.delay.ms',
    type: 'long',
    default: '60000',
    effect: 'no-effect',
    brokerName: 'log.segment.delete.delay.ms',
    min: 0,
    description: 'How long a deleted file stays. Here it goes as soon as nobody reads it.',
  },
  {
    name: 'flush.messages',
    type: 'long',
    default: LONG_MAX,
    effect: 'no-effect',
    brokerName: 'log.flush.interval.messages',
    min: 1,
    description: 'Records between two flushes to the disk. Here the durability of the broker decides.',
  },
  {
    name: 'flush.ms',
    type: 'long',
    default: LONG_MAX,
    effect: 'no-effect',
    brokerName: 'log.flush.interval.ms',
    min: 0,
    description: 'Time between two flushes to the disk. Here the durability of the broker decides.',
  },
  {
    name: 'follower.replication.throttled.replicas',
    type: 'list',
    default: '',
    effect: 'no-effect',
    brokerName: null,
    check: throttledReplicas,
    description: 'Replicas that are copied slowly. There are no others than this broker.',
  },
  {
    name: 'index.interval.bytes',
    type: 'int',
    default: '4096',
    effect: 'no-effect',
    brokerName: 'log.index.interval.bytes',
    min: 0,
    description: 'Bytes of a log between two entries of its index. Here the broker decides.',
  },
  {
    name: 'leader.replication.throttled.replicas',
    type: 'list',
    default: '',
    effect: 'no-effect',
    brokerName: null,
    check: throttledReplicas,
    description: 'Replicas that are copied slowly. There are no others than this broker.',
  },
  {
    name: 'local.retention.bytes',
    type: 'long',
    default: '-2',
    effect: 'no-effect',
    brokerName: 'log.local.retention.bytes',
    min: -2,
    description: 'Bytes that stay here when there is remote storage, which there is not.',
  },
  {
    name: 'local.retention.ms',
    type: 'long',
    default: '-2',
    effect: 'no-effect',
    brokerName: 'log.local.retention.ms',
    min: -2,
    description: 'How long records stay here when there is remote storage, which there is not.',
  },
  {
    name: 'max.compaction.lag.ms',
    type: 'long',
    default: LONG_MAX,
    effect: 'has-effect',
    brokerName: 'log.cleaner.max.compaction.lag.ms',
    min: 1,
    description: 'A record is compacted after this time at the latest.',
  },
  {
    name: 'max.message.bytes',
    type: 'int',
    default: String(MIB + 12),
    effect: 'has-effect',
    brokerName: 'message.max.bytes',
    min: 0,
    description: 'The largest record batch that is accepted, as it comes.',
  },
  {
    name: 'message.timestamp.after.max.ms',
    type: 'long',
    default: '3600000',
    effect: 'has-effect',
    brokerName: 'log.message.timestamp.after.max.ms',
    min: 0,
    description: "How far a record's time may be ahead of the broker's, with CreateTime.",
  },
  {
    name: 'message.timestamp.before.max.ms',
    type: 'long',
    default: LONG_MAX,
    effect: 'has-effect',
    brokerName: 'log.message.timestamp.before.max.ms',
    min: 0,
    description: "How far a record's time may be behind the broker's, with CreateTime.",
  },
  {
    name: 'message.timestamp.type',
    type: 'string',
    default: 'CreateTime',
    effect: 'has-effect',
    brokerName: 'log.message.timestamp.type',
    choices: ['CreateTime', 'LogAppendTime'],
    description: "Whether a record's time is the producer's or that of its arrival.",
  },
  {
    name: 'min.cleanable.dirty.ratio',
    type: 'double',
    default: '0.5',
    effect: 'has-effect',
    brokerName: 'log.cleaner.min.cleanable.ratio',
    min: 0,
    max: 1,
    description: 'A log is compacted when this part of it has come since the last time.',
  },
  {
    name: 'min.compaction.lag.ms',
    type: 'long',
    default: '0',
    effect: 'has-effect',
    brokerName: 'log.cleaner.min.compaction.lag.ms',
    min: 0,
    description: 'A record is not compacted before it is this old.',
  },
  {
    name: 'min.insync.replicas',
    type: 'int',
    default: '1',
    effect: 'no-effect',
    brokerName: 'min.insync.replicas',
    min: 1,
    description:
      'Replicas that must have a record before acks=all is answered: never more than there are, which is one.',
  },
  {
    name: 'preallocate',
    type: 'boolean',
    default: 'false',
    effect: 'no-effect',
    brokerName: 'log.preallocate',
    description: 'Whether files have their whole size from the beginning.',
  },
  {
    name: 'remote.log.copy.disable',
    type: 'boolean',
    default: 'false',
    effect: 'no-effect',
    brokerName: null,
    description: 'Whether remote storage gets nothing more. There is none.',
  },
  {
    name: 'remote.log.delete.on.disable',
    type: 'boolean',
    default: 'false',
    effect: 'no-effect',
    brokerName: null,
    description: 'Whether remote storage is emptied when it is switched off. There is none.',
  },
  {
    name: 'remote.storage.enable',
    type: 'boolean',
    default: 'false',
    effect: 'no-effect',
    brokerName: null,
    description: 'Whether old segments move to remote storage. There is none: only false is accepted.',
  },
  {
    name: 'retention.bytes',
    type: 'long',
    default: '-1',
    effect: 'has-effect',
    brokerName: 'log.retention.bytes',
    description: 'Bytes of each partition beyond which its oldest segments are deleted; -1 for no limit.',
  },
  {
    name: 'retention.ms',
    type: 'long',
    default: String(WEEK_MS),
    effect: 'has-effect',
    brokerName: 'log.retention.ms',
    min: -1,
    description: 'Age of records at which their segments are deleted; -1 for never.',
  },
  {
    name: 'segment.bytes',
    type: 'int',
    default: String(GIB),
    effect: 'has-effect',
    brokerName: 'log.segment.bytes',
    min: MIB,
    description: 'Size at which a log goes on in a new file. What is deleted is deleted by the file.',
  },
  {
    name: 'segment.index.bytes',
    type: 'int',
    default: String(10 * MIB),
    effect: 'no-effect',
    brokerName: 'log.index.size.max.bytes',
    min: 4,
    description: 'Size of the index of a segment. Here the broker decides.',
  },
  {
    name: 'segment.jitter.ms',
    type: 'long',
    default: '0',
    effect: 'has-effect',
    brokerName: 'log.roll.jitter.ms',
    min: 0,
    description: 'Time that is taken off segment.ms at random, so that not all segments end at once.',
  },
  {
    name: 'segment.ms',
    type: 'long',
    default: String(WEEK_MS),
    effect: 'has-effect',
    brokerName: 'log.roll.ms',
    min: 1,
    description: 'Age at which a log goes on in a new file, full or not.',
  },
  {
    name: 'unclean.leader.election.enable',
    type: 'boolean',
    default: 'false',
    effect: 'no-effect',
    brokerName: 'unclean.leader.election.enable',
    description: 'Whether a replica that is behind may lead. There are no others than this broker.',
  },
  {
    name: 'internal.segment.bytes',
    type: 'int',
    default: String(GIB),
    effect: 'has-effect',
    brokerName: null,
    min: 14,
    isHidden: true,
    description: 'As segment.bytes, for tests: without its lower bound, and stronger.',
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
