import { api, array, bool, int8, int16, int32, NOT_ASKED, string, struct, uuid } from '../declaration.ts';

/** The consumer group protocol in which the broker divides the partitions (KIP-848). */

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

export const consumerGroupHeartbeat = api(68, 'ConsumerGroupHeartbeat', '0-1', '0+', {
  request: {
    groupId: string,
    memberId: string,
    memberEpoch: int32,
    instanceId: string.nullable().or(null),
    rackId: string.nullable().or(null),
    rebalanceTimeoutMs: int32.or(-1),
    subscribedTopicNames: array(string).nullable().or(null),
    subscribedTopicRegex: string.in('1+').nullable().or(null),
    serverAssignor: string.nullable().or(null),
    topicPartitions: array({
      topicId: uuid,
      partitions: array(int32),
    })
      .nullable()
      .or(null),
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

export const consumerGroupDescribe = api(69, 'ConsumerGroupDescribe', '0-1', '0+', {
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
        instanceId: string.nullable().or(null),
        rackId: string.nullable().or(null),
        memberEpoch: int32,
        clientId: string,
        clientHost: string,
        subscribedTopicNames: array(string),
        subscribedTopicRegex: string.nullable().or(null),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        memberType: int8.in('1+').or(-1),
      }),
      authorizedOperations: int32.or(NOT_ASKED),
    }),
  },
});
