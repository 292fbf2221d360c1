import { api, array, bool, bytes, int8, int16, int32, string } from '../declaration.ts';

/** Membership in a group of the classic protocol, where the clients themselves divide the partitions. */

export const findCoordinator = api(10, 'FindCoordinator', '0-6', '3+', {
  request: {
    key: string.in('0-3'),
    keyType: int8.in('1+').or(0),
    coordinatorKeys: array(string).in('4+'),
  },
  response: {
    throttleTimeMs: int32.in('1+'),
    errorCode: int16.in('0-3'),
    errorMessage: string.in('1-3').nullable(),
    nodeId: int32.in('0-3'),
    host: string.in('0-3'),
    port: int32.in('0-3'),
    coordinators: array({
      key: string,
      nodeId: int32,
      host: string,
      port: int32,
      errorCode: int16,
      errorMessage: string.nullable(),
    }).in('4+'),
  },
});

export const joinGroup = api(11, 'JoinGroup', '0-9', '6+', {
  request: {
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: int32.in('1+').or(-1),
    memberId: string,
    groupInstanceId: string.in('5+').nullable().or(null),
    protocolType: string,
    protocols: array({
      name: string,
      metadata: bytes,
    }),
    reason: string.in('8+').nullable().or(null),
  },
  response: {
    throttleTimeMs: int32.in('2+'),
    errorCode: int16,
    generationId: int32.or(-1),
    protocolType: string.in('7+').nullable().or(null),
    protocolName: string.nullable('7+'),
    leader: string,
    skipAssignment: bool.in('9+').or(false),
    memberId: string,
    members: array({
      memberId: string,
      groupInstanceId: string.in('5+').nullable().or(null),
      metadata: bytes,
    }),
  },
});

export const syncGroup = api(14, 'SyncGroup', '0-5', '4+', {
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: string.in('3+').nullable().or(null),
    protocolType: string.in('5+').nullable().or(null),
    protocolName: string.in('5+').nullable().or(null),
    assignments: array({
      memberId: string,
      assignment: bytes,
    }),
  },
  response: {
    throttleTimeMs: int32.in('1+'),
    errorCode: int16,
    protocolType: string.in('5+').nullable().or(null),
    protocolName: string.in('5+').nullable().or(null),
    assignment: bytes,
  },
});

export const heartbeat = api(12, 'Heartbeat', '0-4', '4+', {
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: string.in('3+').nullable().or(null),
  },
  response: {
    throttleTimeMs: int32.in('1+'),
    errorCode: int16,
  },
});

export const leaveGroup = api(13, 'LeaveGroup', '0-5', '4+', {
  request: {
    groupId: string,
    memberId: string.in('0-2'),
    members: array({
      memberId: string,
      groupInstanceId: string.nullable().or(null),
      reason: string.in('5+').nullable().or(null),
    }).in('3+'),
  },
  response: {
    throttleTimeMs: int32.in('1+'),
    errorCode: int16,
    members: array({
      memberId: string,
      groupInstanceId: string.nullable(),
      errorCode: int16,
    }).in('3+'),
  },
});
