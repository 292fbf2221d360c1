/**
 * MurmurHash3, the variant with 128 bits for 32-bit machines; 96 of them are given. Two of a hundred million keys have
 * the same value once in ten trillion runs. Writes three words to `into`.
 */
export function hashKey(bytes: Buffer, start: number, end: number, seed: number, into: Uint32Array): void {
  const length = end - start;
  const blocksEnd = start + (length & ~15);
  let a = seed;
  let b = seed;
  let c = seed;
  let d = seed;
  let at = start;
  for (; at < blocksEnd; at += 16) {
    a ^= Math.imul(rotate(Math.imul(word(bytes, at), C1), 15), C2);
    a = (Math.imul((rotate(a, 19) + b) | 0, 5) + 0x561ccd1b) | 0;
    b ^= Math.imul(rotate(Math.imul(word(bytes, at + 4), C2), 16), C3);
    b = (Math.imul((rotate(b, 17) + c) | 0, 5) + 0x0bcaa747) | 0;
    c ^= Math.imul(rotate(Math.imul(word(bytes, at + 8), C3), 17), C4);
    c = (Math.imul((rotate(c, 15) + d) | 0, 5) + 0x96cd1c35) | 0;
    d ^= Math.imul(rotate(Math.imul(word(bytes, at + 12), C4), 18), C1);
    d = (Math.imul((rotate(d, 13) + a) | 0, 5) + 0x32ac3b17) | 0;
  }
  if (at < end) {
    a ^= Math.imul(rotate(Math.imul(partOfWord(bytes, at, end), C1), 15), C2);
    b ^= Math.imul(rotate(Math.imul(partOfWord(bytes, at + 4, end), C2), 16), C3);
    c ^= Math.imul(rotate(Math.imul(partOfWord(bytes, at + 8, end), C3), 17), C4);
    d ^= Math.imul(rotate(Math.imul(partOfWord(bytes, at + 12, end), C4), 18), C1);
  }
  a ^= length;
  b ^= length;
  c ^= length;
  d ^= length;
  a = (a + b + c + d) | 0;
  b = (b + a) | 0;
  c = (c + a) | 0;
  d = (d + a) | 0;
  a = mixed(a);
  b = mixed(b);
  c = mixed(c);
  d = mixed(d);
  a = (a + b + c + d) | 0;
  into[0] = a;
  into[1] = b + a;
  into[2] = c + a;
}

const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function word(bytes: Buffer, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

/** As `word`, with zeros from `end` on. */
function partOfWord(bytes: Buffer, at: number, end: number): number {
  let value = 0;
  for (let index = Math.min(end, at + 4) - 1; index >= at; index--) value = (value << 8) | bytes[index];
  return value;
}

function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
