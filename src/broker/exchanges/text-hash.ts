import type { Value } from '../../base/value.ts';
import { valueToJson } from '../../base/value-json.ts';

/*
 * 32-bit hashes of texts. They decide which queue a message goes to, before a restart and after it, so they are part of
 * what the broker promises: another function would move messages of one key to another queue.
 */

/** FNV-1a over UTF-16 code units, mixed so that also the low bits depend on every one of them. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** The finalizer of MurmurHash3: each bit of the input changes half of the output's. */
export function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A text for a header's value: the number 7 and the string '7' share one, as it is for hashing alone. */
export function hashedText(value: Value | undefined): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(valueToJson(value)) : String(value);
}
