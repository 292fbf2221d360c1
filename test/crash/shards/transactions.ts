import type { Failure } from '../power-cut.ts';
import { TransactionsRun } from './transactions-run.ts';

/** Cuts the power of three shards whose clients write to partitions of all in Kafka's transactions. Null if all is right. */
export async function cutKafkaTransactions(seed: number): Promise<Failure | null> {
  const run = new TransactionsRun(seed);
  try {
    await run.run();
    return null;
  } catch (error) {
    return { seed, error, history: run.tail() };
  }
}
