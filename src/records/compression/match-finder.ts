const HASH_BITS = 14;
const MULTIPLIER = 0x9e3779b1 | 0;
/** After so many failures in a row (a power of two) the search goes on in longer steps: noise is passed over quickly. */
const SKIP_SHIFT = 5;

/** Shorter repetitions are not looked for; both formats have codes for four bytes and more. */
export const MATCH_BYTES_MIN = 4;

/** Takes literal bytes, then a repetition of `count` bytes from `distance` before; none if `count` is 0: the end. */
export type StepWriter = (literalStart: number, literalEnd: number, distance: number, count: number) => void;

/**
 * Finds repetitions in `[start, end)`, greedily, by the last place where four equal bytes were: what LZ4 and Snappy have
 * in common. No repetition begins at or after `lastStart`, goes on behind `lastEnd`, or reaches back further than
 * `distanceMax` or before `start`.
 */
export class MatchFinder {
  readonly #places = new Int32Array(1 << HASH_BITS);

  find(
    source: Buffer,
    start: number,
    end: number,
    limits: { readonly lastStart: number; readonly lastEnd: number; readonly distanceMax: number },
    write: StepWriter,
  ): void {
    const places = this.#places;
    const { lastStart, lastEnd, distanceMax } = limits;
    places.fill(-1);
    let literalStart = start;
    let at = start;
    let failures = 1 << SKIP_SHIFT;
    while (at < lastStart) {
      const word = wordAt(source, at);
      const slot = Math.imul(word, MULTIPLIER) >>> (32 - HASH_BITS);
      const place = places[slot];
      places[slot] = at;
      if (place < 0 || at - place > distanceMax || wordAt(source, place) !== word) {
        at += failures++ >> SKIP_SHIFT;
        continue;
      }
      let matchEnd = at + MATCH_BYTES_MIN;
      const distance = at - place;
      while (matchEnd < lastEnd && source[matchEnd] === source[matchEnd - distance]) matchEnd++;
      write(literalStart, at, distance, matchEnd - at);
      at = matchEnd;
      literalStart = matchEnd;
      failures = 1 << SKIP_SHIFT;
    }
    write(literalStart, end, 0, 0);
  }
}

function wordAt(source: Buffer, at: number): number {
  return source[at] | (source[at + 1] << 8) | (source[at + 2] << 16) | (source[at + 3] << 24);
}
