import type { Work } from '../../base/turn-time.ts';
import { BrokerError } from '../errors.ts';
import type { QueueDeletion } from './queue-port.ts';

/** So many messages go with a queue at once. */
const AT_ONCE_MAX = 1024;

interface DeletedQueue {
  readonly name: string;
  readonly vhost: string;
  readonly readyCount: number;
  readonly consumerCount: number;
  purgeInSteps(): Work<number>;
}

/**
 * Before a queue is deleted. Once the conditions hold it goes, though a consumer or a message came meanwhile. Returns how many
 * messages went; those that are left go with the queue. @throws BrokerError precondition-failed; the texts are RabbitMQ's
 */
export function* prepareDeletion(queue: DeletedQueue, { ifUnused, ifEmpty }: QueueDeletion): Work<number> {
  const resource = `queue '${queue.name}' in vhost '${queue.vhost}'`;
  if (ifEmpty && queue.readyCount > 0) throw new BrokerError('precondition-failed', `${resource} not empty`);
  if (ifUnused && queue.consumerCount > 0) throw new BrokerError('precondition-failed', `${resource} in use`);
  return queue.readyCount > AT_ONCE_MAX ? yield* queue.purgeInSteps() : 0;
}
