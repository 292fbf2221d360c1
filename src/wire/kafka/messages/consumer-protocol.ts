import { array, bytes, int32, message, string } from '../declaration.ts';

/**
 * What consumers tell one another through JoinGroup and SyncGroup: the bytes that the broker passes on. Each begins
 * with its version, an int16; a version that is not known is read as the newest that is.
 */

export const consumerProtocolSubscription = message('ConsumerProtocolSubscription', '0-3', 'none', {
  topics: array(string),
  userData: bytes.nullable().or(null),
  ownedPartitions: array({
    topic: string,
    partitions: array(int32),
  }).in('1+'),
  generationId: int32.in('2+').or(-1),
  rackId: string.in('3+').nullable().or(null),
});

export const consumerProtocolAssignment = message('ConsumerProtocolAssignment', '0-3', 'none', {
  assignedPartitions: array({
    topic: string,
    partitions: array(int32),
  }),
  userData: bytes.nullable().or(null),
});
