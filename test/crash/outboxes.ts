import { OutboxRun } from './outbox-run.ts';
import type { Failure } from './power-cut.ts';

/** Sends messages between shards whose links and disks fail. Null if each arrived once, in order, and nothing was split. */
export async function runOutboxes(seed: number): Promise<Failure | null> {
  // Every eighth: a disk that forgets what it has confirmed.
  const run = new OutboxRun(seed, seed % 8 === 0);
  try {
    await run.run();
    return null;
  } catch (error) {
    return { seed, error, history: run.tail() };
  }
}
