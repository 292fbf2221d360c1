import type { Work } from '../../../base/turn-time.ts';
import { partitionsMax } from '../../../broker/streams/streams.ts';
import { validateConfigs } from '../../../broker/streams/topic-config-validation.ts';
import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import type { createTopics } from '../../../wire/kafka/messages/topics.ts';
import { type Fault, fault } from '../fault.ts';
import { shardOfNode } from '../node-id.ts';

export type CreatableTopic = RequestOf<typeof createTopics>['topics'][number];

/** A CreateTopics entry that has been validated. */
export interface TopicPlan {
  readonly partitions: number;
  /** The shard of each partition, if the client has said which brokers are to have them. */
  readonly shards: readonly number[] | null;
  readonly configs: ReadonlyMap<string, string>;
}

const DEFAULT = -1;
/** Some ten times as many as there are. */
const CONFIGS_MAX = 1000;
const REPLICAS_NAMED_MAX = 100;

/** Validates a CreateTopics entry by itself, as a Kafka cluster of so many brokers does. */
export function* planTopic(
  topic: CreatableTopic,
  defaultPartitions: number,
  brokers: number,
): Work<TopicPlan | Fault> {
  if (topic.configs.length > CONFIGS_MAX) {
    return fault('INVALID_CONFIG', `More than ${CONFIGS_MAX} configs of one topic`);
  }
  if (topic.assignments.length > partitionsMax) {
    return fault('INVALID_PARTITIONS', `A topic can have at most ${partitionsMax} partition(s).`);
  }
  const isAssigned = topic.assignments.length > 0;
  const wrong = isAssigned ? yield* wrongAssignments(topic, brokers) : wrongNumbers(topic, brokers);
  if (wrong !== null) return wrong;
  const configs = new Map<string, string>();
  const withoutValue: string[] = [];
  for (const { name, value } of topic.configs) {
    if (value === null) withoutValue.push(name);
    else configs.set(name, value);
  }
  if (withoutValue.length > 0) {
    const names = withoutValue.join(',');
    return fault('INVALID_CONFIG', `Null value not supported for topic configs: ${names}`);
  }
  const problem = validateConfigs(configs);
  if (problem !== null) return fault('INVALID_CONFIG', problem);
  const partitions = isAssigned
    ? topic.assignments.length
    : topic.numPartitions === DEFAULT
      ? defaultPartitions
      : topic.numPartitions;
  return { partitions, shards: isAssigned ? yield* assignedShards(topic, brokers) : null, configs };
}

function* assignedShards({ assignments }: CreatableTopic, brokers: number): Work<number[]> {
  const shards = new Array<number>(assignments.length).fill(0);
  for (const { partitionIndex, brokerIds } of assignments) {
    yield;
    shards[partitionIndex] = shardOfNode(brokerIds[0], brokers) ?? 0;
  }
  return shards;
}

function wrongNumbers({ numPartitions, replicationFactor }: CreatableTopic, brokers: number): Fault | null {
  if (replicationFactor < DEFAULT || replicationFactor === 0) {
    return fault(
      'INVALID_REPLICATION_FACTOR',
      'Replication factor must be larger than 0, or -1 to use the default value.',
    );
  }
  if (numPartitions < DEFAULT || numPartitions === 0) {
    return fault('INVALID_PARTITIONS', 'Number of partitions was set to an invalid non-positive value.');
  }
  return replicationFactor > 1
    ? fault('INVALID_REPLICATION_FACTOR', tooManyReplicas(replicationFactor, brokers))
    : null;
}

/** Shards of one process are no replicas of each other: what they have in common is the machine, and what ends one ends all. */
function tooManyReplicas(count: number, brokers: number): string {
  const why =
    brokers === 1
      ? 'only 1 broker(s) are registered.'
      : `all ${brokers} broker(s) are shards of one process, where a partition has 1 replica.`;
  return (
    `Unable to replicate the partition ${count} time(s): The target replication factor of ${count} cannot be ` +
    `reached because ${why}`
  );
}

function* wrongAssignments(
  { numPartitions, replicationFactor, assignments }: CreatableTopic,
  brokers: number,
): Work<Fault | null> {
  if (replicationFactor !== DEFAULT) {
    return fault(
      'INVALID_REQUEST',
      'A manual partition assignment was specified, but replication factor was not set to -1.',
    );
  }
  if (numPartitions !== DEFAULT) {
    return fault(
      'INVALID_REQUEST',
      'A manual partition assignment was specified, but numPartitions was not set to -1.',
    );
  }
  const seen = new Set<number>();
  for (const { partitionIndex, brokerIds } of assignments) {
    yield;
    if (seen.has(partitionIndex)) {
      const text = `Found multiple manual partition assignments for partition ${partitionIndex}`;
      return fault('INVALID_REPLICA_ASSIGNMENT', text);
    }
    seen.add(partitionIndex);
    const wrong = wrongReplicas(brokerIds, brokers);
    if (wrong !== null) return wrong;
  }
  for (let index = 0; index < assignments.length; index++) {
    if (seen.has(index)) continue;
    return fault('INVALID_REPLICA_ASSIGNMENT', 'partitions should be a consecutive 0-based integer sequence');
  }
  return null;
}

/** Validates a manual replica assignment, which names one of so many brokers. */
export function wrongReplicas(brokerIds: readonly number[], brokers: number): Fault | null {
  if (brokerIds.length === 0) {
    return fault(
      'INVALID_REPLICA_ASSIGNMENT',
      'The manual partition assignment includes an empty replica list.',
    );
  }
  // One behind so many is not the only one that is wrong.
  const named = brokerIds.slice(0, REPLICAS_NAMED_MAX);
  const unknownId = named.find((id) => shardOfNode(id, brokers) === null);
  if (unknownId !== undefined) {
    return fault(
      'INVALID_REPLICA_ASSIGNMENT',
      `The manual partition assignment includes broker ${unknownId}, but no such broker is registered.`,
    );
  }
  if (brokerIds.length === 1) return null;
  const twice = named.find((id, at) => named.indexOf(id) < at);
  const text =
    twice === undefined
      ? 'The manual partition assignment includes several brokers, where a partition has 1 replica.'
      : `The manual partition assignment includes the broker ${twice} more than once.`;
  return fault('INVALID_REPLICA_ASSIGNMENT', text);
}
