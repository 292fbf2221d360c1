import { api, array, bool, int8, int16, int32, NOT_ASKED, string, struct, uuid } from '../declaration.ts';

/** Who leads what. */

export const metadata = api(3, 'Metadata', '0-13', '9+', {
  request: {
    topics: array({
      topicId: uuid.in('10+'),
      name: string.nullable('10+'),
    }).nullable('1+'),
    allowAutoTopicCreation: bool.in('4+').or(true),
    includeClusterAuthorizedOperations: bool.in('8-10'),
    includeTopicAuthorizedOperations: bool.in('8+'),
  },
  response: {
    throttleTimeMs: int32.in('3+'),
    brokers: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: string.in('1+').nullable().or(null),
    }),
    clusterId: string.in('2+').nullable().or(null),
    controllerId: int32.in('1+').or(-1),
    topics: array({
      errorCode: int16,
      name: string.nullable('12+'),
      topicId: uuid.in('10+'),
      isInternal: bool.in('1+').or(false),
      partitions: array({
        errorCode: int16,
        partitionIndex: int32,
        leaderId: int32,
        leaderEpoch: int32.in('7+').or(-1),
        replicaNodes: array(int32),
        isrNodes: array(int32),
        offlineReplicas: array(int32).in('5+'),
      }),
      topicAuthorizedOperations: int32.in('8+').or(NOT_ASKED),
    }),
    clusterAuthorizedOperations: int32.in('8-10').or(NOT_ASKED),
    errorCode: int16.in('13+'),
  },
});

export const describeCluster = api(60, 'DescribeCluster', '0-2', '0+', {
  request: {
    includeClusterAuthorizedOperations: bool,
    endpointType: int8.in('1+').or(1),
    includeFencedBrokers: bool.in('2+'),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    endpointType: int8.in('1+').or(1),
    clusterId: string,
    controllerId: int32.or(-1),
    brokers: array({
      brokerId: int32,
      host: string,
      port: int32,
      rack: string.nullable().or(null),
      isFenced: bool.in('2+'),
    }),
    clusterAuthorizedOperations: int32.or(NOT_ASKED),
  },
});

export const describeTopicPartitions = api(75, 'DescribeTopicPartitions', '0', '0+', {
  request: {
    topics: array({
      name: string,
    }),
    responsePartitionLimit: int32.or(2000),
    cursor: struct({
      topicName: string,
      partitionIndex: int32,
    })
      .nullable()
      .or(null),
  },
  response: {
    throttleTimeMs: int32,
    topics: array({
      errorCode: int16,
      name: string.nullable(),
      topicId: uuid,
      isInternal: bool.or(false),
      partitions: array({
        errorCode: int16,
        partitionIndex: int32,
        leaderId: int32,
        leaderEpoch: int32.or(-1),
        replicaNodes: array(int32),
        isrNodes: array(int32),
        eligibleLeaderReplicas: array(int32).nullable().or(null),
        lastKnownElr: array(int32).nullable().or(null),
        offlineReplicas: array(int32),
      }),
      topicAuthorizedOperations: int32.or(NOT_ASKED),
    }),
    nextCursor: struct({
      topicName: string,
      partitionIndex: int32,
    })
      .nullable()
      .or(null),
  },
});
