import type { Table, Value } from '../../../base/value.ts';
import { typeName } from '../../../base/value-text.ts';
import type { Queue } from '../../../broker/queues/queue.ts';
import { resourceText } from '../../../broker/topology/refusals.ts';
import { AmqpError } from '../errors.ts';

/**
 * The priority that the arguments of basic.consume ask for. What they have beside it is either data or checked and
 * accepted: no queue here fails over to another node. The texts are RabbitMQ's.
 */
export function consumerPriority(args: Table, queue: Queue): number {
  const failover = args['x-cancel-on-ha-failover'];
  if (failover !== undefined && typeof failover !== 'boolean') {
    throw invalid('x-cancel-on-ha-failover', queue, `: {unacceptable_type,${typeName(failover)}}`);
  }
  if (Object.hasOwn(args, 'x-stream-offset')) {
    const type = queue.arguments['x-queue-type'] === 'quorum' ? 'quorum' : 'classic';
    throw invalid('x-stream-offset', queue, ` of queue type rabbit_${type}_queue`);
  }
  const priority = args['x-priority'];
  if (priority === undefined) return 0;
  if (!isInteger(priority)) {
    throw invalid('x-priority', queue, `: "expected integer, got ${typeName(priority)}"`);
  }
  return Number(priority);
}

function isInteger(value: Value): value is number | bigint {
  return typeof value === 'bigint' || Number.isInteger(value);
}

function invalid(key: string, queue: Queue, reason: string): AmqpError {
  const resource = resourceText('queue', queue.name, queue.vhost);
  return new AmqpError('PRECONDITION_FAILED', `invalid arg '${key}' for ${resource}${reason}`);
}
