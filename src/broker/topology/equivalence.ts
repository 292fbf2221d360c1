import type { Table, Value } from '../../base/value.ts';
import { valuesEqual } from '../../base/value-equality.ts';
import { plainText, typeName } from '../../base/value-text.ts';
import { BrokerError } from '../errors.ts';

/**
 * A second declaration must agree with what is there (AMQP 0-9-1 queue.declare and exchange.declare).
 * `resource` is the thing as the message names it: `queue 'q' in vhost '/'`.
 */
export function assertSameField(field: string, current: Value, received: Value, resource: string): void {
  if (!valuesEqual(current, received)) {
    throw inequivalent(field, resource, `'${plainText(received)}'`, `'${plainText(current)}'`);
  }
}

/** Compares the arguments named by `keys`, and ignores all others, as RabbitMQ does. */
export function assertSameArguments(
  current: Table,
  received: Table,
  keys: Iterable<string>,
  resource: string,
): void {
  for (const key of keys) {
    const before = Object.hasOwn(current, key) ? current[key] : undefined;
    const now = Object.hasOwn(received, key) ? received[key] : undefined;
    if (before !== undefined && now !== undefined) {
      assertSameField(key, before, now, resource);
    } else if (before !== now && !(key === 'x-queue-type' && (before ?? now) === 'classic')) {
      throw inequivalent(key, resource, typedText(now), typedText(before));
    }
  }
}

function typedText(value: Value | undefined): string {
  return value === undefined ? 'none' : `the value '${plainText(value)}' of type '${typeName(value)}'`;
}

function inequivalent(key: string, resource: string, received: string, current: string): BrokerError {
  return new BrokerError(
    'precondition-failed',
    `inequivalent arg '${key}' for ${resource}: received ${received} but current is ${current}`,
  );
}
