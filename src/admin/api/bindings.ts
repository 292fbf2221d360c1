import { createHash } from 'node:crypto';
import type { Json } from '../../base/value-json.ts';
import type { AnyQueue } from '../../broker/queues/any-queue.ts';
import type { BindingFilter, BindingInfo } from '../../broker/topology/listing.ts';
import type { VirtualHost } from '../../broker/topology/virtual-host.ts';
import type { AdminContext } from '../context.ts';
import { notFound } from '../http-error.ts';
import { plainTable } from '../plain-json.ts';
import type { ApiRequest } from '../request.ts';
import { type ApiResponse, created, done, list, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { durably } from './durably.ts';
import { inSteps } from './in-steps.ts';
import { vhostOf, vhostsOf } from './vhost-of.ts';

type Kind = 'queue' | 'exchange';

export const bindingRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/bindings', handle: (...asked) => listed(...asked, {}) },
  { method: 'GET', path: '/api/bindings/{vhost}', handle: (...asked) => listed(...asked, {}) },
  {
    method: 'GET',
    path: '/api/queues/{vhost}/{name}/bindings',
    handle: (context, request) =>
      listed(context, request, { destinationKind: 'queue', destination: request.parameter('name') }),
  },
  {
    method: 'GET',
    path: '/api/exchanges/{vhost}/{name}/bindings/source',
    handle: (context, request) => listed(context, request, { source: request.parameter('name') }),
  },
  {
    method: 'GET',
    path: '/api/exchanges/{vhost}/{name}/bindings/destination',
    handle: (context, request) =>
      listed(context, request, { destinationKind: 'exchange', destination: request.parameter('name') }),
  },
  ...between('q', 'queue'),
  ...between('e', 'exchange'),
];

/** From an exchange to a queue or to an exchange. */
function between(letter: string, kind: Kind): Route[] {
  const path = `/api/bindings/{vhost}/e/{source}/${letter}/{destination}`;
  return [
    {
      method: 'GET',
      path,
      handle: (context, request) => ok(bindingsBetween(context, request, kind).map(view)),
    },
    { method: 'POST', path, handle: (context, request) => bind(context, request, kind) },
    {
      method: 'GET',
      path: `${path}/{properties}`,
      handle: (context, request) => ok(view(bindingOf(context, request, kind))),
    },
    {
      method: 'DELETE',
      path: `${path}/{properties}`,
      handle: (context, request) => unbind(context, request, kind),
    },
  ];
}

function listed(context: AdminContext, request: ApiRequest, filter: BindingFilter): ApiResponse {
  return list(views(vhostsOf(context, request), filter));
}

function* views(vhosts: Iterable<VirtualHost<AnyQueue>>, filter: BindingFilter): Iterable<Json> {
  for (const vhost of vhosts) {
    for (const binding of vhost.bindings(filter)) yield view(binding);
  }
}

async function bind(context: AdminContext, request: ApiRequest, kind: Kind): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  const binding = {
    source: request.parameter('source'),
    destination: request.parameter('destination'),
    routingKey: request.string('routing_key', ''),
    arguments: request.table('arguments', {}),
  };
  const { commands } = context.broker;
  const owner = vhost.findQueue(binding.destination)?.exclusiveOwner ?? null;
  await inSteps(
    context,
    kind === 'exchange' ? commands.bindExchange(vhost, binding) : commands.bindQueue(vhost, binding, owner),
  );
  return await durably(context, created());
}

async function unbind(context: AdminContext, request: ApiRequest, kind: Kind): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  const binding = bindingOf(context, request, kind);
  if (kind === 'exchange') vhost.unbindExchange(binding);
  else vhost.unbindQueue(binding, vhost.findQueue(binding.destination)?.exclusiveOwner ?? null);
  return await durably(context, done());
}

function bindingsBetween(context: AdminContext, request: ApiRequest, destinationKind: Kind): BindingInfo[] {
  const source = request.parameter('source');
  const destination = request.parameter('destination');
  return vhostOf(context, request).listBindings({ source, destination, destinationKind });
}

function bindingOf(context: AdminContext, request: ApiRequest, kind: Kind): BindingInfo {
  const properties = request.parameter('properties');
  const found = bindingsBetween(context, request, kind).find((each) => propertiesKey(each) === properties);
  if (found === undefined) {
    const [source, destination] = [request.parameter('source'), request.parameter('destination')];
    throw notFound(`no binding '${properties}' from exchange '${source}' to ${kind} '${destination}'`);
  }
  return found;
}

/**
 * What tells a binding from others between the same two ends, for paths: its routing key, `~` if that is empty, and
 * behind another `~` a hash of the arguments, if there are any.
 */
function propertiesKey({ routingKey, arguments: args }: BindingInfo): string {
  const key = routingKey === '' ? '~' : routingKey.replaceAll('~', '%7E');
  const entries = Object.entries(plainTable(args)).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return key;
  return `${key}~${createHash('sha256').update(JSON.stringify(entries)).digest('base64url').slice(0, 22)}`;
}

function view(binding: BindingInfo): { readonly [field: string]: Json } {
  return {
    source: binding.source,
    vhost: binding.vhost,
    destination: binding.destination,
    destination_type: binding.destinationKind,
    routing_key: binding.routingKey,
    arguments: plainTable(binding.arguments),
    properties_key: propertiesKey(binding),
  };
}
