import { api, array, bool, int8, int16, int32, int64, string } from '../declaration.ts';

/** Idempotent and transactional producers (KIP-98, KIP-360, KIP-890). */

const topicPartitions = {
  name: string,
  partitions: array(int32),
};

const partitionResult = {
  partitionIndex: int32,
  partitionErrorCode: int16,
};

const topicResult = {
  name: string,
  resultsByPartition: array(partitionResult),
};

export const initProducerId = api(22, 'InitProducerId', '0-6', '2+', {
  request: {
    transactionalId: string.nullable(),
    transactionTimeoutMs: int32,
    producerId: int64.in('3+').or(-1),
    producerEpoch: int16.in('3+').or(-1),
    enable2Pc: bool.in('6+').or(false),
    keepPreparedTxn: bool.in('6+').or(false),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    producerId: int64.or(-1),
    producerEpoch: int16,
    ongoingTxnProducerId: int64.in('6+').or(-1),
    ongoingTxnProducerEpoch: int16.in('6+').or(-1),
  },
});

export const addPartitionsToTxn = api(24, 'AddPartitionsToTxn', '0-5', '3+', {
  request: {
    transactions: array({
      transactionalId: string,
      producerId: int64,
      producerEpoch: int16,
      verifyOnly: bool.or(false),
      topics: array(topicPartitions),
    }).in('4+'),
    v3AndBelowTransactionalId: string.in('0-3'),
    v3AndBelowProducerId: int64.in('0-3'),
    v3AndBelowProducerEpoch: int16.in('0-3'),
    v3AndBelowTopics: array(topicPartitions).in('0-3'),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16.in('4+'),
    resultsByTransaction: array({
      transactionalId: string,
      topicResults: array(topicResult),
    }).in('4+'),
    resultsByTopicV3AndBelow: array(topicResult).in('0-3'),
  },
});

export const addOffsetsToTxn = api(25, 'AddOffsetsToTxn', '0-4', '3+', {
  request: {
    transactionalId: string,
    producerId: int64,
    producerEpoch: int16,
    groupId: string,
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
  },
});

export const endTxn = api(26, 'EndTxn', '0-5', '3+', {
  request: {
    transactionalId: string,
    producerId: int64,
    producerEpoch: int16,
    committed: bool,
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    producerId: int64.in('5+').or(-1),
    producerEpoch: int16.in('5+').or(-1),
  },
});

export const writeTxnMarkers = api(27, 'WriteTxnMarkers', '1-2', '1+', {
  request: {
    markers: array({
      producerId: int64,
      producerEpoch: int16,
      transactionResult: bool,
      topics: array({
        name: string,
        partitionIndexes: array(int32),
      }),
      coordinatorEpoch: int32,
      transactionVersion: int8.in('2+').or(0),
    }),
  },
  response: {
    markers: array({
      producerId: int64,
      topics: array({
        name: string,
        partitions: array({
          partitionIndex: int32,
          errorCode: int16,
        }),
      }),
    }),
  },
});

export const txnOffsetCommit = api(28, 'TxnOffsetCommit', '0-5', '3+', {
  request: {
    transactionalId: string,
    groupId: string,
    producerId: int64,
    producerEpoch: int16,
    generationId: int32.in('3+').or(-1),
    memberId: string.in('3+').or(''),
    groupInstanceId: string.in('3+').nullable().or(null),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.in('2+').or(-1),
        committedMetadata: string.nullable(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32,
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
      }),
    }),
  },
});
