import { api, array, bool, int16, int32, int64, string, uuid } from '../declaration.ts';

/** What a group has read. */

export const offsetCommit = api(8, 'OffsetCommit', '2-10', '8+', {
  request: {
    groupId: string,
    generationIdOrMemberEpoch: int32.or(-1),
    memberId: string,
    groupInstanceId: string.in('7+').nullable().or(null),
    retentionTimeMs: int64.in('2-4').or(-1),
    topics: array({
      name: string.in('2-9'),
      topicId: uuid.in('10+'),
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.in('6+').or(-1),
        committedMetadata: string.nullable(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32.in('3+'),
    topics: array({
      name: string.in('2-9'),
      topicId: uuid.in('10+'),
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
      }),
    }),
  },
});

export const offsetFetch = api(9, 'OffsetFetch', '1-10', '6+', {
  request: {
    groupId: string.in('1-7'),
    topics: array({
      name: string,
      partitionIndexes: array(int32),
    })
      .in('1-7')
      .nullable('2+'),
    groups: array({
      groupId: string,
      memberId: string.in('9+').nullable().or(null),
      memberEpoch: int32.in('9+').or(-1),
      topics: array({
        name: string.in('8-9'),
        topicId: uuid.in('10+'),
        partitionIndexes: array(int32),
      }).nullable(),
    }).in('8+'),
    requireStable: bool.in('7+').or(false),
  },
  response: {
    throttleTimeMs: int32.in('3+'),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.in('5+').or(-1),
        metadata: string.nullable(),
        errorCode: int16,
      }),
    }).in('1-7'),
    errorCode: int16.in('2-7').or(0),
    groups: array({
      groupId: string,
      topics: array({
        name: string.in('8-9'),
        topicId: uuid.in('10+'),
        partitions: array({
          partitionIndex: int32,
          committedOffset: int64,
          committedLeaderEpoch: int32.or(-1),
          metadata: string.nullable(),
          errorCode: int16,
        }),
      }),
      errorCode: int16.or(0),
    }).in('8+'),
  },
});

export const offsetDelete = api(47, 'OffsetDelete', '0', 'none', {
  request: {
    groupId: string,
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
      }),
    }),
  },
  response: {
    errorCode: int16,
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
