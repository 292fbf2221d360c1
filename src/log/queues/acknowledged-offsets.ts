import { OffsetSet } from './offset-set.ts';

/**
 * The acknowledged offsets of a queue, or of a share group on a stream.
 *
 *     0 ............. head ....................................
 *     | acknowledged  | not acknowledged, but for ranges beyond |
 */
export class AcknowledgedOffsets {
  /** Everything below is acknowledged; the offset itself is not. */
  head = 0;
  readonly beyond = new OffsetSet();

  has(offset: number): boolean {
    return offset < this.head || this.beyond.has(offset);
  }

  /** The first offset from `from` on that is not acknowledged. */
  next(from: number): number {
    if (from < this.head) from = this.head;
    return this.beyond.isEmpty ? from : this.beyond.nextMissing(from);
  }

  /** How many of [from, to) are not acknowledged. */
  missingIn(from: number, to: number): number {
    const start = Math.max(from, this.head);
    return start >= to ? 0 : to - start - this.beyond.countIn(start, to);
  }

  /** [from, to) is acknowledged; parts of it may have been before. True if the head moved. */
  add(from: number, to: number): boolean {
    if (from >= to) return false;
    if (from > this.head) {
      this.beyond.add(from, to);
      return false;
    }
    if (to > this.head) this.head = to;
    if (!this.beyond.isEmpty) {
      this.head = this.beyond.nextMissing(this.head);
      this.beyond.removeBelow(this.head);
    }
    return true;
  }

  /** The ranges beyond the head: from, to, from, to, ... */
  state(): number[] {
    const ranges: number[] = [];
    for (const [from, to] of this.beyond.ranges()) ranges.push(from, to);
    return ranges;
  }

  /** The opposite of `state`, on a new one. */
  load(head: number, ranges: readonly number[]): void {
    this.head = head;
    for (let i = 0; i < ranges.length; i += 2) this.beyond.add(ranges[i], ranges[i + 1]);
  }
}
