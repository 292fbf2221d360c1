import type { Json } from '../../base/value-json.ts';
import type { Policy } from '../../broker/policies/policy.ts';
import type { AnyQueue } from '../../broker/queues/any-queue.ts';
import type { VirtualHost } from '../../broker/topology/virtual-host.ts';
import type { AdminContext } from '../context.ts';
import { notFound } from '../http-error.ts';
import { plainTable } from '../plain-json.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, created, done, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { durably } from './durably.ts';
import { inSteps } from './in-steps.ts';
import { vhostOf, vhostsOf } from './vhost-of.ts';

type Kind = 'policies' | 'operator-policies';

const POLICY_KINDS = { policies: 'policy', 'operator-policies': 'operator-policy' } as const;

export const policyRoutes: readonly Route[] = [...routesOf('policies'), ...routesOf('operator-policies')];

function routesOf(kind: Kind): Route[] {
  const path = `/api/${kind}/{vhost}/{name}`;
  const all = (context: AdminContext, request: ApiRequest): ApiResponse =>
    ok(vhostsOf(context, request).flatMap((vhost) => listed(vhost, kind).map(viewIn(vhost.name))));
  return [
    { method: 'GET', path: `/api/${kind}`, handle: all },
    { method: 'GET', path: `/api/${kind}/{vhost}`, handle: all },
    { method: 'GET', path, handle: (context, request) => one(context, request, kind) },
    { method: 'PUT', path, handle: (context, request) => put(context, request, kind) },
    { method: 'DELETE', path, handle: (context, request) => remove(context, request, kind) },
  ];
}

function one(context: AdminContext, request: ApiRequest, kind: Kind): ApiResponse {
  const vhost = vhostOf(context, request);
  const name = request.parameter('name');
  const found = listed(vhost, kind).find((each) => each.name === name);
  if (found === undefined) throw notFound(`no policy '${name}' in vhost '${vhost.name}'`);
  return ok(viewIn(vhost.name)(found));
}

async function put(context: AdminContext, request: ApiRequest, kind: Kind): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  const policy = {
    name: request.parameter('name'),
    pattern: request.string('pattern'),
    definition: request.table('definition'),
    applyTo: request.string('apply-to', 'all'),
    priority: request.integer('priority', 0),
  };
  const existed = listed(vhost, kind).some((each) => each.name === policy.name);
  await inSteps(context, vhost.setPolicyInSteps(POLICY_KINDS[kind], policy));
  return await durably(context, existed ? done() : created());
}

async function remove(context: AdminContext, request: ApiRequest, kind: Kind): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  await inSteps(context, vhost.clearPolicyInSteps(POLICY_KINDS[kind], request.parameter('name')));
  return await durably(context, done());
}

function listed(vhost: VirtualHost<AnyQueue>, kind: Kind): Policy[] {
  return kind === 'policies' ? vhost.listPolicies() : vhost.listOperatorPolicies();
}

function viewIn(vhost: string): (policy: Policy) => { readonly [field: string]: Json } {
  return ({ name, pattern, applyTo, priority, definition }) => ({
    vhost,
    name,
    pattern,
    'apply-to': applyTo,
    definition: plainTable(definition),
    priority,
  });
}
