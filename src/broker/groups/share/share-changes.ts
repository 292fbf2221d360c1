/** What has changed on a share partition, and the journal does not know yet. */
export class ShareChanges {
  /** What is done with: from, to, from, to, ... */
  settled: number[] = [];
  /** How often records failed: offset, count, offset, count, ... */
  counts: number[] = [];

  get isEmpty(): boolean {
    return this.settled.length + this.counts.length === 0;
  }

  settle(from: number, to: number): void {
    const ranges = this.settled;
    const last = ranges.length - 1;
    if (last > 0 && ranges[last] === from) ranges[last] = to;
    else ranges.push(from, to);
  }

  /** What there was; nothing is left. */
  take(): { readonly settled: readonly number[]; readonly counts: readonly number[] } {
    const { settled, counts } = this;
    this.settled = [];
    this.counts = [];
    return { settled, counts };
  }
}
