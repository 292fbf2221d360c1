import type { Json } from '../../base/value-json.ts';
import type { PermissionInfo, TopicPermissionInfo, UserInfo } from '../../broker/access/administration.ts';
import type { AdminContext } from '../context.ts';
import { badRequest, notFound } from '../http-error.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, created, done, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { inSteps } from './in-steps.ts';
import { vhostOf } from './vhost-of.ts';

export const userRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/users',
    handle: ({ broker }) => ok(broker.access.administration.listUsers().map(userView)),
  },
  { method: 'GET', path: '/api/users/{user}', handle: (...asked) => ok(userView(userOf(...asked))) },
  { method: 'PUT', path: '/api/users/{user}', handle: put },
  { method: 'DELETE', path: '/api/users/{user}', handle: remove },
  { method: 'GET', path: '/api/permissions', handle: permissions },
  { method: 'GET', path: '/api/users/{user}/permissions', handle: permissions },
  { method: 'GET', path: '/api/vhosts/{vhost}/permissions', handle: permissions },
  { method: 'GET', path: '/api/permissions/{vhost}/{user}', handle: permission },
  { method: 'PUT', path: '/api/permissions/{vhost}/{user}', handle: setPermission },
  { method: 'DELETE', path: '/api/permissions/{vhost}/{user}', handle: clearPermission },
  { method: 'GET', path: '/api/topic-permissions', handle: topicPermissions },
  { method: 'GET', path: '/api/users/{user}/topic-permissions', handle: topicPermissions },
  { method: 'GET', path: '/api/vhosts/{vhost}/topic-permissions', handle: topicPermissions },
  { method: 'GET', path: '/api/topic-permissions/{vhost}/{user}', handle: topicPermissions },
  { method: 'PUT', path: '/api/topic-permissions/{vhost}/{user}', handle: setTopicPermission },
  { method: 'DELETE', path: '/api/topic-permissions/{vhost}/{user}', handle: clearTopicPermissions },
];

/** Creates the user, or changes what the body names: `password` (empty: no login by password) and `tags`. */
async function put({ broker }: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const { administration } = broker.access;
  const name = request.parameter('user');
  if (request.has('password_hash')) {
    throw badRequest("hashes of RabbitMQ's are not understood here: give the 'password'");
  }
  const password = request.has('password') ? request.string('password') : null;
  const tags = request.has('tags') ? request.words('tags') : null;
  if (!administration.listUsers().some((each) => each.name === name)) {
    await administration.addUser(name, password === '' ? null : password, tags ?? []);
    return created();
  }
  // Both begin within this turn, in which events carry the actor of the request.
  await Promise.all([
    tags === null ? null : administration.setTags(name, tags),
    password === null ? null : administration.changePassword(name, password === '' ? null : password),
  ]);
  return done();
}

async function remove(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  await inSteps(context, context.broker.access.administration.deleteUserInSteps(request.parameter('user')));
  return done();
}

function permissions({ broker }: AdminContext, request: ApiRequest): ApiResponse {
  return ok(broker.access.administration.listPermissions(filterOf(request)).map(permissionView));
}

function permission({ broker }: AdminContext, request: ApiRequest): ApiResponse {
  const [found] = broker.access.administration.listPermissions(filterOf(request));
  if (found !== undefined) return ok(permissionView(found));
  const [user, vhost] = [request.parameter('user'), request.parameter('vhost')];
  throw notFound(`user '${user}' has no permissions in vhost '${vhost}'`);
}

async function setPermission({ broker }: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  await broker.access.administration.setPermissions(request.parameter('user'), request.parameter('vhost'), {
    configure: request.string('configure'),
    write: request.string('write'),
    read: request.string('read'),
  });
  return created();
}

async function clearPermission(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const { broker } = context;
  userOf(context, request);
  vhostOf(context, request);
  permission(context, request);
  await broker.access.administration.clearPermissions(request.parameter('user'), request.parameter('vhost'));
  return done();
}

function topicPermissions({ broker }: AdminContext, request: ApiRequest): ApiResponse {
  return ok(broker.access.administration.listTopicPermissions(filterOf(request)).map(topicView));
}

async function setTopicPermission(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  const exchange = request.string('exchange');
  const patterns = { write: request.string('write'), read: request.string('read') };
  const { administration } = context.broker.access;
  await administration.setTopicPermissions(request.parameter('user'), vhost.name, exchange, patterns);
  return created();
}

/** Of one exchange with `?exchange=`, otherwise of all. */
async function clearTopicPermissions(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const { administration } = context.broker.access;
  const { name: user } = userOf(context, request);
  const { name: vhost } = vhostOf(context, request);
  const exchange =
    request.query.get('exchange') ?? (request.has('exchange') ? request.string('exchange') : null);
  const found = administration.listTopicPermissions({ user, vhost });
  if (!found.some((each) => exchange === null || each.exchange === exchange)) {
    const where = exchange === null ? '' : ` for exchange '${exchange}'`;
    throw notFound(`user '${user}' has no topic permissions${where} in vhost '${vhost}'`);
  }
  await administration.clearTopicPermissions(user, vhost, exchange);
  return done();
}

function filterOf(request: ApiRequest): { readonly user?: string; readonly vhost?: string } {
  const [user, vhost] = [request.parameter('user'), request.parameter('vhost')];
  return { ...(user === '' ? {} : { user }), ...(vhost === '' ? {} : { vhost }) };
}

function userOf({ broker }: AdminContext, request: ApiRequest): UserInfo {
  const name = request.parameter('user');
  const found = broker.access.administration.listUsers().find((each) => each.name === name);
  if (found === undefined) throw notFound(`no user '${name}'`);
  return found;
}

function userView({ name, tags, hasPassword, scram, limits }: UserInfo): { readonly [field: string]: Json } {
  return { name, tags, has_password: hasPassword, scram_mechanisms: scram, limits };
}

function permissionView({ user, vhost, configure, write, read }: PermissionInfo): {
  readonly [field: string]: Json;
} {
  return { user, vhost, configure, write, read };
}

function topicView({ user, vhost, exchange, write, read }: TopicPermissionInfo): {
  readonly [field: string]: Json;
} {
  return { user, vhost, exchange, write, read };
}
