import type { AnyHandler } from '../handler.ts';
import { consumerGroupDescribeHandler } from '../handlers/consumer-group-describe.ts';
import { consumerGroupHeartbeatHandler } from '../handlers/consumer-group-heartbeat.ts';
import { deleteGroupsHandler } from '../handlers/delete-groups.ts';
import { describeGroupsHandler } from '../handlers/describe-groups.ts';
import { findCoordinatorHandler } from '../handlers/find-coordinator.ts';
import { heartbeatHandler } from '../handlers/heartbeat.ts';
import { joinGroupHandler } from '../handlers/join-group.ts';
import { leaveGroupHandler } from '../handlers/leave-group.ts';
import { listGroupsHandler } from '../handlers/list-groups.ts';
import { offsetCommitHandler } from '../handlers/offset-commit.ts';
import { offsetDeleteHandler } from '../handlers/offset-delete.ts';
import { offsetFetchHandler } from '../handlers/offset-fetch.ts';
import { syncGroupHandler } from '../handlers/sync-group.ts';

/** All about groups and the offsets that they commit. */
export const GROUP_HANDLERS: readonly AnyHandler[] = [
  findCoordinatorHandler,
  joinGroupHandler,
  syncGroupHandler,
  heartbeatHandler,
  leaveGroupHandler,
  offsetCommitHandler,
  offsetFetchHandler,
  offsetDeleteHandler,
  listGroupsHandler,
  describeGroupsHandler,
  deleteGroupsHandler,
  consumerGroupHeartbeatHandler,
  consumerGroupDescribeHandler,
];
