/** Where new partitions are put: in the shard with the fewest of them, one after the other where several have as few. */
export class PartitionPlacement {
  readonly #counts: number[];
  #last: number;

  constructor(shards: number) {
    this.#counts = new Array<number>(shards).fill(0);
    this.#last = shards - 1;
  }

  get shards(): number {
    return this.#counts.length;
  }

  /** The shards of so many partitions that are to be made, in their order. */
  place(count: number): number[] {
    const counts = [...this.#counts];
    return Array.from({ length: count }, () => {
      let least = (this.#last + 1) % counts.length;
      for (let step = 2; step <= counts.length; step++) {
        const shard = (this.#last + step) % counts.length;
        if (counts[shard] < counts[least]) least = shard;
      }
      counts[least]++;
      this.#last = least;
      return least;
    });
  }

  changed(shard: number, difference: number): void {
    this.#counts[shard] += difference;
  }
}
