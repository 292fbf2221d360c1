import type { Durability } from '../../../src/log/journal/journal-files.ts';
import type { Failure } from '../power-cut.ts';
import { TransactionsRun } from './transactions-run.ts';

/** Cuts the power of three shards whose clients write to partitions of all in Kafka's transactions. Null if all is right. */
export async function cutKafkaTransactions(seed: number, durability?: Durability): Promise<Failure | null> {
  const run = new TransactionsRun(seed, durability);
  try {
    await run.run();
    return null;
  } catch (error) {
    return { seed, error, history: run.tail() };
  }
}
