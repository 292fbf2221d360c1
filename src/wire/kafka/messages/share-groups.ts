import { api, array, bool, int16, int32, int64, NOT_ASKED, string, struct, uuid } from '../declaration.ts';

/**
 * Share groups: many consumers on one partition, each record acknowledged by itself (KIP-932). Version 0 of these was
 * an early access and is not spoken any more.
 */

const topicPartitions = {
  topicId: uuid,
  partitions: array(int32),
};

const namedTopicPartitions = {
  topicId: uuid,
  topicName: string,
  partitions: array(int32),
};

const assignment = {
  topicPartitions: array(namedTopicPartitions),
};

export const shareGroupHeartbeat = api(76, 'ShareGroupHeartbeat', '1', '0+', {
  request: {
    groupId: string,
    memberId: string,
    memberEpoch: int32,
    rackId: string.nullable().or(null),
    subscribedTopicNames: array(string).nullable().or(null),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    memberId: string.nullable().or(null),
    memberEpoch: int32,
    heartbeatIntervalMs: int32,
    assignment: struct({
      topicPartitions: array(topicPartitions),
    })
      .nullable()
      .or(null),
  },
});

export const shareGroupDescribe = api(77, 'ShareGroupDescribe', '1', '0+', {
  request: {
    groupIds: array(string),
    includeAuthorizedOperations: bool,
  },
  response: {
    throttleTimeMs: int32,
    groups: array({
      errorCode: int16,
      errorMessage: string.nullable().or(null),
      groupId: string,
      groupState: string,
      groupEpoch: int32,
      assignmentEpoch: int32,
      assignorName: string,
      members: array({
        memberId: string,
        rackId: string.nullable().or(null),
        memberEpoch: int32,
        clientId: string,
        clientHost: string,
        subscribedTopicNames: array(string),
        assignment: struct(assignment),
      }),
      authorizedOperations: int32.or(NOT_ASKED),
    }),
  },
});

export const describeShareGroupOffsets = api(90, 'DescribeShareGroupOffsets', '0-1', '0+', {
  request: {
    groups: array({
      groupId: string,
      topics: array({
        topicName: string,
        partitions: array(int32),
      }).nullable(),
    }),
  },
  response: {
    throttleTimeMs: int32,
    groups: array({
      groupId: string,
      topics: array({
        topicName: string,
        topicId: uuid,
        partitions: array({
          partitionIndex: int32,
          startOffset: int64,
          leaderEpoch: int32,
          lag: int64.in('1+').or(-1),
          errorCode: int16,
          errorMessage: string.nullable().or(null),
        }),
      }),
      errorCode: int16,
      errorMessage: string.nullable().or(null),
    }),
  },
});

export const alterShareGroupOffsets = api(91, 'AlterShareGroupOffsets', '0', '0+', {
  request: {
    groupId: string,
    topics: array({
      topicName: string,
      partitions: array({
        partitionIndex: int32,
        startOffset: int64,
      }),
    }),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    responses: array({
      topicName: string,
      topicId: uuid,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        errorMessage: string.nullable().or(null),
      }),
    }),
  },
});

export const deleteShareGroupOffsets = api(92, 'DeleteShareGroupOffsets', '0', '0+', {
  request: {
    groupId: string,
    topics: array({
      topicName: string,
    }),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    responses: array({
      topicName: string,
      topicId: uuid,
      errorCode: int16,
      errorMessage: string.nullable().or(null),
    }),
  },
});
