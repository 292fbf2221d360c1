import { BrokerError } from '../errors.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { resourceText } from './refusals.ts';

/*
 * An exclusive queue is for the connection alone that declared it, its owner, and goes with it (AMQP 1.7.2.1). Which
 * queues a connection owns is in state.ts.
 */

/** The owner of a queue that is declared like this; null if it is not exclusive. @throws BrokerError precondition-failed */
export function exclusiveOwnerOf(exclusive: boolean, owner: object | null): object | null {
  if (exclusive && owner === null) {
    throw new BrokerError('precondition-failed', 'an exclusive queue needs a connection that owns it');
  }
  return exclusive ? owner : null;
}

/** @throws BrokerError resource-locked, if the queue is somebody else's */
export function assertAccess(queue: TopologyQueue, owner: object | null, vhost: string): void {
  if (queue.exclusiveOwner !== null && queue.exclusiveOwner !== owner) throw locked(queue.name, vhost);
}

/** @throws BrokerError resource-locked, if the queue was declared by another connection, or not as exclusive */
export function assertSameOwner(queue: TopologyQueue, exclusiveOwner: object | null, vhost: string): void {
  if (queue.exclusiveOwner !== exclusiveOwner) throw locked(queue.name, vhost);
}

/** Also for whoever wants exclusively what nobody can have so: a stream. */
export function locked(name: string, vhost: string): BrokerError {
  return new BrokerError(
    'resource-locked',
    `cannot obtain exclusive access to locked ${resourceText('queue', name, vhost)}. It could be originally ` +
      'declared on another connection or the exclusive property value does not match that of the original ' +
      'declaration.',
  );
}
