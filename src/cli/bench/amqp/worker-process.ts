/** The main module of a forked share of a run: obeys the verbs of its parent, one at a time, and dies with it. */

import { Load } from './worker.ts';
import type { FromLoad, ToLoad } from './workers.ts';

let load: Load | undefined;
let turn: Promise<void> = Promise.resolve();

function tell(message: FromLoad): void {
  process.send?.(message);
}

process.on('message', (message: ToLoad) => {
  if ('share' in message) {
    load = new Load(message.share, (error) => tell({ failure: error.message }));
    return;
  }
  turn = turn.then(() => obey(message));
});

process.on('disconnect', () => process.exit());

async function obey(message: Exclude<ToLoad, { share: unknown }>): Promise<void> {
  if (load === undefined) throw new Error('a verb came before the share');
  try {
    const { verb, count } = message;
    const reply =
      verb === 'startPublishing'
        ? await load.startPublishing(count ?? Number.POSITIVE_INFINITY)
        : await load[verb]();
    tell({ reply });
  } catch (error) {
    tell({ error: (error as Error).message });
  }
}
