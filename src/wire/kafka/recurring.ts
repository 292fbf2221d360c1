/**
 * Names and ids of topics, groups and clients come again and again. Making a string out of bytes costs more than all
 * the rest of decoding a partition, and a new string must be hashed again by every Map it is looked up in. So the last
 * strings seen are kept, by a hash of their bytes: direct-mapped caches, where a newcomer replaces whoever had its slot.
 *
 *   slots     0            1            2                  SLOT_COUNT - 1
 *   slab      [ 48 bytes ] [ 48 bytes ] [ 48 bytes ]  …    the bytes, of `textLengths[slot]`
 *   texts     'orders'     ''           'payments'         the same, decoded
 */
const SLOT_COUNT = 4096;
const SLOT_BYTES = 48;
const HASHED_BYTES_MAX = 12;
const UUID_BYTES = 16;
const UUID_CHARACTERS = 22;

const slab = new Uint8Array(SLOT_COUNT * SLOT_BYTES);
const textLengths = new Uint8Array(SLOT_COUNT);
const texts: string[] = new Array<string>(SLOT_COUNT).fill('');

/** The bytes as text, with U+FFFD where they are not UTF-8, as Kafka has it. The caller has checked the bounds. */
export function readText(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length === 0) return '';
  if (length > SLOT_BYTES) return bytes.toString('utf8', start, end);
  // The tail tells names apart better than the head does.
  let hash = length;
  for (let at = length > HASHED_BYTES_MAX ? end - HASHED_BYTES_MAX : start; at < end; at++) {
    hash = (Math.imul(hash, 31) + bytes[at]) | 0;
  }
  const slot = (hash ^ (hash >>> 12)) & (SLOT_COUNT - 1);
  const base = slot * SLOT_BYTES;
  if (textLengths[slot] === length) {
    let same = 0;
    while (same < length && slab[base + same] === bytes[start + same]) same++;
    if (same === length) return texts[slot];
  }
  for (let at = 0; at < length; at++) slab[base + at] = bytes[start + at];
  textLengths[slot] = length;
  return (texts[slot] = bytes.toString('utf8', start, end));
}

const uuidWords = new Int32Array(SLOT_COUNT * 4);
/** The words of an empty slot are those of the zero id. */
const uuids: string[] = new Array<string>(SLOT_COUNT).fill('A'.repeat(UUID_CHARACTERS));

/** 16 bytes as 22 characters of base64url. The caller has checked the bounds. */
export function readUuid(bytes: Buffer, at: number): string {
  const a = word(bytes, at);
  const b = word(bytes, at + 4);
  const c = word(bytes, at + 8);
  const d = word(bytes, at + 12);
  const hash = Math.imul(a ^ d, 0x9e3779b1) ^ Math.imul(b ^ c, 0x85ebca77);
  const slot = (hash >>> 16) & (SLOT_COUNT - 1);
  const base = slot * 4;
  if (
    uuidWords[base] === a &&
    uuidWords[base + 1] === b &&
    uuidWords[base + 2] === c &&
    uuidWords[base + 3] === d
  ) {
    return uuids[slot];
  }
  uuidWords[base] = a;
  uuidWords[base + 1] = b;
  uuidWords[base + 2] = c;
  uuidWords[base + 3] = d;
  return (uuids[slot] = bytes.toString('base64url', at, at + UUID_BYTES));
}

function word(bytes: Buffer, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

const uuidBytes = new Map<string, Buffer>();

/** The bytes of an id, undefined if it is none. They are shared: copy them. */
export function bytesOfUuid(uuid: string): Buffer | undefined {
  const known = uuidBytes.get(uuid);
  if (known !== undefined) return known;
  const bytes = Buffer.from(uuid, 'base64url');
  if (uuid.length !== UUID_CHARACTERS || bytes.length !== UUID_BYTES) return undefined;
  if (uuidBytes.size === SLOT_COUNT) uuidBytes.clear();
  uuidBytes.set(uuid, bytes);
  return bytes;
}
