import type { Table, Value } from '../../base/value.ts';
import { typeName } from '../../base/value-text.ts';
import { BrokerError } from '../errors.ts';

/** The header with keys that receivers do not get to see. */
export const hiddenKeysHeader = 'BCC';
/** Headers whose lists are further routing keys. */
export const keyHeaders: readonly string[] = ['CC', hiddenKeysHeader];

/**
 * RabbitMQ's sender-selected distribution: the headers `CC` and `BCC` are arrays of further routing keys. What is no
 * text in them is passed over.
 * @throws BrokerError precondition-failed, if one of them is no array
 */
export function extraKeys(headers: Table | null): string[] {
  if (headers === null) return [];
  const keys: string[] = [];
  for (const name of keyHeaders) {
    if (!Object.hasOwn(headers, name)) continue;
    const value = headers[name];
    if (!Array.isArray(value)) {
      throw new BrokerError(
        'precondition-failed',
        `invalid message: {unacceptable_type_in_header,"${name}",${typeName(value)}}`,
      );
    }
    for (const key of value as readonly Value[]) if (typeof key === 'string') keys.push(key);
  }
  return keys;
}
