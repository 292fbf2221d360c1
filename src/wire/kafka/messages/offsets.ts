import { api, array, int8, int16, int32, int64, string } from '../declaration.ts';

/** Where a partition begins and ends, and what lies in between. */

export const listOffsets = api(2, 'ListOffsets', '1-11', '6+', {
  request: {
    replicaId: int32,
    isolationLevel: int8.in('2+'),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        currentLeaderEpoch: int32.in('4+').or(-1),
        timestamp: int64,
      }),
    }),
    timeoutMs: int32.in('10+'),
  },
  response: {
    throttleTimeMs: int32.in('2+'),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        timestamp: int64.or(-1),
        offset: int64.or(-1),
        leaderEpoch: int32.in('4+').or(-1),
      }),
    }),
  },
});

export const offsetForLeaderEpoch = api(23, 'OffsetForLeaderEpoch', '2-4', '4+', {
  request: {
    replicaId: int32.in('3+').or(-2),
    topics: array({
      topic: string,
      partitions: array({
        partition: int32,
        currentLeaderEpoch: int32.or(-1),
        leaderEpoch: int32,
      }),
    }),
  },
  response: {
    throttleTimeMs: int32,
    topics: array({
      topic: string,
      partitions: array({
        errorCode: int16,
        partition: int32,
        leaderEpoch: int32.or(-1),
        endOffset: int64.or(-1),
      }),
    }),
  },
});

export const deleteRecords = api(21, 'DeleteRecords', '0-2', '2+', {
  request: {
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        offset: int64,
      }),
    }),
    timeoutMs: int32,
  },
  response: {
    throttleTimeMs: int32,
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        lowWatermark: int64,
        errorCode: int16,
      }),
    }),
  },
});
