/** A transaction whose records a reader of what is committed leaves out, up to its end. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Of the record that ends it. */
  readonly lastOffset: number;
}

interface Aborted extends AbortedTransaction {
  /** All that was below this offset when it ended was decided: younger transactions do not begin there. */
  readonly stableOffset: number;
}

/** The aborted transactions of a partition, in the order of their ends. */
export class AbortedTransactions {
  #transactions: Aborted[] = [];

  get count(): number {
    return this.#transactions.length;
  }

  add(producerId: number, firstOffset: number, lastOffset: number, stableOffset: number): void {
    this.#transactions.push({ producerId, firstOffset, lastOffset, stableOffset });
  }

  /** Those with something in the offsets from `from` to below `below`. */
  between(from: number, below: number): AbortedTransaction[] {
    const found: AbortedTransaction[] = [];
    for (let index = this.#firstEndingAt(from); index < this.#transactions.length; index++) {
      const transaction = this.#transactions[index];
      if (transaction.firstOffset < below) found.push(transaction);
      if (transaction.stableOffset >= below) break;
    }
    return found;
  }

  /** Offsets below this one are gone. */
  trim(start: number): void {
    const count = this.#firstEndingAt(start);
    if (count > 0) this.#transactions.splice(0, count);
  }

  state(): (readonly [number, number, number, number])[] {
    return this.#transactions.map((each) => [
      each.producerId,
      each.firstOffset,
      each.lastOffset,
      each.stableOffset,
    ]);
  }

  #firstEndingAt(offset: number): number {
    let low = 0;
    let high = this.#transactions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#transactions[middle].lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
