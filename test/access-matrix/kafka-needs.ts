import { hasPermission, hasTag, listSays, type Subject, type Verb } from './subjects.ts';

/** An operation of Kafka's table "Operations in Kafka", on a kind of resource. */
export type Need =
  | `topic ${'read' | 'write' | 'create' | 'delete' | 'alter' | 'describe' | 'configs'}`
  | `group ${'read' | 'describe' | 'delete'}`
  | 'txn write'
  | `cluster ${'look' | 'change'}`;

/** Which permission stands for it, where no list says anything: docs/access.md. */
const PERMISSIONS: { readonly [need in Need]?: readonly Verb[] } = {
  'topic read': ['read'],
  'topic write': ['write'],
  'topic create': ['configure'],
  'topic delete': ['configure'],
  'topic alter': ['configure'],
  'topic configs': ['configure'],
  'topic describe': ['configure', 'write', 'read'],
  'group read': ['read'],
  'group describe': ['read', 'configure'],
  'group delete': ['configure'],
  'txn write': ['write'],
};

/** All that an API takes, by Kafka's table "Operations and Resources on Protocols". */
export const KAFKA_NEEDS: { readonly [api: string]: readonly Need[] } = {
  Produce: ['txn write', 'topic write'],
  Fetch: ['topic read'],
  ListOffsets: ['topic describe'],
  Metadata: ['topic describe'],
  OffsetCommit: ['group read', 'topic read'],
  OffsetFetch: ['group describe', 'topic describe'],
  FindCoordinator: ['group describe'],
  JoinGroup: ['group read'],
  Heartbeat: ['group read'],
  LeaveGroup: ['group read'],
  SyncGroup: ['group read'],
  DescribeGroups: ['group describe'],
  ListGroups: [],
  CreateTopics: ['topic create'],
  DeleteTopics: ['topic delete'],
  DeleteRecords: ['topic delete'],
  InitProducerId: ['txn write'],
  OffsetForLeaderEpoch: ['topic describe'],
  AddPartitionsToTxn: ['cluster change', 'txn write', 'topic write'],
  AddOffsetsToTxn: ['txn write', 'group read'],
  EndTxn: ['txn write'],
  WriteTxnMarkers: ['cluster change'],
  TxnOffsetCommit: ['txn write', 'group read', 'topic read'],
  DescribeAcls: ['cluster look'],
  CreateAcls: ['cluster change'],
  DeleteAcls: ['cluster change'],
  DescribeConfigs: ['topic configs'],
  AlterConfigs: ['topic configs'],
  AlterReplicaLogDirs: ['cluster change'],
  DescribeLogDirs: ['cluster look'],
  CreatePartitions: ['topic alter'],
  DeleteGroups: ['group delete'],
  ElectLeaders: ['cluster change'],
  IncrementalAlterConfigs: ['topic configs'],
  AlterPartitionReassignments: ['cluster change'],
  ListPartitionReassignments: ['cluster look'],
  // And read on the topic, of a group that is there: this one is not.
  OffsetDelete: ['group delete'],
  DescribeClientQuotas: ['cluster look'],
  AlterClientQuotas: ['cluster change'],
  DescribeUserScramCredentials: ['cluster look'],
  AlterUserScramCredentials: ['cluster change'],
  DescribeQuorum: ['cluster look'],
  DescribeCluster: [],
  DescribeProducers: ['topic read'],
  DescribeTransactions: ['txn write'],
  ListTransactions: [],
  ConsumerGroupHeartbeat: ['group read', 'topic describe'],
  ConsumerGroupDescribe: ['group describe'],
  ListConfigResources: ['cluster look'],
  DescribeTopicPartitions: ['topic describe'],
  ShareGroupHeartbeat: ['group read', 'topic describe'],
  ShareGroupDescribe: ['group describe'],
  ShareFetch: ['group read'],
  ShareAcknowledge: ['group read', 'topic read'],
  DescribeShareGroupOffsets: ['group describe', 'topic describe'],
  AlterShareGroupOffsets: ['group read', 'topic read'],
  DeleteShareGroupOffsets: ['group delete', 'topic read'],
};

export function kafkaAllows(subject: Subject, need: Need): boolean {
  if (need === 'cluster change') return hasTag(subject, 'administrator');
  if (need === 'cluster look') return hasTag(subject, 'administrator') || hasTag(subject, 'monitoring');
  // To create topics on the cluster is as good as to create this one.
  if (need === 'topic create' && hasTag(subject, 'administrator')) return true;
  const said = listSays(subject);
  if (said !== null) return said === 'allow';
  // A stream is read with all keys: who is held to some cannot.
  if (need === 'topic read' && subject.rights.topics !== undefined) return false;
  return PERMISSIONS[need]?.some((verb) => hasPermission(subject, verb)) ?? false;
}
