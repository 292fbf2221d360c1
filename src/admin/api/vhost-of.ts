import type { AnyQueue } from '../../broker/queues/any-queue.ts';
import type { VirtualHost } from '../../broker/topology/virtual-host.ts';
import type { AdminContext } from '../context.ts';
import { notFound } from '../http-error.ts';
import type { ApiRequest } from '../request.ts';

/** The virtual host in the path. @throws HttpError 404 */
export function vhostOf(
  { broker }: AdminContext,
  request: ApiRequest,
  parameter = 'vhost',
): VirtualHost<AnyQueue> {
  const name = request.parameter(parameter);
  const vhost = broker.vhosts.get(name);
  if (vhost === undefined) throw notFound(`no vhost '${name}'`);
  return vhost;
}

/** The one in the path, or all of them if the path has none. */
export function vhostsOf(context: AdminContext, request: ApiRequest): readonly VirtualHost<AnyQueue>[] {
  return request.parameter('vhost') === '' ? [...context.broker.vhosts] : [vhostOf(context, request)];
}
