import { COLUMNS, checkContent, Difference, type Recovered } from './entry.ts';
import type { ModelQueue } from './model-queue.ts';

/** The broker was started again, after a stop or a crash, and has these: may it be so? From here on the model has them, too. */
export function adopt(queue: ModelQueue, found: readonly Recovered[], isClean: boolean): void {
  const had = [...queue.entries, ...queue.gone];
  const back = found.map(({ found: each, failures }) => {
    const entry = had.find(({ copy }) => copy === each.copy);
    if (entry === undefined) throw new Difference(`${queue.name} has ${each.copy} after a restart`);
    checkContent(queue.name, entry, each);
    const isRight = isClean ? failures === entry.failures : failures >= entry.safeFailures;
    if (!isRight || failures > entry.failures)
      throw new Difference(`${queue.name} forgot failures of ${entry.copy}`);
    entry.failures = failures;
    return entry;
  });
  if (isClean && back.some((entry) => queue.gone.includes(entry)))
    throw new Difference(`${queue.name} has what was gone`);
  for (const entry of queue.entries) {
    const must = isClean ? entry.message.isPersistent : entry.isSafe;
    if (must && !back.includes(entry)) throw new Difference(`${queue.name} has lost ${entry.copy}`);
  }
  back.forEach((entry, i) => {
    const before = back[i - 1];
    if (before !== undefined && before.level === entry.level && before.place > entry.place) {
      throw new Difference(`${queue.name} has ${before.copy} before ${entry.copy}`);
    }
    entry.state = 'ready';
    if (!isClean && entry.wasDelivered === false) entry.wasDelivered = null;
  });
  queue.entries = back;
  queue.leaving = [];
  queue.seen = queue.seen.filter((each) => each.isPersistent);
  queue.touch();
  for (const column of COLUMNS) queue.columns[column] = 0;
  queue.columns.recovered = back.length;
  queue.consumers.length = 0;
  queue.synced();
}
