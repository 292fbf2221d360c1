/**
 * Bytes of a value behind its type letter (`field-table.ts`), by the letter; what begins with its length has LENGTH_FIRST, and what is no
 * letter NO_LETTER.
 */
const LENGTH_FIRST = -1;
const NO_LETTER = -2;
const VALUE_BYTES = new Int8Array(256).fill(NO_LETTER);
for (const [letters, bytes] of [
  ['V', 0],
  ['tbB', 1],
  ['su', 2],
  ['Iif', 4],
  ['D', 5],
  ['lLdT', 8],
  ['SxFA', LENGTH_FIRST],
] as const) {
  for (const letter of letters) VALUE_BYTES[letter.charCodeAt(0)] = bytes;
}

/**
 * Whether the table whose length is at `at` has a field with one of these names; not those inside its tables. For each message: nothing is
 * decoded or made. The table was checked when it came.
 */
export function hasField(bytes: Buffer, at: number, names: readonly Buffer[]): boolean {
  const end = at + 4 + bytes.readUInt32BE(at);
  let position = at + 4;
  while (position < end) {
    const nameAt = position + 1;
    const nameBytes = bytes[position];
    for (let i = 0; i < names.length; i++) {
      if (names[i].length === nameBytes && isAt(bytes, nameAt, names[i])) return true;
    }
    const letterAt = nameAt + nameBytes;
    const valueBytes = VALUE_BYTES[bytes[letterAt]];
    if (valueBytes === NO_LETTER) return false;
    position =
      letterAt + 1 + (valueBytes === LENGTH_FIRST ? 4 + bytes.readUInt32BE(letterAt + 1) : valueBytes);
  }
  return false;
}

function isAt(bytes: Buffer, at: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
  return true;
}
