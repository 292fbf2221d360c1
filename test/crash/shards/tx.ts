import type { Failure } from '../power-cut.ts';
import { TxRun } from './tx-run.ts';

/** Cuts the power of three shards whose clients move messages in transactions. Null if each message was moved once. */
export async function cutTransactions(seed: number): Promise<Failure | null> {
  const run = new TxRun(seed);
  try {
    await run.run();
    return null;
  } catch (error) {
    return { seed, error, history: run.tail() };
  }
}
