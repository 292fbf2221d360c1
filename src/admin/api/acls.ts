import type { Json } from '../../base/value-json.ts';
import {
  ACL_OPERATIONS,
  type Acl,
  type AclFilter,
  type AclOperation,
  type AclResource,
} from '../../broker/access/acl.ts';
import type { AdminContext } from '../context.ts';
import { badRequest } from '../http-error.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, created, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { vhostOf } from './vhost-of.ts';

export const aclRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/acls', handle: list },
  { method: 'GET', path: '/api/acls/{vhost}', handle: list },
  { method: 'PUT', path: '/api/acls/{vhost}', handle: add },
  { method: 'DELETE', path: '/api/acls/{vhost}', handle: remove },
];

type Field = keyof Acl;

const FIELDS: readonly Field[] = [
  'resource',
  'name',
  'pattern',
  'principal',
  'host',
  'operation',
  'permission',
];
const WORDS: { readonly [field in Field]?: readonly string[] } = {
  resource: Object.keys(ACL_OPERATIONS),
  pattern: ['literal', 'prefixed'],
  permission: ['allow', 'deny'],
};

/** The ACLs that match the filter in the query; with `pattern=match` all that apply to the resource's name. */
function list(context: AdminContext, request: ApiRequest): ApiResponse {
  const { broker } = context;
  const filter = filterOf(request);
  const vhosts = request.parameter('vhost') === '' ? [...broker.vhosts] : [vhostOf(context, request)];
  return ok(
    vhosts.flatMap(({ name }) => broker.access.acls.list(name, filter).map((acl) => view(name, acl))),
  );
}

async function add(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  const acl: Acl = {
    resource: word(request.string('resource'), 'resource') as AclResource,
    name: request.string('name'),
    pattern: word(request.string('pattern', 'literal'), 'pattern') as Acl['pattern'],
    principal: request.string('principal'),
    host: request.string('host', '*'),
    operation: request.string('operation') as AclOperation,
    permission: word(request.string('permission', 'allow'), 'permission') as Acl['permission'],
  };
  const possible: readonly string[] = ['all', ...ACL_OPERATIONS[acl.resource]];
  if (!possible.includes(acl.operation)) {
    throw badRequest(
      `'${acl.operation}' cannot be done to a ${acl.resource}; there are ${possible.join(', ')}`,
    );
  }
  await context.broker.access.acls.add(vhost.name, acl);
  return created();
}

/** Deletes the ACLs that match the filter in the query. An empty filter, for all of them, takes the parameter `all`. */
async function remove(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  const filter = filterOf(request);
  if (Object.keys(filter).length === 0 && !request.flag('all')) {
    throw badRequest('nothing says which: give a field in the query, or all');
  }
  const { removed, durable } = context.broker.access.acls.remove(vhost.name, filter);
  await durable;
  return ok(removed.map((acl) => view(vhost.name, acl)));
}

function filterOf({ query }: ApiRequest): AclFilter {
  const given = FIELDS.flatMap((field) => {
    const value = query.get(field);
    if (value === null) return [];
    return [[field, field === 'pattern' && value === 'match' ? value : word(value, field)]];
  });
  return Object.fromEntries(given) as AclFilter;
}

function word(value: string, field: Field): string {
  const words = WORDS[field];
  if (words === undefined || words.includes(value)) return value;
  throw badRequest(`there is no ${field} '${value}'; there are ${words.join(', ')}`);
}

function view(vhost: string, acl: Acl): { readonly [field: string]: Json } {
  return { vhost, ...acl };
}
