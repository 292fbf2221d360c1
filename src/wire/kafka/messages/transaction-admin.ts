import { api, array, int16, int32, int64, string } from '../declaration.ts';

/** Transactions as an administrator sees them (KIP-664). */

export const describeProducers = api(61, 'DescribeProducers', '0', '0+', {
  request: {
    topics: array({
      name: string,
      partitionIndexes: array(int32),
    }),
  },
  response: {
    throttleTimeMs: int32,
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        errorMessage: string.nullable().or(null),
        activeProducers: array({
          producerId: int64,
          producerEpoch: int32,
          lastSequence: int32.or(-1),
          lastTimestamp: int64.or(-1),
          coordinatorEpoch: int32,
          currentTxnStartOffset: int64.or(-1),
        }),
      }),
    }),
  },
});

export const describeTransactions = api(65, 'DescribeTransactions', '0', '0+', {
  request: {
    transactionalIds: array(string),
  },
  response: {
    throttleTimeMs: int32,
    transactionStates: array({
      errorCode: int16,
      transactionalId: string,
      transactionState: string,
      transactionTimeoutMs: int32,
      transactionStartTimeMs: int64,
      producerId: int64,
      producerEpoch: int16,
      topics: array({
        topic: string,
        partitions: array(int32),
      }),
    }),
  },
});

export const listTransactions = api(66, 'ListTransactions', '0-2', '0+', {
  request: {
    stateFilters: array(string),
    producerIdFilters: array(int64),
    durationFilter: int64.in('1+').or(-1),
    transactionalIdPattern: string.in('2+').nullable().or(null),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    unknownStateFilters: array(string),
    transactionStates: array({
      transactionalId: string,
      producerId: int64,
      transactionState: string,
    }),
  },
});
