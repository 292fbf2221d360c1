import type { Table, Value } from '../../../base/value.ts';
import { BrokerError } from '../../errors.ts';
import { intervalMs } from '../../topology/offset-specification.ts';

const FOREVER = '-1';
/**
 * The largest message that a stream takes of which a publisher has not said otherwise: as large as those read it who use
 * Kafka clients as they are. librdkafka takes responses of 100,000,000 bytes (`receive.message.max.bytes`), franz-go and
 * Sarama of 100 MiB; in what is left are the batch around it, the response, and names.
 */
const MESSAGE_BYTES_MAX = 95 * 1024 * 1024;
const MESSAGE_BYTES: readonly [string, string] = ['max.message.bytes', String(MESSAGE_BYTES_MAX)];
/** Kafka's, which are the smallest that its own tools take. */
const SEGMENT_BYTES_MIN = 1024 * 1024;
const SEGMENT_BYTES_MAX = 2_147_483_647;

/** What a stream is made with. */
export interface StreamDefinition {
  readonly partitions: number;
  /** By Kafka's names. */
  readonly configs: ReadonlyMap<string, string>;
}

/**
 * From the arguments of a queue of type `stream`, or of an exchange that is one. As with RabbitMQ, everything is kept if
 * nothing is said.
 */
export function definitionFromArguments(args: Table): StreamDefinition {
  const configs = new Map<string, string>([MESSAGE_BYTES]);
  const age = args['x-max-age'];
  const ageMs = typeof age === 'string' ? intervalMs(age) : null;
  configs.set('retention.ms', ageMs === null ? FOREVER : String(ageMs));
  const bytes = integer(args['x-max-length-bytes']);
  if (bytes !== null) configs.set('retention.bytes', String(bytes));
  const segmentBytes = integer(args['x-stream-max-segment-size-bytes']);
  if (segmentBytes !== null) {
    configs.set(
      'segment.bytes',
      String(Math.max(SEGMENT_BYTES_MIN, Math.min(segmentBytes, SEGMENT_BYTES_MAX))),
    );
  }
  return { partitions: integer(args['x-partitions']) ?? 1, configs };
}

const EXCHANGE_ARGUMENTS: readonly string[] = [
  'x-max-age',
  'x-max-length-bytes',
  'x-stream-max-segment-size-bytes',
  'x-partitions',
];

/** Those of an exchange that is a stream. Those of queues are looked at with all other arguments of queues. */
export function validateExchangeArguments(name: string, vhost: string, args: Table): void {
  for (const key of EXCHANGE_ARGUMENTS) {
    if (!Object.hasOwn(args, key)) continue;
    const value = args[key];
    const isValid =
      key === 'x-max-age'
        ? typeof value === 'string' && intervalMs(value) !== null
        : (integer(value) ?? -1) >= (key === 'x-partitions' ? 1 : 0);
    if (isValid) continue;
    throw new BrokerError(
      'precondition-failed',
      `invalid arg '${key}' for exchange '${name}' in vhost '${vhost}', which is to be a stream`,
    );
  }
}

/** From a policy's definition; null if it does not ask for that. */
export function definitionFromPolicy(definition: Table): StreamDefinition | null {
  if (definition.remember !== true) return null;
  const configs = new Map<string, string>([MESSAGE_BYTES]);
  const ms = integer(definition['retention-ms']);
  const bytes = integer(definition['retention-bytes']);
  if (ms !== null) configs.set('retention.ms', String(ms));
  if (bytes !== null) configs.set('retention.bytes', String(bytes));
  return { partitions: integer(definition['remember-partitions']) ?? 1, configs };
}

function integer(value: Value | undefined): number | null {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : null;
}
