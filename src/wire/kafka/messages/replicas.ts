import { api, array, bool, int8, int16, int32, int64, string } from '../declaration.ts';

/** Where the copies of a partition lie. */

export const electLeaders = api(43, 'ElectLeaders', '0-2', '2+', {
  request: {
    electionType: int8.in('1+'),
    topicPartitions: array({
      topic: string,
      partitions: array(int32),
    }).nullable(),
    timeoutMs: int32.or(60000),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16.in('1+'),
    replicaElectionResults: array({
      topic: string,
      partitionResult: array({
        partitionId: int32,
        errorCode: int16,
        errorMessage: string.nullable(),
      }),
    }),
  },
});

export const alterPartitionReassignments = api(45, 'AlterPartitionReassignments', '0-1', '0+', {
  request: {
    timeoutMs: int32.or(60000),
    allowReplicationFactorChange: bool.in('1+').or(true),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        replicas: array(int32).nullable().or(null),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32,
    allowReplicationFactorChange: bool.in('1+').or(true),
    errorCode: int16,
    errorMessage: string.nullable(),
    responses: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        errorMessage: string.nullable(),
      }),
    }),
  },
});

export const listPartitionReassignments = api(46, 'ListPartitionReassignments', '0', '0+', {
  request: {
    timeoutMs: int32.or(60000),
    topics: array({
      name: string,
      partitionIndexes: array(int32),
    })
      .nullable()
      .or(null),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable(),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        replicas: array(int32),
        addingReplicas: array(int32),
        removingReplicas: array(int32),
      }),
    }),
  },
});

export const alterReplicaLogDirs = api(34, 'AlterReplicaLogDirs', '1-2', '2+', {
  request: {
    dirs: array({
      path: string,
      topics: array({
        name: string,
        partitions: array(int32),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32,
    results: array({
      topicName: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
      }),
    }),
  },
});

export const describeLogDirs = api(35, 'DescribeLogDirs', '1-5', '2+', {
  request: {
    topics: array({
      topic: string,
      partitions: array(int32),
    }).nullable(),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16.in('3+'),
    results: array({
      errorCode: int16,
      logDir: string,
      topics: array({
        name: string,
        partitions: array({
          partitionIndex: int32,
          partitionSize: int64,
          offsetLag: int64,
          isFutureKey: bool,
        }),
      }),
      totalBytes: int64.in('4+').or(-1),
      usableBytes: int64.in('4+').or(-1),
      isCordoned: bool.in('5+').or(false),
    }),
  },
});
