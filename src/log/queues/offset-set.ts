/**
 * A set of offsets, dense or nearly so: what is acknowledged beyond the head of a queue or of a share group.
 *
 * Offsets are held in chunks of 4096: absent, a bitmap with its count, or full. One lookup of a chunk and one of a
 * word answer every question, in whatever order offsets come; a run of a million offsets takes 245 full
 * chunks and no bitmap. Bitmaps of chunks that are done are used again, so that a set in steady use allocates nothing.
 *
 *     floor                                                   chunk number = floor(offset / 4096)
 *       |
 *     --+-----+-----------+-----------+-----------+--
 *       | #.##| ##########| ..#.#.... |  absent   |           bit = offset mod 4096, in 128 words of 32
 *     --+-----+-----------+-----------+-----------+--
 *        bitmap   full       bitmap
 */

const CHUNK_OFFSETS = 4096;
const CHUNK_WORDS = CHUNK_OFFSETS / 32;
const SPARE_BITMAPS_MAX = 16;

interface Chunk {
  /** Null when every offset of the chunk is in the set. */
  bits: Int32Array | null;
  count: number;
}

function popcount(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** The bits [low, high) of a word, 0 <= low < high <= 32. */
function mask(low: number, high: number): number {
  return (-1 << low) & (-1 >>> (32 - high));
}

/** How many bits of [low, high) are set in a chunk. */
function countBits(bits: Int32Array, low: number, high: number): number {
  let count = 0;
  while (low < high) {
    const word = low >>> 5;
    const wordEnd = Math.min((word + 1) << 5, high);
    count += popcount(bits[word] & mask(low & 31, wordEnd - (word << 5)));
    low = wordEnd;
  }
  return count;
}

/** The first bit at or after `from` that is set (`wanted` true) or clear; CHUNK_OFFSETS if there is none. */
function findBit(bits: Int32Array, from: number, wanted: boolean): number {
  const flip = wanted ? 0 : -1;
  let word = from >>> 5;
  let found = (bits[word] ^ flip) & (-1 << (from & 31));
  while (found === 0) {
    if (++word === CHUNK_WORDS) return CHUNK_OFFSETS;
    found = bits[word] ^ flip;
  }
  return (word << 5) + 31 - Math.clz32(found & -found);
}

export class OffsetSet {
  readonly #chunks = new Map<number, Chunk>();
  readonly #spareBitmaps: Int32Array[] = [];
  /** Nothing below is in the set, or will be. Bits below it may still be set in the chunk that holds it. */
  #floor = 0;
  #size = 0;
  /** The chunk of the last look-up: neighbours are mostly asked for together. */
  #lastNumber = -1;
  #lastChunk: Chunk | undefined;

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds [from, to), but for what lies below the point that `removeBelow` was last called with. */
  add(from: number, to: number): void {
    if (from < this.#floor) from = this.#floor;
    while (from < to) {
      const number = Math.floor(from / CHUNK_OFFSETS);
      const start = number * CHUNK_OFFSETS;
      const end = Math.min(to, start + CHUNK_OFFSETS);
      this.#addToChunk(number, from - start, end - start);
      from = end;
    }
  }

  has(offset: number): boolean {
    if (offset < this.#floor) return false;
    const number = Math.floor(offset / CHUNK_OFFSETS);
    const chunk = this.#chunk(number);
    if (chunk === undefined) return false;
    if (chunk.bits === null) return true;
    const bit = offset - number * CHUNK_OFFSETS;
    return (chunk.bits[bit >>> 5] & (1 << (bit & 31))) !== 0;
  }

  /** The first offset at or after `from` that is not in the set. */
  nextMissing(from: number): number {
    if (from < this.#floor) return from;
    for (;;) {
      const number = Math.floor(from / CHUNK_OFFSETS);
      const chunk = this.#chunk(number);
      if (chunk === undefined) return from;
      const start = number * CHUNK_OFFSETS;
      if (chunk.bits !== null) {
        const bit = findBit(chunk.bits, from - start, false);
        if (bit < CHUNK_OFFSETS) return start + bit;
      }
      from = start + CHUNK_OFFSETS;
    }
  }

  /** Forgets all offsets below `offset`, and those that might still be added there. */
  removeBelow(offset: number): void {
    if (offset <= this.#floor) return;
    if (this.#size > 0) this.#size -= this.countIn(this.#floor, offset);
    const firstKept = Math.floor(offset / CHUNK_OFFSETS);
    const first = Math.floor(this.#floor / CHUNK_OFFSETS);
    this.#floor = offset;
    if (firstKept === first) return;
    if (firstKept - first <= this.#chunks.size) {
      for (let number = first; number < firstKept; number++) this.#forget(number);
    } else {
      for (const number of this.#chunks.keys()) if (number < firstKept) this.#forget(number);
    }
  }

  /** How many offsets of [from, to) are in the set. */
  countIn(from: number, to: number): number {
    if (from < this.#floor) from = this.#floor;
    if (from >= to || this.#size === 0) return 0;
    const first = Math.floor(from / CHUNK_OFFSETS);
    const last = Math.floor((to - 1) / CHUNK_OFFSETS);
    let count = 0;
    if (last - first < this.#chunks.size) {
      for (let number = first; number <= last; number++) {
        const chunk = this.#chunks.get(number);
        if (chunk !== undefined) count += this.#countInChunk(number, chunk, from, to);
      }
    } else {
      for (const [number, chunk] of this.#chunks) {
        if (number >= first && number <= last) count += this.#countInChunk(number, chunk, from, to);
      }
    }
    return count;
  }

  /** All of the set, in order, as the fewest half-open ranges. The set must not change meanwhile. */
  *ranges(): Generator<readonly [number, number]> {
    const numbers = [...this.#chunks.keys()].sort((a, b) => a - b);
    let from = -1;
    let to = -1;
    for (const number of numbers) {
      const bits = this.#chunks.get(number)?.bits ?? null;
      const start = number * CHUNK_OFFSETS;
      let bit = Math.max(this.#floor - start, 0);
      while (bit < CHUNK_OFFSETS) {
        if (bits !== null) bit = findBit(bits, bit, true);
        if (bit === CHUNK_OFFSETS) break;
        const end = bits === null ? CHUNK_OFFSETS : findBit(bits, bit, false);
        if (start + bit !== to) {
          if (from >= 0) yield [from, to];
          from = start + bit;
        }
        to = start + end;
        bit = end;
      }
    }
    if (from >= 0) yield [from, to];
  }

  #chunk(number: number): Chunk | undefined {
    if (number === this.#lastNumber) return this.#lastChunk;
    const chunk = this.#chunks.get(number);
    this.#lastNumber = number;
    this.#lastChunk = chunk;
    return chunk;
  }

  #addToChunk(number: number, low: number, high: number): void {
    const chunk = this.#chunk(number) ?? this.#newChunk(number);
    const bits = chunk.bits;
    if (bits === null) return;
    let added = 0;
    while (low < high) {
      const word = low >>> 5;
      const wordEnd = Math.min((word + 1) << 5, high);
      const wanted = mask(low & 31, wordEnd - (word << 5));
      added += popcount(wanted & ~bits[word]);
      bits[word] |= wanted;
      low = wordEnd;
    }
    this.#size += added;
    chunk.count += added;
    if (chunk.count === CHUNK_OFFSETS) {
      chunk.bits = null;
      this.#spare(bits);
    }
  }

  #countInChunk(number: number, chunk: Chunk, from: number, to: number): number {
    const start = number * CHUNK_OFFSETS;
    const low = Math.max(from - start, 0);
    const high = Math.min(to - start, CHUNK_OFFSETS);
    if (chunk.bits === null) return high - low;
    if (low === 0 && high === CHUNK_OFFSETS) return chunk.count;
    return countBits(chunk.bits, low, high);
  }

  #newChunk(number: number): Chunk {
    const chunk: Chunk = { bits: this.#spareBitmaps.pop()?.fill(0) ?? new Int32Array(CHUNK_WORDS), count: 0 };
    this.#chunks.set(number, chunk);
    this.#lastNumber = number;
    this.#lastChunk = chunk;
    return chunk;
  }

  #forget(number: number): void {
    const chunk = this.#chunks.get(number);
    if (chunk === undefined) return;
    this.#chunks.delete(number);
    if (chunk.bits !== null) this.#spare(chunk.bits);
    if (number === this.#lastNumber) this.#lastChunk = undefined;
  }

  #spare(bits: Int32Array): void {
    if (this.#spareBitmaps.length < SPARE_BITMAPS_MAX) this.#spareBitmaps.push(bits);
  }
}
