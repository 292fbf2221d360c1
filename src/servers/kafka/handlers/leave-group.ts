import { converted } from '../../../base/work-collections.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { leaveGroup } from '../../../wire/kafka/messages/group-membership.ts';
import { whenMembersDurable } from '../durably.ts';
import { groupErrorCode } from '../groups/group-errors.ts';
import type { ApiHandler } from '../handler.ts';

const BATCHED_VERSION = 3;
/** Members that leave at a time: they have one rebalance between them. */
const MEMBERS_PER_STEP = 100;

interface Leaving {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

export const leaveGroupHandler: ApiHandler<typeof leaveGroup> = {
  api: leaveGroup,
  minVersion: 0,
  maxVersion: 5,
  home: 'controller',
  *handle({ groupId, memberId, members }, context) {
    if (!context.isAllowed('read', 'group', groupId)) {
      return { throttleTimeMs: 0, errorCode: ERROR_CODES.GROUP_AUTHORIZATION_FAILED };
    }
    const { broker } = context;
    const { vhost } = context.client;
    const isBatched = context.version >= BATCHED_VERSION;
    const leaving: readonly Leaving[] = isBatched ? members : [{ memberId, groupInstanceId: null }];
    const errors: ReturnType<typeof broker.groups.leave> = [];
    for (let from = 0; from < leaving.length; from += MEMBERS_PER_STEP) {
      const some = leaving.slice(from, from + MEMBERS_PER_STEP);
      const request = some.map((each) => ({ memberId: each.memberId, instanceId: each.groupInstanceId }));
      for (const error of broker.groups.leave(vhost, groupId, request)) errors.push(error);
      yield;
    }
    const isRefused = groupId === '' || !isBatched;
    const left = yield* converted(leaving, (each, index) => ({
      memberId: each.memberId,
      groupInstanceId: each.groupInstanceId,
      errorCode: groupErrorCode(errors[index] ?? null),
    }));
    return whenMembersDurable(broker, vhost, groupId, {
      throttleTimeMs: 0,
      errorCode: groupErrorCode(isRefused ? (errors[0] ?? null) : null),
      members: left,
    });
  },
};
