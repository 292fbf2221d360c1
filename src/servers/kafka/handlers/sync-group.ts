import { converted } from '../../../base/work-collections.ts';
import type { SyncOutcome } from '../../../broker/groups/classic/requests.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { syncGroup } from '../../../wire/kafka/messages/group-membership.ts';
import { whenMembersDurable } from '../durably.ts';
import { groupErrorCode } from '../groups/group-errors.ts';
import type { ApiHandler } from '../handler.ts';

/** From this version on a request has to name the protocol type and protocol of the generation (KIP-559). */
const PROTOCOL_VERSION = 5;
const NOTHING = Buffer.alloc(0);

export const syncGroupHandler: ApiHandler<typeof syncGroup> = {
  api: syncGroup,
  minVersion: 0,
  maxVersion: 5,
  home: 'controller',
  *handle(request, context) {
    const { groupId, generationId, memberId, groupInstanceId, protocolType, protocolName } = request;
    const refusal = !context.isAllowed('read', 'group', groupId)
      ? ERROR_CODES.GROUP_AUTHORIZATION_FAILED
      : context.version >= PROTOCOL_VERSION && (protocolType === null || protocolName === null)
        ? ERROR_CODES.INCONSISTENT_GROUP_PROTOCOL
        : request.assignments.length > context.broker.groups.settings.membersMax
          ? ERROR_CODES.GROUP_MAX_SIZE_REACHED
          : null;
    if (refusal !== null) return { throttleTimeMs: 0, errorCode: refusal, assignment: NOTHING };
    const { broker } = context;
    const { vhost } = context.client;
    const assignments = yield* converted(request.assignments, ({ memberId: member, assignment }) => ({
      memberId: member,
      assignment: Buffer.from(assignment),
    }));
    const { promise, resolve } = Promise.withResolvers<SyncOutcome>();
    broker.groups.sync(
      vhost,
      groupId,
      {
        memberId,
        instanceId: groupInstanceId,
        generation: generationId,
        protocolType,
        protocol: protocolName,
        assignments,
      },
      resolve,
    );
    return promise.then((outcome) =>
      whenMembersDurable(broker, vhost, groupId, {
        throttleTimeMs: 0,
        errorCode: groupErrorCode(outcome.error),
        protocolType: outcome.protocolType,
        protocolName: outcome.protocol,
        assignment: outcome.assignment,
      }),
    );
  },
};
