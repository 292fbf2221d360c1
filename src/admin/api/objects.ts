import type { ObjectUse } from '../../broker/budget/object-quotas.ts';
import type { AdminContext } from '../context.ts';
import { notFound } from '../http-error.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { vhostOf } from './vhost-of.ts';

/** What users and virtual hosts have of what clients make, and how much they may have. */
export const objectRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/users/{user}/objects', handle: ofUser },
  { method: 'GET', path: '/api/vhosts/{vhost}/objects', handle: ofVhost },
];

function ofUser({ broker }: AdminContext, request: ApiRequest): ApiResponse {
  const user = request.parameter('user');
  if (!broker.access.hasUser(user)) throw notFound(`no user '${user}'`);
  return ok(broker.quotas.useOfUser(user).map(useView));
}

function ofVhost(context: AdminContext, request: ApiRequest): ApiResponse {
  const { name } = vhostOf(context, request);
  return ok(context.broker.quotas.useOfVhost(name).map(useView));
}

/** `limit` is null where there is none. */
function useView({ kind, used, limit }: ObjectUse): { kind: string; used: number; limit: number | null } {
  return { kind, used, limit: limit === Number.POSITIVE_INFINITY ? null : limit };
}
