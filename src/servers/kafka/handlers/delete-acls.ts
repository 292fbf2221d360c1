import { mapped, type Work } from '../../../base/turn-time.ts';
import { converted } from '../../../base/work-collections.ts';
import { type Acl, type AclFilter, CLUSTER_NAME } from '../../../broker/access/acl.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { deleteAcls } from '../../../wire/kafka/messages/acls.ts';
import { codesOf, type FilterCodes, filterOf } from '../acl-codes.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

/** Filters times ACLs that one request may compare: a second or two, in slices. */
const STEPS_MAX = 5_000_000;
const TOO_MANY =
  'Too many filters for so many ACLs in one request: name all fields in each filter, or send fewer filters.';

const FILTERS_PER_STEP = 32;

type Result = ResponseInput<typeof deleteAcls>['filterResults'][number];

/** Access control lists belong to the virtual host of the connection. */
export const deleteAclsHandler: ApiHandler<typeof deleteAcls> = {
  api: deleteAcls,
  minVersion: 1,
  maxVersion: 3,
  home: 'controller',
  *handle({ filters }, context) {
    if (!context.isAllowed('alter', 'cluster', CLUSTER_NAME)) {
      const refused = failed(ERROR_CODES.CLUSTER_AUTHORIZATION_FAILED, 'Cluster authorization failed.');
      return { throttleTimeMs: 0, filterResults: yield* converted(filters, () => refused) };
    }
    const { acls } = context.broker.access;
    const { vhost } = context.client;
    const steps = acls.count(vhost) === 0 ? 0 : (yield* countWide(filters)) * acls.count(vhost);
    if (steps > STEPS_MAX) {
      const refused = failed(ERROR_CODES.INVALID_REQUEST, TOO_MANY);
      return { throttleTimeMs: 0, filterResults: yield* converted(filters, () => refused) };
    }
    const filterResults: Result[] = [];
    for (let index = 0; index < filters.length; index++) {
      const filter = filterOf(filters[index]);
      if (filter === undefined) filterResults.push(UNKNOWN);
      else if (filter === null || acls.count(vhost) === 0) filterResults.push(NOTHING);
      else filterResults.push(yield* remove(filter, context));
      if (index % FILTERS_PER_STEP === 0) yield;
    }
    yield context.broker.shard.durable(context.broker.shard.metadataBlock);
    return { throttleTimeMs: 0, filterResults };
  },
};

/** How many filters have to be held against every ACL. */
function* countWide(filters: readonly FilterCodes[]): Work<number> {
  let count = 0;
  for (let index = 0; index < filters.length; index++) {
    if (exactly(filterOf(filters[index])) === null) count++;
    if (index % FILTERS_PER_STEP === 0) yield;
  }
  return count;
}

function* remove(filter: AclFilter, context: RequestContext): Work<Result> {
  const { client, broker } = context;
  const { access, events } = broker;
  const fitting = yield* fittingTo(filter, context);
  if (fitting.length === 0) return NOTHING;
  const removed = yield* mapped(fitting, (acl) => {
    events.as(client.actor, () => access.acls.delete(client.vhost, acl));
    return { errorCode: ERROR_CODES.NONE, errorMessage: null, ...codesOf(acl) };
  });
  return done(removed);
}

/** One that says everything is looked up; others are held against every ACL that there is. */
function* fittingTo(filter: AclFilter, { client, broker }: RequestContext): Work<Acl[]> {
  const { acls } = broker.access;
  const acl = exactly(filter);
  if (acl === null) return yield* acls.find(client.vhost, filter);
  return acls.has(client.vhost, acl) ? [acl] : [];
}

/** The only ACL that the filter fits; null if it may fit several. */
function exactly(filter: AclFilter | null | undefined): Acl | null {
  if (filter === null || filter === undefined) return null;
  const { resource, name, pattern, principal, host, operation, permission } = filter;
  if (!resource || !name || !pattern || pattern === 'match') return null;
  if (!principal || !host || !operation || !permission) return null;
  return { resource, name, pattern, principal, host, operation, permission };
}

/** Of most filters, where there are very many: one answer for all of them. */
const NOTHING = done([]);
const UNKNOWN = failed(
  ERROR_CODES.INVALID_REQUEST,
  'The AclBindingFilter must not contain UNKNOWN elements.',
);

function done(matchingAcls: Result['matchingAcls']): Result {
  return { errorCode: ERROR_CODES.NONE, errorMessage: null, matchingAcls };
}

function failed(errorCode: number, errorMessage: string): Result {
  return { errorCode, errorMessage, matchingAcls: [] };
}
