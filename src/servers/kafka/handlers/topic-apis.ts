import type { AnyHandler } from '../handler.ts';
import { createPartitionsHandler } from './create-partitions.ts';
import { createTopicsHandler } from './create-topics.ts';
import { deleteTopicsHandler } from './delete-topics.ts';
import { describeClusterHandler } from './describe-cluster.ts';
import { describeQuorumHandler } from './describe-quorum.ts';
import { describeTopicPartitionsHandler } from './describe-topic-partitions.ts';
import { metadataHandler } from './metadata.ts';

/** Topics and the cluster. */
export const topicApis: readonly AnyHandler[] = [
  metadataHandler,
  describeTopicPartitionsHandler,
  createTopicsHandler,
  createPartitionsHandler,
  deleteTopicsHandler,
  describeClusterHandler,
  describeQuorumHandler,
];
