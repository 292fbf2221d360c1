import type { Json } from '../../base/value-json.ts';
import { entityKey, type Quota, type QuotaEntity } from '../../broker/access/quota.ts';
import type { AdminContext } from '../context.ts';
import { badRequest, notFound } from '../http-error.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, done, ok } from '../response.ts';
import type { Route } from '../router.ts';

export const quotaRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/quotas',
    handle: ({ broker }) => ok(broker.access.quotas.list().map(view)),
  },
  { method: 'PUT', path: '/api/quotas', handle: put },
  { method: 'DELETE', path: '/api/quotas', handle: remove },
];

const FIELDS = { user: 'user', client_id: 'clientId', ip: 'ip' } as const;

/** `user`, `client_id` or `ip` (empty: all others), and `values`; a value of null is taken away. */
async function put({ broker }: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const changes: Record<string, number | null> = {};
  for (const [key, value] of Object.entries(request.table('values'))) {
    if (value !== null && typeof value !== 'number') throw badRequest(`quota '${key}' has to be a number`);
    changes[key] = value;
  }
  const names = Object.keys(FIELDS).filter((field) => request.has(field));
  await broker.access.quotas.alter(
    entityOf(names, (field) => request.string(field)),
    changes,
  );
  return done();
}

/** All values of one, or `?quota=` only. */
async function remove({ broker }: AdminContext, { query }: ApiRequest): Promise<ApiResponse> {
  const { quotas } = broker.access;
  const names = Object.keys(FIELDS).filter((field) => query.has(field));
  const entity = entityOf(names, (field) => query.get(field) as string);
  const found = quotas.list().find((quota) => entityKey(quota.entity) === entityKey(entity));
  const only = query.get('quota');
  const keys = Object.keys(found?.values ?? {}).filter((key) => only === null || key === only);
  if (keys.length === 0) throw notFound('there is no such quota');
  await quotas.alter(entity, Object.fromEntries(keys.map((key) => [key, null])));
  return done();
}

function entityOf(names: readonly string[], value: (field: string) => string): QuotaEntity {
  return Object.fromEntries(
    names.map((field) => {
      const name = value(field);
      return [FIELDS[field as keyof typeof FIELDS], name === '' ? null : name];
    }),
  );
}

/** A component that is left out: the quota is for all; an empty name: the default, for all without a quota of their own. */
function view({ entity, values }: Quota): { readonly [field: string]: Json } {
  const named: [string, string][] = [];
  for (const [field, component] of Object.entries(FIELDS)) {
    const name = entity[component];
    if (name !== undefined) named.push([field, name ?? '']);
  }
  return { ...Object.fromEntries(named), values };
}
