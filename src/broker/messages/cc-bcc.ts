import type { Table, Value } from '../../base/value.ts';
import { typeName } from '../../base/value-text.ts';
import { encodeHiddenKeys } from '../../records/hidden-keys.ts';
import { BrokerError } from '../errors.ts';

/**
 * RabbitMQ's sender-selected distribution: the headers `CC` and `BCC` are arrays of further routing keys. What is no text
 * in them is passed over.
 *
 * Receivers do not get to see `BCC`. When a message comes in, its keys go from the header to an attribute of the message
 * (`hidden-keys.ts`), as what is routed later is routed by them too: out of a stream, after a delay, as a dead letter.
 */
export const COPIES_HEADER = 'CC';
export const HIDDEN_KEYS_HEADER = 'BCC';
/** Headers whose lists are further routing keys. */
export const KEY_LIST_HEADERS: readonly string[] = [COPIES_HEADER, HIDDEN_KEYS_HEADER];

const NO_KEYS: readonly string[] = [];

/**
 * The keys of both headers.
 * @throws BrokerError precondition-failed, if one of them is no array
 */
export function extraKeys(headers: Table | null): string[] {
  return [...keysIn(headers, COPIES_HEADER), ...keysIn(headers, HIDDEN_KEYS_HEADER)];
}

function keysIn(headers: Table | null, name: string): readonly string[] {
  if (headers === null || !Object.hasOwn(headers, name)) return NO_KEYS;
  const value = headers[name];
  if (!Array.isArray(value)) {
    throw new BrokerError(
      'precondition-failed',
      `invalid message: {unacceptable_type_in_header,"${name}",${typeName(value)}}`,
    );
  }
  return (value as readonly Value[]).filter((key): key is string => typeof key === 'string');
}

/**
 * The keys of `BCC` as an attribute of the message; empty if there are none.
 * @throws BrokerError precondition-failed, if it is no array
 */
export function hiddenKeysOf(headers: Table | null): Buffer {
  return encodeHiddenKeys(keysIn(headers, HIDDEN_KEYS_HEADER));
}
