import {
  api,
  array,
  INT64_MAX,
  int8,
  int16,
  int32,
  int64,
  records,
  string,
  struct,
  uuid,
} from '../declaration.ts';

/**
 * Versions 0 to 3 carry message sets of the old formats; they are declared so that they can be refused in their own
 * layout. Sessions came with version 7 (KIP-227), topic ids with 13 (KIP-516).
 */

export const fetch = api(1, 'Fetch', '0-18', '12+', {
  request: {
    clusterId: string.in('12+').nullable().tagged(0).or(null),
    replicaId: int32.in('0-14').or(-1),
    replicaState: struct({
      replicaId: int32.or(-1),
      replicaEpoch: int64.or(-1),
    })
      .in('15+')
      .tagged(1),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32.in('3+').or(2147483647),
    isolationLevel: int8.in('4+').or(0),
    sessionId: int32.in('7+').or(0),
    sessionEpoch: int32.in('7+').or(-1),
    topics: array({
      topic: string.in('0-12'),
      topicId: uuid.in('13+'),
      partitions: array({
        partition: int32,
        currentLeaderEpoch: int32.in('9+').or(-1),
        fetchOffset: int64,
        lastFetchedEpoch: int32.in('12+').or(-1),
        logStartOffset: int64.in('5+').or(-1),
        partitionMaxBytes: int32,
        replicaDirectoryId: uuid.in('17+').tagged(0),
        highWatermark: int64.in('18+').tagged(1).or(INT64_MAX),
      }),
    }),
    forgottenTopicsData: array({
      topic: string.in('7-12'),
      topicId: uuid.in('13+'),
      partitions: array(int32),
    }).in('7+'),
    rackId: string.in('11+').or(''),
  },
  response: {
    throttleTimeMs: int32.in('1+'),
    errorCode: int16.in('7+'),
    sessionId: int32.in('7+').or(0),
    responses: array({
      topic: string.in('0-12'),
      topicId: uuid.in('13+'),
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        highWatermark: int64,
        lastStableOffset: int64.in('4+').or(-1),
        logStartOffset: int64.in('5+').or(-1),
        divergingEpoch: struct({
          epoch: int32.or(-1),
          endOffset: int64.or(-1),
        })
          .in('12+')
          .tagged(0),
        currentLeader: struct({
          leaderId: int32.or(-1),
          leaderEpoch: int32.or(-1),
        })
          .in('12+')
          .tagged(1),
        snapshotId: struct({
          endOffset: int64.or(-1),
          epoch: int32.or(-1),
        })
          .in('12+')
          .tagged(2),
        abortedTransactions: array({
          producerId: int64,
          firstOffset: int64,
        })
          .in('4+')
          .nullable(),
        preferredReadReplica: int32.in('11+').or(-1),
        records: records.nullable(),
      }),
    }),
    nodeEndpoints: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: string.nullable().or(null),
    })
      .in('16+')
      .tagged(0),
  },
});
