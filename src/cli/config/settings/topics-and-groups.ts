import { choice, duration, integer } from '../setting-types.ts';
import { setting } from './definition.ts';

/** Consumers, the topics that they read, and the groups that they are in. */
export const TOPICS_AND_GROUPS = {
  consumerTimeoutSeconds: setting({
    key: 'consumer-timeout',
    type: duration('s', { min: 0.001, max: 31_536_000, zero: 'none' }),
    default: 0,
    description:
      'Time that an AMQP consumer has to acknowledge a message. After it the consumer is cancelled, and its messages go ' +
      'to others.',
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
};
