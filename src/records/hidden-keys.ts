const NO_KEYS: readonly string[] = [];
const NOTHING = Buffer.alloc(0);
/** In front of each key. */
const LENGTH_BYTES = 4;

/**
 * Routing keys that receivers do not get to see, as an attribute of a message: `(length u32 | UTF-8)*`, and nothing for none.
 */
export function encodeHiddenKeys(keys: readonly string[]): Buffer {
  if (keys.length === 0) return NOTHING;
  return Buffer.concat(
    keys.map((key) => {
      const bytes = Buffer.alloc(LENGTH_BYTES + Buffer.byteLength(key));
      bytes.writeUInt32BE(bytes.length - LENGTH_BYTES, 0);
      bytes.write(key, LENGTH_BYTES, 'utf8');
      return bytes;
    }),
  );
}

/** What `encodeHiddenKeys` wrote. Anybody can write records: bytes that are nothing of the kind have no further keys. */
export function decodeHiddenKeys(bytes: Buffer, start: number, end: number): readonly string[] {
  if (end <= start) return NO_KEYS;
  const keys: string[] = [];
  for (let at = start; at + LENGTH_BYTES <= end; ) {
    const keyStart = at + LENGTH_BYTES;
    at = keyStart + bytes.readUInt32BE(keyStart - LENGTH_BYTES);
    if (at <= end) keys.push(bytes.toString('utf8', keyStart, at));
  }
  return keys;
}
