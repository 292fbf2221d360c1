import type { Table, Value } from './value.ts';
import { isTable } from './value-equality.ts';

/** What logs, events and errors show of a text that a client has chosen: user names, client ids, software, reasons. */
export const CLIENT_TEXT_BYTES_MAX = 255;

const ELLIPSIS = '…';
const encoder = new TextEncoder();
const room = new Uint8Array(CLIENT_TEXT_BYTES_MAX - Buffer.byteLength(ELLIPSIS));

/** The text, or as much of it as fits in 255 bytes of UTF-8, between two characters, with an ellipsis. */
export function clientText(text: string): string {
  // A character takes three bytes at most, and a pair of surrogates four.
  if (text.length * 3 <= CLIENT_TEXT_BYTES_MAX) return text;
  if (text.length <= CLIENT_TEXT_BYTES_MAX && Buffer.byteLength(text) <= CLIENT_TEXT_BYTES_MAX) return text;
  const { read } = encoder.encodeInto(text, room);
  return text.slice(0, read) + ELLIPSIS;
}

/** The same for all texts in a value, and for the keys of its tables. */
export function withClientTexts<T extends Value>(value: T): T {
  if (typeof value === 'string') return clientText(value) as T;
  if (Array.isArray(value)) return value.map((each: Value) => withClientTexts(each)) as unknown as T;
  if (!isTable(value)) return value;
  const cut: { [key: string]: Value } = {};
  for (const key of Object.keys(value)) cut[clientText(key)] = withClientTexts((value as Table)[key]);
  return cut as T;
}
