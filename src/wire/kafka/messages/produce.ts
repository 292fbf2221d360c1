import { api, array, int16, int32, int64, records, string, struct, uuid } from '../declaration.ts';

/**
 * Versions 0 to 2 carry message sets of the old formats; they are declared so that they can be refused in their own
 * layout. From version 13 on topics are named by id (KIP-516).
 */

export const produce = api(0, 'Produce', '0-13', '9+', {
  request: {
    transactionalId: string.in('3+').nullable().or(null),
    acks: int16,
    timeoutMs: int32,
    topicData: array({
      name: string.in('0-12'),
      topicId: uuid.in('13+'),
      partitionData: array({
        index: int32,
        records: records.nullable(),
      }),
    }),
  },
  response: {
    responses: array({
      name: string.in('0-12'),
      topicId: uuid.in('13+'),
      partitionResponses: array({
        index: int32,
        errorCode: int16,
        baseOffset: int64,
        logAppendTimeMs: int64.in('2+').or(-1),
        logStartOffset: int64.in('5+').or(-1),
        recordErrors: array({
          batchIndex: int32,
          batchIndexErrorMessage: string.nullable().or(null),
        }).in('8+'),
        errorMessage: string.in('8+').nullable().or(null),
        currentLeader: struct({
          leaderId: int32.or(-1),
          leaderEpoch: int32.or(-1),
        })
          .in('10+')
          .tagged(0),
      }),
    }),
    throttleTimeMs: int32.in('1+').or(0),
    nodeEndpoints: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: string.nullable().or(null),
    })
      .in('10+')
      .tagged(0),
  },
});
