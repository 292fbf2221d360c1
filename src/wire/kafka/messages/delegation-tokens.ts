import { api, array, bytes, int16, int32, int64, string } from '../declaration.ts';

/** Delegation tokens (KIP-48). */

export const createDelegationToken = api(38, 'CreateDelegationToken', '1-3', '2+', {
  request: {
    ownerPrincipalType: string.in('3+').nullable(),
    ownerPrincipalName: string.in('3+').nullable(),
    renewers: array({
      principalType: string,
      principalName: string,
    }),
    maxLifetimeMs: int64,
  },
  response: {
    errorCode: int16,
    principalType: string,
    principalName: string,
    tokenRequesterPrincipalType: string.in('3+'),
    tokenRequesterPrincipalName: string.in('3+'),
    issueTimestampMs: int64,
    expiryTimestampMs: int64,
    maxTimestampMs: int64,
    tokenId: string,
    hmac: bytes,
    throttleTimeMs: int32,
  },
});

export const renewDelegationToken = api(39, 'RenewDelegationToken', '1-2', '2+', {
  request: {
    hmac: bytes,
    renewPeriodMs: int64,
  },
  response: {
    errorCode: int16,
    expiryTimestampMs: int64,
    throttleTimeMs: int32,
  },
});

export const expireDelegationToken = api(40, 'ExpireDelegationToken', '1-2', '2+', {
  request: {
    hmac: bytes,
    expiryTimePeriodMs: int64,
  },
  response: {
    errorCode: int16,
    expiryTimestampMs: int64,
    throttleTimeMs: int32,
  },
});

export const describeDelegationToken = api(41, 'DescribeDelegationToken', '1-3', '2+', {
  request: {
    owners: array({
      principalType: string,
      principalName: string,
    }).nullable(),
  },
  response: {
    errorCode: int16,
    tokens: array({
      principalType: string,
      principalName: string,
      tokenRequesterPrincipalType: string.in('3+'),
      tokenRequesterPrincipalName: string.in('3+'),
      issueTimestamp: int64,
      expiryTimestamp: int64,
      maxTimestamp: int64,
      tokenId: string,
      hmac: bytes,
      renewers: array({
        principalType: string,
        principalName: string,
      }),
    }),
    throttleTimeMs: int32,
  },
});
