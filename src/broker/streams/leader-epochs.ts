/**
 * At which offset each epoch began in which something was appended. An epoch is one run of the broker: a client that
 * read in an older one asks where that ended, to see whether what it read is still what is there (KIP-101, KIP-320).
 */
export class LeaderEpochs {
  /** Epoch and start offset, in pairs, both growing. */
  readonly #pairs: number[] = [];

  /** A batch of this epoch begins at `offset`. */
  appended(epoch: number, offset: number): void {
    const pairs = this.#pairs;
    if (pairs.length > 0 && pairs[pairs.length - 2] >= epoch) return;
    pairs.push(epoch, offset);
  }

  /**
   * The largest known epoch that is `epoch` or less, and where it ended; null for an epoch before all that is known.
   * `current` is the one that runs, and `end` where the log ends.
   */
  endOf(
    epoch: number,
    current: number,
    end: number,
  ): { readonly epoch: number; readonly endOffset: number } | null {
    if (epoch > current) return null;
    if (epoch === current) return { epoch, endOffset: end };
    const pairs = this.#pairs;
    let found: number | null = null;
    for (let i = 0; i < pairs.length; i += 2) {
      if (pairs[i] > epoch) {
        return found === null ? null : { epoch: found, endOffset: pairs[i + 1] };
      }
      found = pairs[i];
    }
    return found === null ? null : { epoch: found, endOffset: end };
  }

  /** Where the epoch that runs began; `end`, where the log ends, if nothing was appended in it. */
  startOf(current: number, end: number): number {
    const pairs = this.#pairs;
    return pairs.length > 0 && pairs[pairs.length - 2] === current ? pairs[pairs.length - 1] : end;
  }

  /** The epoch that the record at `offset` was appended in; `current` if that is not known. */
  at(offset: number, current: number): number {
    const pairs = this.#pairs;
    for (let i = pairs.length - 2; i >= 0; i -= 2) {
      if (pairs[i + 1] <= offset) return pairs[i];
    }
    return current;
  }

  /** What began before `start` is gone, but for the epoch that goes on there. */
  trim(start: number): void {
    const pairs = this.#pairs;
    while (pairs.length > 2 && pairs[3] <= start) pairs.splice(0, 2);
    if (pairs.length > 0 && pairs[1] < start) pairs[1] = start;
  }

  state(): readonly number[] {
    return this.#pairs;
  }

  load(pairs: readonly number[]): void {
    this.#pairs.length = 0;
    for (const each of pairs) this.#pairs.push(each);
  }
}
