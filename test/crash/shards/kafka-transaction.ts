import { HistoryError } from '../expected-queue.ts';

/**
 * What its producer knows of a transaction. `ending`: the commit was asked for, and nobody has said what became of it; then all of it is
 * there, or nothing.
 */
export type Outcome = 'open' | 'ending' | 'committed' | 'aborted';

/** One transaction of the simulation, as its producer sees it. */
export class KafkaTransaction {
  /** Values begin with it. */
  readonly name: string;
  outcome: Outcome = 'open';
  /** Records that were answered, by the index of the partition. */
  readonly counts = new Map<number, number>();
  /** What it commits for its group; null if nothing. */
  offset: number | null = null;

  constructor(name: string) {
    this.name = name;
  }

  value(partition: number): string {
    return `${this.name}/${this.counts.get(partition) ?? 0}`;
  }

  answered(partition: number): void {
    this.counts.set(partition, (this.counts.get(partition) ?? 0) + 1);
  }
}

/** Whether the transaction is there for a reader of what is committed, who gets `visible` of each partition. Throws what is wrong. */
export function isThere(transaction: KafkaTransaction, visible: readonly (readonly string[])[]): boolean {
  const { name, counts, outcome } = transaction;
  const found = visible.map((values) => values.filter((value) => value.startsWith(`${name}/`)));
  const count = found.reduce((sum, { length }) => sum + length, 0);
  if (count === 0 && (outcome !== 'committed' || counts.size === 0)) return false;
  if (outcome === 'aborted' || outcome === 'open')
    throw new HistoryError(`transaction ${name} is ${outcome}, and ${count} of its records can be read`);
  for (const [partition, values] of found.entries()) {
    const expected = Array.from({ length: counts.get(partition) ?? 0 }, (_, index) => `${name}/${index}`);
    if (values.join() === expected.join()) continue;
    throw new HistoryError(
      `transaction ${name} is ${outcome}: partition ${partition} has [${values.join()}] of it, not [${expected.join()}]`,
    );
  }
  return true;
}

/** As `isThere`, of all; the committed offset of their group has to be that of one that is there, and none behind it is. */
export function compareTransactions(
  transactions: readonly KafkaTransaction[],
  visible: readonly (readonly string[])[],
  committed: number | null,
): void {
  for (const transaction of transactions) {
    const { offset, outcome, name, counts } = transaction;
    const wasCommitted = isThere(transaction, visible);
    if (offset === null || counts.size === 0) continue;
    if (wasCommitted && (committed === null || committed < offset))
      throw new HistoryError(`transaction ${name} is there, but its offset ${offset} is not: ${committed}`);
    if (!wasCommitted && committed === offset)
      throw new HistoryError(`transaction ${name} is not there (${outcome}), but its offset ${offset} is`);
  }
}
