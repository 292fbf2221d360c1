import { filtered, mapped, type Work } from '../../../base/turn-time.ts';
import { converted } from '../../../base/work-collections.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { listGroups } from '../../../wire/kafka/messages/group-admin.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

interface Listed {
  readonly groupId: string;
  readonly protocolType: string;
  readonly groupState: string;
  readonly groupType: string;
}

/** Clients ask every broker, and put the answers together: those of shards other than 0 are empty, as groups are there alone. */
export const listGroupsHandler: ApiHandler<typeof listGroups> = {
  api: listGroups,
  minVersion: 0,
  maxVersion: 5,
  *handle({ statesFilter, typesFilter }, context) {
    const states = new Set(yield* converted(statesFilter, lowered));
    const types = new Set(yield* converted(typesFilter, lowered));
    const seesAll = context.isAllowed('describe', 'cluster', 'kafka-cluster');
    const groups = yield* filtered(
      yield* all(context),
      ({ groupId, groupState, groupType }) =>
        (states.size === 0 || states.has(groupState.toLowerCase())) &&
        (types.size === 0 || types.has(groupType.toLowerCase())) &&
        (seesAll || context.isAllowed('describe', 'group', groupId)),
    );
    return { throttleTimeMs: 0, errorCode: ERROR_CODES.NONE, groups };
  },
};

function* all(context: RequestContext): Work<Listed[]> {
  const { groups } = context.broker;
  const { vhost } = context.client;
  const listed = yield* mapped(
    groups.list(vhost),
    ({ id, protocolType, state, membership }): Listed => ({
      groupId: id,
      protocolType,
      groupState: state,
      groupType: membership.type === 'classic' ? 'Classic' : 'Consumer',
    }),
  );
  for (const others of groups.others) {
    for (const { id, protocolType, state } of others.list(vhost)) {
      listed.push({ groupId: id, protocolType, groupState: state, groupType: capitalised(others.type) });
      yield;
    }
  }
  return listed;
}

function lowered(name: string): string {
  return name.toLowerCase();
}

function capitalised(type: string): string {
  return type.slice(0, 1).toUpperCase() + type.slice(1);
}
