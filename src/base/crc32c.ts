import { createRequire } from 'node:module';

/**
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4), the checksum of Kafka's record batches and of everything else
 * that we keep on disk. Native where the platform has a prebuilt binary, a table otherwise: slower by an order
 * of magnitude, but the same numbers, so that a data directory can move between machines.
 */
export type Crc32c = (bytes: Uint8Array, previous?: number) => number;

const TABLE = makeTable();

function makeTable(): Int32Array {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) {
      // 0x82f63b78 is the polynomial 0x1edc6f41 with its bits reversed.
      crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
    }
    table[byte] = crc;
  }
  return table;
}

export function crc32cByTable(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous;
  for (let at = 0; at < bytes.length; at++) {
    crc = TABLE[(crc ^ bytes[at]) & 0xff] ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

function load(): Crc32c {
  try {
    // By require, because a platform without the binary must be a fall-back here and not a failed import.
    const native = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c: Crc32c };
    return native.crc32c;
  } catch {
    return crc32cByTable;
  }
}

/** The checksum of `bytes`, continuing from `previous` (the checksum of what comes before them). Unsigned. */
export const crc32c: Crc32c = load();
