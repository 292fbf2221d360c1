import { api, array, bytes, int8, int16, int32, string } from '../declaration.ts';

/** Users that log in by SCRAM (KIP-554). */

export const describeUserScramCredentials = api(50, 'DescribeUserScramCredentials', '0', '0+', {
  request: {
    users: array({
      name: string,
    }).nullable(),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable(),
    results: array({
      user: string,
      errorCode: int16,
      errorMessage: string.nullable(),
      credentialInfos: array({
        mechanism: int8,
        iterations: int32,
      }),
    }),
  },
});

export const alterUserScramCredentials = api(51, 'AlterUserScramCredentials', '0', '0+', {
  request: {
    deletions: array({
      name: string,
      mechanism: int8,
    }),
    upsertions: array({
      name: string,
      mechanism: int8,
      iterations: int32,
      salt: bytes,
      saltedPassword: bytes,
    }),
  },
  response: {
    throttleTimeMs: int32,
    results: array({
      user: string,
      errorCode: int16,
      errorMessage: string.nullable(),
    }),
  },
});
