import type { AnyHandler } from '../handler.ts';
import { alterShareGroupOffsetsHandler } from './alter-share-group-offsets.ts';
import { deleteShareGroupOffsetsHandler } from './delete-share-group-offsets.ts';
import { describeShareGroupOffsetsHandler } from './describe-share-group-offsets.ts';
import { shareAcknowledgeHandler } from './share-acknowledge.ts';
import { shareFetchHandler } from './share-fetch.ts';
import { shareGroupDescribeHandler } from './share-group-describe.ts';
import { shareGroupHeartbeatHandler } from './share-group-heartbeat.ts';

/** Share groups (KIP-932). */
export const shareGroupApis: readonly AnyHandler[] = [
  shareGroupHeartbeatHandler,
  shareGroupDescribeHandler,
  shareFetchHandler,
  shareAcknowledgeHandler,
  describeShareGroupOffsetsHandler,
  alterShareGroupOffsetsHandler,
  deleteShareGroupOffsetsHandler,
];
