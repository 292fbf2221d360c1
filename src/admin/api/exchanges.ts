import type { Json } from '../../base/value-json.ts';
import type { AnyQueue } from '../../broker/queues/any-queue.ts';
import type { ExchangeInfo } from '../../broker/topology/listing.ts';
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

export const exchangeRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/exchanges', handle: all },
  { method: 'GET', path: '/api/exchanges/{vhost}', handle: all },
  {
    method: 'GET',
    path: '/api/exchanges/{vhost}/{name}',
    handle: (...asked) => ok(view(exchangeOf(...asked))),
  },
  { method: 'PUT', path: '/api/exchanges/{vhost}/{name}', handle: declare },
  { method: 'DELETE', path: '/api/exchanges/{vhost}/{name}', handle: remove },
];

function all(context: AdminContext, request: ApiRequest): ApiResponse {
  return list(views(vhostsOf(context, request)));
}

function* views(vhosts: Iterable<VirtualHost<AnyQueue>>): Iterable<Json> {
  for (const vhost of vhosts) {
    for (const exchange of vhost.exchanges()) yield view(exchange);
  }
}

async function declare(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const vhost = vhostOf(context, request);
  const name = request.parameter('name');
  const existed = vhost.listExchanges().some((each) => each.name === name);
  vhost.declareExchange({
    name,
    type: request.string('type'),
    durable: request.boolean('durable', true),
    autoDelete: request.boolean('auto_delete', false),
    internal: request.boolean('internal', false),
    arguments: request.table('arguments', {}),
  });
  return await durably(context, existed ? done() : created());
}

async function remove(context: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const { name } = exchangeOf(context, request);
  const vhost = vhostOf(context, request);
  await inSteps(context, vhost.deleteExchangeInSteps(name, request.flag('if-unused')));
  return await durably(context, done());
}

function exchangeOf(context: AdminContext, request: ApiRequest): ExchangeInfo {
  const name = request.parameter('name');
  const vhost = vhostOf(context, request);
  const found = vhost.listExchanges().find((each) => each.name === name);
  if (found === undefined) throw notFound(`no exchange '${name}' in vhost '${vhost.name}'`);
  return found;
}

function view(exchange: ExchangeInfo): { readonly [field: string]: Json } {
  const { name, vhost, type, durable, autoDelete, internal } = exchange;
  return {
    name,
    vhost,
    type,
    durable,
    auto_delete: autoDelete,
    internal,
    arguments: plainTable(exchange.arguments),
    policy: exchange.policy,
    alternate_exchange: exchange.alternateExchange,
  };
}
