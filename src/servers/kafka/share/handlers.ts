import type { AnyHandler } from '../handler.ts';
import { alterShareGroupOffsetsHandler } from '../handlers/alter-share-group-offsets.ts';
import { deleteShareGroupOffsetsHandler } from '../handlers/delete-share-group-offsets.ts';
import { describeShareGroupOffsetsHandler } from '../handlers/describe-share-group-offsets.ts';
import { shareAcknowledgeHandler } from '../handlers/share-acknowledge.ts';
import { shareFetchHandler } from '../handlers/share-fetch.ts';
import { shareGroupDescribeHandler } from '../handlers/share-group-describe.ts';
import { shareGroupHeartbeatHandler } from '../handlers/share-group-heartbeat.ts';

/** All of KIP-932 that clients use. */
export const SHARE_HANDLERS: readonly AnyHandler[] = [
  shareGroupHeartbeatHandler,
  shareGroupDescribeHandler,
  shareFetchHandler,
  shareAcknowledgeHandler,
  describeShareGroupOffsetsHandler,
  alterShareGroupOffsetsHandler,
  deleteShareGroupOffsetsHandler,
];
