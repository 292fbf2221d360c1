import { mapped } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { BrokerError } from '../../../broker/errors.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { createAcls } from '../../../wire/kafka/messages/acls.ts';
import { type AclCodes, aclOf } from '../acl-codes.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

interface Result {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

const DONE: Result = { errorCode: ERROR_CODES.NONE, errorMessage: null };

/** Access control lists belong to the virtual host of the connection. */
export const createAclsHandler: ApiHandler<typeof createAcls> = {
  api: createAcls,
  minVersion: 1,
  maxVersion: 3,
  home: 'controller',
  *handle({ creations }, context) {
    const isAllowed = context.isAllowed('alter', 'cluster', CLUSTER_NAME);
    const results = yield* mapped(creations, ({ resourcePatternType: patternType, ...creation }) =>
      isAllowed ? create({ ...creation, patternType }, context) : REFUSED,
    );
    yield context.broker.shard.durable(context.broker.shard.metadataBlock);
    return { throttleTimeMs: 0, results };
  },
};

const REFUSED: Result = {
  errorCode: ERROR_CODES.CLUSTER_AUTHORIZATION_FAILED,
  errorMessage: 'Cluster authorization failed.',
};

function create(codes: AclCodes, { client, broker }: RequestContext): Result {
  const acl = aclOf(codes);
  if (typeof acl === 'string') return { errorCode: ERROR_CODES.INVALID_REQUEST, errorMessage: acl };
  const { access, events } = broker;
  try {
    events.as(client.actor, () => access.acls.add(client.vhost, acl));
    return DONE;
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return { errorCode: ERROR_CODES.INVALID_REQUEST, errorMessage: error.message };
  }
}
