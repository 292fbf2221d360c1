import type { AnyHandler } from '../handler.ts';
import { alterPartitionReassignmentsHandler } from './alter-partition-reassignments.ts';
import { alterReplicaLogDirsHandler } from './alter-replica-log-dirs.ts';
import { describeLogDirsHandler } from './describe-log-dirs.ts';
import { electLeadersHandler } from './elect-leaders.ts';
import { listPartitionReassignmentsHandler } from './list-partition-reassignments.ts';

/** Replicas, of which there is one. */
export const replicaApis: readonly AnyHandler[] = [
  alterPartitionReassignmentsHandler,
  listPartitionReassignmentsHandler,
  alterReplicaLogDirsHandler,
  describeLogDirsHandler,
  electLeadersHandler,
];
