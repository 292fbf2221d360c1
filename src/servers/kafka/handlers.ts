import { GROUP_HANDLERS } from './groups/handlers.ts';
import type { AnyHandler } from './handler.ts';
import { addOffsetsToTxnHandler } from './handlers/add-offsets-to-txn.ts';
import { addPartitionsToTxnHandler } from './handlers/add-partitions-to-txn.ts';
import { alterClientQuotasHandler } from './handlers/alter-client-quotas.ts';
import { alterConfigsHandler } from './handlers/alter-configs.ts';
import { alterPartitionReassignmentsHandler } from './handlers/alter-partition-reassignments.ts';
import { alterReplicaLogDirsHandler } from './handlers/alter-replica-log-dirs.ts';
import { alterUserScramCredentialsHandler } from './handlers/alter-user-scram-credentials.ts';
import { apiVersionsHandler } from './handlers/api-versions.ts';
import { createAclsHandler } from './handlers/create-acls.ts';
import { createPartitionsHandler } from './handlers/create-partitions.ts';
import { createTopicsHandler } from './handlers/create-topics.ts';
import { deleteAclsHandler } from './handlers/delete-acls.ts';
import { deleteRecordsHandler } from './handlers/delete-records.ts';
import { deleteTopicsHandler } from './handlers/delete-topics.ts';
import { describeAclsHandler } from './handlers/describe-acls.ts';
import { describeClientQuotasHandler } from './handlers/describe-client-quotas.ts';
import { describeClusterHandler } from './handlers/describe-cluster.ts';
import { describeConfigsHandler } from './handlers/describe-configs.ts';
import { describeLogDirsHandler } from './handlers/describe-log-dirs.ts';
import { describeProducersHandler } from './handlers/describe-producers.ts';
import { describeQuorumHandler } from './handlers/describe-quorum.ts';
import { describeTopicPartitionsHandler } from './handlers/describe-topic-partitions.ts';
import { describeTransactionsHandler } from './handlers/describe-transactions.ts';
import { describeUserScramCredentialsHandler } from './handlers/describe-user-scram-credentials.ts';
import { electLeadersHandler } from './handlers/elect-leaders.ts';
import { endTxnHandler } from './handlers/end-txn.ts';
import { fetchHandler } from './handlers/fetch.ts';
import { incrementalAlterConfigsHandler } from './handlers/incremental-alter-configs.ts';
import { initProducerIdHandler } from './handlers/init-producer-id.ts';
import { listConfigResourcesHandler } from './handlers/list-config-resources.ts';
import { listOffsetsHandler } from './handlers/list-offsets.ts';
import { listPartitionReassignmentsHandler } from './handlers/list-partition-reassignments.ts';
import { listTransactionsHandler } from './handlers/list-transactions.ts';
import { metadataHandler } from './handlers/metadata.ts';
import { offsetForLeaderEpochHandler } from './handlers/offset-for-leader-epoch.ts';
import { produceHandler } from './handlers/produce.ts';
import { saslAuthenticateHandler } from './handlers/sasl-authenticate.ts';
import { saslHandshakeHandler } from './handlers/sasl-handshake.ts';
import { txnOffsetCommitHandler } from './handlers/txn-offset-commit.ts';
import { writeTxnMarkersHandler } from './handlers/write-txn-markers.ts';
import { SHARE_HANDLERS } from './share/handlers.ts';

/** Every API that is served, in the order of the keys: what is here is what clients are told. */
export const HANDLERS: readonly AnyHandler[] = [
  produceHandler,
  fetchHandler,
  listOffsetsHandler,
  apiVersionsHandler,
  alterConfigsHandler,
  alterPartitionReassignmentsHandler,
  createPartitionsHandler,
  createTopicsHandler,
  deleteRecordsHandler,
  deleteTopicsHandler,
  describeClusterHandler,
  describeConfigsHandler,
  alterReplicaLogDirsHandler,
  describeLogDirsHandler,
  describeQuorumHandler,
  describeTopicPartitionsHandler,
  electLeadersHandler,
  incrementalAlterConfigsHandler,
  listConfigResourcesHandler,
  listPartitionReassignmentsHandler,
  metadataHandler,
  offsetForLeaderEpochHandler,
  saslHandshakeHandler,
  saslAuthenticateHandler,
  describeAclsHandler,
  createAclsHandler,
  deleteAclsHandler,
  describeClientQuotasHandler,
  alterClientQuotasHandler,
  describeUserScramCredentialsHandler,
  alterUserScramCredentialsHandler,
  addOffsetsToTxnHandler,
  addPartitionsToTxnHandler,
  describeProducersHandler,
  describeTransactionsHandler,
  endTxnHandler,
  initProducerIdHandler,
  listTransactionsHandler,
  txnOffsetCommitHandler,
  ...GROUP_HANDLERS,
  ...SHARE_HANDLERS,
  writeTxnMarkersHandler,
].sort((a, b) => a.api.key - b.api.key);

const byKey: (AnyHandler | undefined)[] = [];
for (const handler of HANDLERS) byKey[handler.api.key] = handler;

export function handlerByKey(apiKey: number): AnyHandler | undefined {
  return byKey[apiKey];
}
