/** Records that somebody was given: ranges of offsets, each with how often they were handed out, this time included. */
export class AcquiredRanges {
  readonly firsts: number[] = [];
  readonly lasts: number[] = [];
  readonly deliveries: number[] = [];
  count = 0;

  /** Offsets come in order. */
  add(offset: number, deliveries: number): void {
    this.count++;
    const end = this.lasts.length - 1;
    if (end >= 0 && this.lasts[end] === offset - 1 && this.deliveries[end] === deliveries) {
      this.lasts[end] = offset;
      return;
    }
    this.firsts.push(offset);
    this.lasts.push(offset);
    this.deliveries.push(deliveries);
  }
}
