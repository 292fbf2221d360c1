import { api, array, bool, int8, int16, int32, int64, string, uint16, uuid } from '../declaration.ts';

/** The cluster itself. */

const replicaState = {
  replicaId: int32,
  replicaDirectoryId: uuid.in('2+'),
  logEndOffset: int64,
  lastFetchTimestamp: int64.in('1+').or(-1),
  lastCaughtUpTimestamp: int64.in('1+').or(-1),
};

export const updateFeatures = api(57, 'UpdateFeatures', '0-2', '0+', {
  request: {
    timeoutMs: int32.or(60000),
    featureUpdates: array({
      feature: string,
      maxVersionLevel: int16,
      allowDowngrade: bool.in('0'),
      upgradeType: int8.in('1+').or(1),
    }),
    validateOnly: bool.in('1+').or(false),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable(),
    results: array({
      feature: string,
      errorCode: int16,
      errorMessage: string.nullable(),
    }).in('0-1'),
  },
});

export const describeQuorum = api(55, 'DescribeQuorum', '0-2', '0+', {
  request: {
    topics: array({
      topicName: string,
      partitions: array({
        partitionIndex: int32,
      }),
    }),
  },
  response: {
    errorCode: int16,
    errorMessage: string.in('2+').nullable(),
    topics: array({
      topicName: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        errorMessage: string.in('2+').nullable(),
        leaderId: int32,
        leaderEpoch: int32,
        highWatermark: int64,
        currentVoters: array(replicaState),
        observers: array(replicaState),
      }),
    }),
    nodes: array({
      nodeId: int32,
      listeners: array({
        name: string,
        host: string,
        port: uint16,
      }),
    }).in('2+'),
  },
});

export const unregisterBroker = api(64, 'UnregisterBroker', '0', '0+', {
  request: {
    brokerId: int32,
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable(),
  },
});
