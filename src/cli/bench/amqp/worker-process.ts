/** The main module of a worker in its own process: obeys the verbs of its parent, one at a time, and ends with it. */
import { Worker } from './worker.ts';
import type { FromWorker, ToWorker } from './workers.ts';

let worker: Worker | undefined;
let turn: Promise<void> = Promise.resolve();

function tell(message: FromWorker): void {
  process.send?.(message);
}

process.on('message', (message: ToWorker) => {
  if ('share' in message) {
    worker = new Worker(message.share, (error) => tell({ failure: error.message }));
    return;
  }
  turn = turn.then(() => obey(message));
});

process.on('disconnect', () => process.exit());

async function obey(message: Exclude<ToWorker, { share: unknown }>): Promise<void> {
  if (worker === undefined) throw new Error('a verb came before the share');
  try {
    const { verb, count } = message;
    const reply =
      verb === 'startPublishing'
        ? await worker.startPublishing(count ?? Number.POSITIVE_INFINITY)
        : await worker[verb]();
    tell({ reply });
  } catch (error) {
    tell({ error: (error as Error).message });
  }
}
