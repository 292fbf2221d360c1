import type { Table, Value } from '../../base/value.ts';
import { BrokerError } from '../errors.ts';
import { typeName } from './value-text.ts';

/**
 * Arguments that clients know from RabbitMQ and its plugins and that change what happens to messages, but are not
 * built yet. Ignoring them would lose messages, or keep them, against the client's word: so they are refused. A name
 * leaves this list when its feature arrives.
 */
const unsupported: ReadonlySet<string> = new Set([
  'x-consumer-timeout',
  'x-dead-letter-exchange',
  'x-dead-letter-routing-key',
  'x-dead-letter-strategy',
  'x-delivery-limit',
  'x-expires',
  'x-max-age',
  'x-max-length',
  'x-max-length-bytes',
  'x-max-priority',
  'x-message-deduplication',
  'x-message-ttl',
  'x-overflow',
  'x-single-active-consumer',
  'x-stream-filter-size-bytes',
  'x-stream-max-segment-size-bytes',
]);

/** The arguments in which a second declaration has to agree with the first. All others are data. */
export const comparedQueueArguments: readonly string[] = [
  ...unsupported,
  'x-initial-cluster-size',
  'x-max-in-memory-bytes',
  'x-max-in-memory-length',
  'x-queue-leader-locator',
  'x-queue-mode',
  'x-queue-type',
  'x-quorum-initial-group-size',
];

export interface QueueProperties {
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Table;
}

/** `resource` is the queue as messages name it: `queue 'q' in vhost '/'`. */
export function validateQueue(queue: QueueProperties, resource: string): void {
  for (const [key, value] of Object.entries(queue.arguments)) {
    // `x-single-active-consumer: false` asks for nothing.
    if (unsupported.has(key) && value !== false) {
      throw new BrokerError(
        'precondition-failed',
        `queue argument '${key}' is not supported by this version of Sluice`,
      );
    }
  }
  validateWord(queue.arguments, 'x-queue-mode', 'mode', ['default', 'lazy'], resource);
  validateWord(queue.arguments, 'x-queue-type', 'type', ['classic', 'quorum', 'stream'], resource);
  const type = queue.arguments['x-queue-type'];
  if (type === 'stream') {
    throw new BrokerError(
      'precondition-failed',
      `queue argument 'x-queue-type' with value 'stream' is not supported by this version of Sluice`,
    );
  }
  if (type === 'quorum') validateQuorum(queue, resource);
}

/** Every durable queue here keeps what a quorum queue promises; what RabbitMQ refuses for them is refused too. */
function validateQuorum(queue: QueueProperties, resource: string): void {
  const invalid = queue.autoDelete
    ? 'auto-delete'
    : queue.exclusive
      ? 'exclusive-owner'
      : queue.durable
        ? null
        : 'non-durable';
  if (invalid !== null) {
    throw new BrokerError('precondition-failed', `invalid property '${invalid}' for ${resource}`);
  }
}

function validateWord(
  args: Table,
  key: string,
  noun: string,
  allowed: readonly string[],
  resource: string,
): void {
  if (!Object.hasOwn(args, key)) return;
  const value: Value = args[key];
  if (typeof value === 'string' && allowed.includes(value)) return;
  const reason =
    typeof value === 'string'
      ? `"unsupported queue ${noun} '${value}'"`
      : `{unacceptable_type,${typeName(value)}}`;
  throw new BrokerError('precondition-failed', `invalid arg '${key}' for ${resource}: ${reason}`);
}
