import type { Json } from '../../base/value-json.ts';
import type { VhostInfo } from '../../broker/access/administration.ts';
import type { VhostLimit } from '../../broker/access/operations.ts';
import type { UserLimit } from '../../broker/access/user.ts';
import type { AdminContext } from '../context.ts';
import { notFound } from '../http-error.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, created, done, list, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { inSteps } from './in-steps.ts';
import { vhostOf } from './vhost-of.ts';

export const vhostRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/vhosts', handle: (context) => list(pages(context, vhosts(context))) },
  { method: 'GET', path: '/api/vhosts/{vhost}', handle: one },
  { method: 'PUT', path: '/api/vhosts/{vhost}', handle: put },
  { method: 'DELETE', path: '/api/vhosts/{vhost}', handle: remove },
  { method: 'GET', path: '/api/vhost-limits', handle: vhostLimits },
  { method: 'GET', path: '/api/vhost-limits/{vhost}', handle: vhostLimits },
  { method: 'PUT', path: '/api/vhost-limits/{vhost}/{limit}', handle: setVhostLimit },
  { method: 'DELETE', path: '/api/vhost-limits/{vhost}/{limit}', handle: clearVhostLimit },
  { method: 'GET', path: '/api/user-limits', handle: userLimits },
  { method: 'GET', path: '/api/user-limits/{user}', handle: userLimits },
  { method: 'PUT', path: '/api/user-limits/{user}/{limit}', handle: setUserLimit },
  { method: 'DELETE', path: '/api/user-limits/{user}/{limit}', handle: clearUserLimit },
];

/** Makes it, if it is not there. With `tracing` in the body, the firehose is turned on or off. */
async function put(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const { broker } = context;
  const name = request.parameter('vhost');
  const existed = broker.vhosts.get(name) !== undefined;
  const traced = request.has('tracing') ? request.boolean('tracing') : null;
  if (!existed) await broker.access.administration.createVhost(name);
  if (traced !== null && traced !== (broker.tracing.of(name) !== null)) {
    await broker.allShards.trace(name, traced);
    context.log.warn({ vhost: name }, traced ? 'messages are traced' : 'messages are not traced any more');
  }
  return existed ? done() : created();
}

async function remove(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const { broker } = context;
  const name = request.parameter('vhost');
  const vhost = broker.vhosts.get(name);
  const { administration } = broker.access;
  if (vhost !== undefined) {
    await inSteps(context, administration.closeClientsInSteps(name));
    await inSteps(context, vhost.emptyInSteps());
  }
  await administration.deleteVhost(name);
  await broker.allShards.trace(name, false);
  return done();
}

async function one(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const { name } = vhostOf(context, request);
  for await (const [view] of pages(
    context,
    vhosts(context).filter((each) => each.name === name),
  ))
    return ok(view);
  throw notFound(`no vhost '${name}'`);
}

function vhosts({ broker }: AdminContext): VhostInfo[] {
  return broker.access.administration.listVhosts();
}

/** Virtual hosts of which the shards are asked at once. */
const PAGE_VHOSTS = 200;

async function* pages({ broker }: AdminContext, all: readonly VhostInfo[]): AsyncGenerator<Json[]> {
  for (let at = 0; at < all.length; at += PAGE_VHOSTS) {
    const page = all.slice(at, at + PAGE_VHOSTS);
    const figures = await broker.allShards.vhostFigures(page.map(({ name }) => name));
    yield page.map(({ name, queueCount, limits }, index) => {
      const { connections, ready, unacknowledged } = figures[index];
      return {
        name,
        tracing: broker.tracing.of(name) !== null,
        queues: queueCount,
        connections,
        messages: ready + unacknowledged,
        messages_ready: ready,
        messages_unacknowledged: unacknowledged,
        limits,
      };
    });
  }
}

function vhostLimits(context: AdminContext, request: ApiRequest): ApiResponse {
  const name = request.parameter('vhost');
  if (name !== '') vhostOf(context, request);
  const found = vhosts(context).filter((each) => (name === '' ? hasAny(each.limits) : each.name === name));
  return ok(found.map((each) => ({ vhost: each.name, value: each.limits })));
}

async function setVhostLimit({ broker }: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const limits = { [request.parameter('limit')]: request.integer('value') };
  await broker.access.administration.setVhostLimits(request.parameter('vhost'), limits);
  return done();
}

async function clearVhostLimit({ broker }: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const limit = request.parameter('limit') as VhostLimit;
  const vhost = request.parameter('vhost');
  const found = broker.access.administration.listVhosts().find((each) => each.name === vhost);
  if (found !== undefined) checkLimitIsSet(found.limits, limit, `vhost '${vhost}'`);
  await broker.access.administration.clearVhostLimits(request.parameter('vhost'), limit);
  return done();
}

function userLimits({ broker }: AdminContext, request: ApiRequest): ApiResponse {
  const name = request.parameter('user');
  const users = broker.access.administration.listUsers();
  const found = users.filter((each) => (name === '' ? hasAny(each.limits) : each.name === name));
  if (name !== '' && found.length === 0) throw notFound(`no user '${name}'`);
  return ok(found.map((each) => ({ user: each.name, value: each.limits })));
}

async function setUserLimit({ broker }: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const limits = { [request.parameter('limit')]: request.integer('value') };
  await broker.access.administration.setUserLimits(request.parameter('user'), limits);
  return done();
}

async function clearUserLimit({ broker }: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const limit = request.parameter('limit') as UserLimit;
  const user = request.parameter('user');
  const found = broker.access.administration.listUsers().find((each) => each.name === user);
  if (found !== undefined) checkLimitIsSet(found.limits, limit, `user '${user}'`);
  await broker.access.administration.clearUserLimits(request.parameter('user'), limit);
  return done();
}

function checkLimitIsSet(limits: object, limit: string, whose: string): void {
  if (limit === 'all' || Object.hasOwn(limits, limit)) return;
  const set = Object.keys(limits);
  throw notFound(`${whose} has no limit '${limit}'; it has ${set.length === 0 ? 'none' : set.join(', ')}`);
}

function hasAny(limits: object): boolean {
  return Object.keys(limits).length > 0;
}
