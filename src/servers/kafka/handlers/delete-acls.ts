import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { deleteAcls } from '../../../wire/kafka/messages/acls.ts';
import { codesOf, type FilterCodes, filterOf } from '../acl-codes.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Result = ResponseInput<typeof deleteAcls>['filterResults'][number];

/** Access control lists belong to the virtual host of the connection. */
export const deleteAclsHandler: ApiHandler<typeof deleteAcls> = {
  api: deleteAcls,
  minVersion: 1,
  maxVersion: 3,
  async handle({ filters }, context) {
    if (!context.isAllowed('alter', 'cluster', CLUSTER_NAME)) {
      const refused = failed(ERROR_CODES.CLUSTER_AUTHORIZATION_FAILED, 'Cluster authorization failed.');
      return { throttleTimeMs: 0, filterResults: filters.map(() => refused) };
    }
    return {
      throttleTimeMs: 0,
      filterResults: await Promise.all(filters.map((filter) => remove(filter, context))),
    };
  },
};

async function remove(codes: FilterCodes, { client, broker }: RequestContext): Promise<Result> {
  const filter = filterOf(codes);
  if (filter === undefined) {
    return failed(ERROR_CODES.INVALID_REQUEST, 'The AclBindingFilter must not contain UNKNOWN elements.');
  }
  if (filter === null) return done([]);
  const { access, events } = broker;
  const { removed, durable } = events.as(client.actor, () => access.acls.remove(client.vhost, filter));
  await durable;
  return done(removed.map((acl) => ({ errorCode: ERROR_CODES.NONE, errorMessage: null, ...codesOf(acl) })));
}

function done(matchingAcls: Result['matchingAcls']): Result {
  return { errorCode: ERROR_CODES.NONE, errorMessage: null, matchingAcls };
}

function failed(errorCode: number, errorMessage: string): Result {
  return { errorCode, errorMessage, matchingAcls: [] };
}
