import {
  api,
  array,
  bool,
  int8,
  int16,
  int32,
  int64,
  NOT_ASKED,
  string,
  struct,
  uint16,
} from '../declaration.ts';

/** Groups of Kafka Streams applications, whose tasks the broker divides (KIP-1071). */

const keyValue = {
  key: string,
  value: string,
};

const topicInfo = {
  name: string,
  partitions: int32,
  replicationFactor: int16,
  topicConfigs: array(keyValue),
};

const taskIds = {
  subtopologyId: string,
  partitions: array(int32),
};

const endpoint = {
  host: string,
  port: uint16,
};

const taskOffset = {
  subtopologyId: string,
  partition: int32,
  offset: int64,
};

const status = {
  statusCode: int8,
  statusDetail: string,
};

const topicPartition = {
  topic: string,
  partitions: array(int32),
};

const assignment = {
  activeTasks: array(taskIds),
  standbyTasks: array(taskIds),
  warmupTasks: array(taskIds),
};

export const streamsGroupHeartbeat = api(88, 'StreamsGroupHeartbeat', '0', '0+', {
  request: {
    groupId: string,
    memberId: string,
    memberEpoch: int32,
    endpointInformationEpoch: int32,
    instanceId: string.nullable().or(null),
    rackId: string.nullable().or(null),
    rebalanceTimeoutMs: int32.or(-1),
    topology: struct({
      epoch: int32,
      subtopologies: array({
        subtopologyId: string,
        sourceTopics: array(string),
        sourceTopicRegex: array(string),
        stateChangelogTopics: array(topicInfo),
        repartitionSinkTopics: array(string),
        repartitionSourceTopics: array(topicInfo),
        copartitionGroups: array({
          sourceTopics: array(int16),
          sourceTopicRegex: array(int16),
          repartitionSourceTopics: array(int16),
        }),
      }),
    })
      .nullable()
      .or(null),
    activeTasks: array(taskIds).nullable().or(null),
    standbyTasks: array(taskIds).nullable().or(null),
    warmupTasks: array(taskIds).nullable().or(null),
    processId: string.nullable().or(null),
    userEndpoint: struct(endpoint).nullable().or(null),
    clientTags: array(keyValue).nullable().or(null),
    taskOffsets: array(taskOffset).nullable().or(null),
    taskEndOffsets: array(taskOffset).nullable().or(null),
    shutdownApplication: bool.or(false),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    memberId: string,
    memberEpoch: int32,
    heartbeatIntervalMs: int32,
    acceptableRecoveryLag: int32,
    taskOffsetIntervalMs: int32,
    status: array(status).nullable(),
    activeTasks: array(taskIds).nullable().or(null),
    standbyTasks: array(taskIds).nullable().or(null),
    warmupTasks: array(taskIds).nullable().or(null),
    endpointInformationEpoch: int32,
    partitionsByUserEndpoint: array({
      userEndpoint: struct(endpoint),
      activePartitions: array(topicPartition),
      standbyPartitions: array(topicPartition),
    })
      .nullable()
      .or(null),
  },
});

export const streamsGroupDescribe = api(89, 'StreamsGroupDescribe', '0', '0+', {
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
      topology: struct({
        epoch: int32,
        subtopologies: array({
          subtopologyId: string,
          sourceTopics: array(string),
          repartitionSinkTopics: array(string),
          stateChangelogTopics: array(topicInfo),
          repartitionSourceTopics: array(topicInfo),
        })
          .nullable()
          .or(null),
      })
        .nullable()
        .or(null),
      members: array({
        memberId: string,
        memberEpoch: int32,
        instanceId: string.nullable().or(null),
        rackId: string.nullable().or(null),
        clientId: string,
        clientHost: string,
        topologyEpoch: int32,
        processId: string,
        userEndpoint: struct(endpoint).nullable().or(null),
        clientTags: array(keyValue),
        taskOffsets: array(taskOffset),
        taskEndOffsets: array(taskOffset),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        isClassic: bool,
      }),
      authorizedOperations: int32.or(NOT_ASKED),
    }),
  },
});
