import type { Value } from '../../base/value.ts';
import { BrokerError } from '../errors.ts';
import { isSystemExchange } from '../policies/system-exchange.ts';

/**
 * The errors that several commands answer with. The texts are RabbitMQ's, as clients match on them; the server puts
 * its code in front (`NOT_FOUND - `).
 */
export type ResourceKind = 'queue' | 'exchange';

/** AMQP 0-9-1 carries names as short strings. */
export const nameBytesMax = 255;

export function resourceText(kind: ResourceKind, name: string, vhost: string): string {
  return `${kind} '${name}' in vhost '${vhost}'`;
}

export function notFound(kind: ResourceKind, name: string, vhost: string): BrokerError {
  return new BrokerError('not-found', `no ${resourceText(kind, name, vhost)}`);
}

export function inUse(kind: ResourceKind, name: string, vhost: string): BrokerError {
  return new BrokerError('precondition-failed', `${resourceText(kind, name, vhost)} in use`);
}

/** For what would have messages of clients go to an exchange that the broker alone writes to. */
export function refuseSystemExchange(name: Value | undefined, vhost: string): void {
  if (typeof name !== 'string' || !isSystemExchange(name)) return;
  throw new BrokerError(
    'access-refused',
    `operation not permitted on internal ${resourceText('exchange', name, vhost)}: the broker alone writes to it`,
  );
}

/** AMQP reserves the names that begin with `amq.` for the server. */
export function refuseReservedName(kind: ResourceKind, name: string): void {
  if (name.startsWith('amq.')) {
    throw new BrokerError('access-refused', `${kind} name '${name}' contains reserved prefix 'amq.*'`);
  }
}

export function refuseLongName(kind: ResourceKind, name: string): void {
  const bytes = Buffer.byteLength(name, 'utf8');
  if (bytes > nameBytesMax) {
    throw new BrokerError(
      'precondition-failed',
      `the ${kind}'s name has ${bytes} bytes, at most ${nameBytesMax} are allowed: '${name.slice(0, 60)}…'`,
    );
  }
}
