import { isUtf8 } from 'node:buffer';
import { SHORT_STRING_BYTES_MAX } from './constants.ts';
import { WireError } from './errors.ts';

/**
 * Exchange names and routing keys come again and again. Making a string out of bytes costs more than all the rest of
 * decoding basic.publish, and a new string must be hashed again by every Map it is looked up in. So the last strings
 * seen are kept, by a hash of their bytes: a direct-mapped cache, where a new string replaces the one in its slot.
 *
 *   slots     0            1            2                  SLOT_COUNT - 1
 *   slab      [ 64 bytes ] [ 64 bytes ] [ 64 bytes ]  …    the bytes, of `lengths[slot]`
 *   strings   'orders'     ''           'logs.eu.warn'     the same, decoded
 */
const SLOT_COUNT = 1024;
const SLOT_BYTES = 64;
const HASHED_BYTES_MAX = 16;

const slab = new Uint8Array(SLOT_COUNT * SLOT_BYTES);
const lengths = new Uint8Array(SLOT_COUNT);
const strings: string[] = new Array<string>(SLOT_COUNT).fill('');

/** The bytes from `start` to `end` as text; the caller has checked the bounds. `subject` is for the error's message. */
export function readShortString(bytes: Buffer, start: number, end: number, subject: string): string {
  const length = end - start;
  if (length === 0) return '';
  if (length > SLOT_BYTES) return decodeUtf8(bytes, start, end, subject);
  // Of the last bytes: routing keys often have a common beginning.
  let hash = length;
  for (let at = length > HASHED_BYTES_MAX ? end - HASHED_BYTES_MAX : start; at < end; at++) {
    hash = (Math.imul(hash, 31) + bytes[at]) | 0;
  }
  const slot = (hash ^ (hash >>> 10)) & (SLOT_COUNT - 1);
  const base = slot * SLOT_BYTES;
  if (lengths[slot] === length) {
    let same = 0;
    while (same < length && slab[base + same] === bytes[start + same]) same++;
    if (same === length) return strings[slot];
  }
  let union = 0;
  for (let at = 0; at < length; at++) {
    const byte = bytes[start + at];
    union |= byte;
    slab[base + at] = byte;
  }
  // The slot stays empty if the bytes are not UTF-8.
  lengths[slot] = 0;
  const text = union < 0x80 ? bytes.toString('latin1', start, end) : decodeUtf8(bytes, start, end, subject);
  lengths[slot] = length;
  strings[slot] = text;
  return text;
}

/** Refuses what is not UTF-8 (AMQP 4.2.5.3) rather than alter it: two different keys must not become one. */
export function decodeUtf8(bytes: Buffer, start: number, end: number, subject: string): string {
  if (!isUtf8(bytes.subarray(start, end))) {
    throw new WireError('syntax-error', `${subject}: the string of ${end - start} bytes is not UTF-8`);
  }
  return bytes.toString('utf8', start, end);
}

/** Cuts a text for people (a reply text) to what a short string holds, never through a character. */
export function truncateShortString(text: string): string {
  if (Buffer.byteLength(text) <= SHORT_STRING_BYTES_MAX) return text;
  const bytes = Buffer.from(text);
  let end = SHORT_STRING_BYTES_MAX - 3;
  while ((bytes[end] & 0xc0) === 0x80) end--;
  return `${bytes.toString('utf8', 0, end)}...`;
}
