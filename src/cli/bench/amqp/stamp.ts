/**
 * The first bytes of a body that is large enough:
 *
 *   0                        8           10                     16
 *   time uint64, monotonic µs | publisher | sequence number uint48 | filler …
 */
export const stampLayout = { micros: 0, publisher: 8, sequence: 10, bytes: 16 } as const;

export const PUBLISHERS_MAX = 0xffff;
