import { api, array, bool, bytes, int16, int32, NOT_ASKED, string } from '../declaration.ts';

/** Groups as an administrator sees them. */

export const describeGroups = api(15, 'DescribeGroups', '0-6', '5+', {
  request: {
    groups: array(string),
    includeAuthorizedOperations: bool.in('3+'),
  },
  response: {
    throttleTimeMs: int32.in('1+'),
    groups: array({
      errorCode: int16,
      errorMessage: string.in('6+').nullable().or(null),
      groupId: string,
      groupState: string,
      protocolType: string,
      protocolData: string,
      members: array({
        memberId: string,
        groupInstanceId: string.in('4+').nullable().or(null),
        clientId: string,
        clientHost: string,
        memberMetadata: bytes,
        memberAssignment: bytes,
      }),
      authorizedOperations: int32.in('3+').or(NOT_ASKED),
    }),
  },
});

export const listGroups = api(16, 'ListGroups', '0-5', '3+', {
  request: {
    statesFilter: array(string).in('4+'),
    typesFilter: array(string).in('5+'),
  },
  response: {
    throttleTimeMs: int32.in('1+'),
    errorCode: int16,
    groups: array({
      groupId: string,
      protocolType: string,
      groupState: string.in('4+'),
      groupType: string.in('5+'),
    }),
  },
});

export const deleteGroups = api(42, 'DeleteGroups', '0-2', '2+', {
  request: {
    groupsNames: array(string),
  },
  response: {
    throttleTimeMs: int32,
    results: array({
      groupId: string,
      errorCode: int16,
    }),
  },
});
