import { api, array, bool, int8, int16, int32, string, uuid } from '../declaration.ts';

/** Making topics and doing away with them. */

export const createTopics = api(19, 'CreateTopics', '2-7', '5+', {
  request: {
    topics: array({
      name: string,
      numPartitions: int32,
      replicationFactor: int16,
      assignments: array({
        partitionIndex: int32,
        brokerIds: array(int32),
      }),
      configs: array({
        name: string,
        value: string.nullable(),
      }),
    }),
    timeoutMs: int32.or(60000),
    validateOnly: bool.or(false),
  },
  response: {
    throttleTimeMs: int32,
    topics: array({
      name: string,
      topicId: uuid.in('7+'),
      errorCode: int16,
      errorMessage: string.nullable(),
      topicConfigErrorCode: int16.in('5+').tagged(0),
      numPartitions: int32.in('5+').or(-1),
      replicationFactor: int16.in('5+').or(-1),
      configs: array({
        name: string,
        value: string.nullable(),
        readOnly: bool,
        configSource: int8.or(-1),
        isSensitive: bool,
      })
        .in('5+')
        .nullable(),
    }),
  },
});

export const deleteTopics = api(20, 'DeleteTopics', '1-6', '4+', {
  request: {
    topics: array({
      name: string.nullable().or(null),
      topicId: uuid,
    }).in('6+'),
    topicNames: array(string).in('1-5'),
    timeoutMs: int32,
  },
  response: {
    throttleTimeMs: int32,
    responses: array({
      name: string.nullable('6+'),
      topicId: uuid.in('6+'),
      errorCode: int16,
      errorMessage: string.in('5+').nullable().or(null),
    }),
  },
});

export const createPartitions = api(37, 'CreatePartitions', '0-3', '2+', {
  request: {
    topics: array({
      name: string,
      count: int32,
      assignments: array({
        brokerIds: array(int32),
      }).nullable(),
    }),
    timeoutMs: int32,
    validateOnly: bool,
  },
  response: {
    throttleTimeMs: int32,
    results: array({
      name: string,
      errorCode: int16,
      errorMessage: string.nullable().or(null),
    }),
  },
});
