import type { Api } from './declaration.ts';
import { createAcls, deleteAcls, describeAcls } from './messages/acls.ts';
import { apiVersions } from './messages/api-versions.ts';
import { describeQuorum, unregisterBroker, updateFeatures } from './messages/cluster.ts';
import {
  alterConfigs,
  describeConfigs,
  incrementalAlterConfigs,
  listConfigResources,
} from './messages/configs.ts';
import { consumerGroupDescribe, consumerGroupHeartbeat } from './messages/consumer-groups.ts';
import {
  createDelegationToken,
  describeDelegationToken,
  expireDelegationToken,
  renewDelegationToken,
} from './messages/delegation-tokens.ts';
import { fetch } from './messages/fetch.ts';
import { deleteGroups, describeGroups, listGroups } from './messages/group-admin.ts';
import { findCoordinator, heartbeat, joinGroup, leaveGroup, syncGroup } from './messages/group-membership.ts';
import { offsetCommit, offsetDelete, offsetFetch } from './messages/group-offsets.ts';
import { describeCluster, describeTopicPartitions, metadata } from './messages/metadata.ts';
import { deleteRecords, listOffsets, offsetForLeaderEpoch } from './messages/offsets.ts';
import { produce } from './messages/produce.ts';
import { alterClientQuotas, describeClientQuotas } from './messages/quotas.ts';
import {
  alterPartitionReassignments,
  alterReplicaLogDirs,
  describeLogDirs,
  electLeaders,
  listPartitionReassignments,
} from './messages/replicas.ts';
import { saslAuthenticate, saslHandshake } from './messages/sasl.ts';
import { alterUserScramCredentials, describeUserScramCredentials } from './messages/scram.ts';
import { shareAcknowledge, shareFetch } from './messages/share-fetch.ts';
import {
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
  describeShareGroupOffsets,
  shareGroupDescribe,
  shareGroupHeartbeat,
} from './messages/share-groups.ts';
import { streamsGroupDescribe, streamsGroupHeartbeat } from './messages/streams-groups.ts';
import { getTelemetrySubscriptions, pushTelemetry } from './messages/telemetry.ts';
import { createPartitions, createTopics, deleteTopics } from './messages/topics.ts';
import { describeProducers, describeTransactions, listTransactions } from './messages/transaction-admin.ts';
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  endTxn,
  initProducerId,
  txnOffsetCommit,
  writeTxnMarkers,
} from './messages/transactions.ts';

/** Every API that is declared, in the order of the keys. */
export const APIS: readonly Api[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  saslHandshake,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  writeTxnMarkers,
  txnOffsetCommit,
  describeAcls,
  createAcls,
  deleteAcls,
  describeConfigs,
  alterConfigs,
  alterReplicaLogDirs,
  describeLogDirs,
  saslAuthenticate,
  createPartitions,
  createDelegationToken,
  renewDelegationToken,
  expireDelegationToken,
  describeDelegationToken,
  deleteGroups,
  electLeaders,
  incrementalAlterConfigs,
  alterPartitionReassignments,
  listPartitionReassignments,
  offsetDelete,
  describeClientQuotas,
  alterClientQuotas,
  describeUserScramCredentials,
  alterUserScramCredentials,
  describeQuorum,
  updateFeatures,
  describeCluster,
  describeProducers,
  unregisterBroker,
  describeTransactions,
  listTransactions,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  getTelemetrySubscriptions,
  pushTelemetry,
  listConfigResources,
  describeTopicPartitions,
  shareGroupHeartbeat,
  shareGroupDescribe,
  shareFetch,
  shareAcknowledge,
  streamsGroupHeartbeat,
  streamsGroupDescribe,
  describeShareGroupOffsets,
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
];

/** The one whose response has a header of its own: see headers.ts. */
export const API_VERSIONS_KEY = apiVersions.key;

/** APIs that servers of a cluster use among themselves. They are not declared, only named. */
const OTHER_NAMES: Readonly<Record<number, string>> = {
  4: 'LeaderAndIsr',
  5: 'StopReplica',
  6: 'UpdateMetadata',
  7: 'ControlledShutdown',
  52: 'Vote',
  53: 'BeginQuorumEpoch',
  54: 'EndQuorumEpoch',
  56: 'AlterPartition',
  58: 'Envelope',
  59: 'FetchSnapshot',
  62: 'BrokerRegistration',
  63: 'BrokerHeartbeat',
  67: 'AllocateProducerIds',
  70: 'ControllerRegistration',
  73: 'AssignReplicasToDirs',
  80: 'AddRaftVoter',
  81: 'RemoveRaftVoter',
  82: 'UpdateRaftVoter',
  83: 'InitializeShareGroupState',
  84: 'ReadShareGroupState',
  85: 'WriteShareGroupState',
  86: 'DeleteShareGroupState',
  87: 'ReadShareGroupStateSummary',
};

const byKey: (Api | undefined)[] = [];
for (const api of APIS) byKey[api.key] = api;

export function apiByKey(key: number): Api | undefined {
  return byKey[key];
}

/** For logs and errors: 'Fetch', or 'API 999' for a key that Kafka does not have. */
export function apiName(key: number): string {
  return byKey[key]?.name ?? OTHER_NAMES[key] ?? `API ${key}`;
}
