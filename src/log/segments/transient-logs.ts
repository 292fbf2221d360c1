import type { Scheduler } from '../../base/scheduler.ts';
import type { FileSystem } from '../files/filesystem.ts';
import { isDiskFull } from '../files/system-error.ts';

/**
 * Logs that do not survive a restart have their segments in one directory, so that a start has one thing to move out of the
 * way, however many they were:
 *
 *     logs/transient-logs/<log id>/        of this run
 *     logs/transient-gone-<n>/             of an earlier one: deleted beside everything else
 *     logs/transient-gone-<n>/<log id>/    or of logs that were deleted
 */
export const TRANSIENT_DIRECTORY = 'transient-logs';
const GONE = 'transient-gone-';
/** Older versions had one directory for each log, with such a name. */
const PREFIX = 'transient-';

/** Directories of logs that are deleted at once, and how long others then have the disk. */
const STEP_LOGS = 4;
const STEP_PAUSE_MS = 10;

/**
 * At the start: moves the directories of logs that were deleted, and what an earlier run has left of others out of the way.
 * That takes a fraction of the time of deleting them. Resolves with the paths of what can be deleted now.
 */
export async function moveGoneAway(
  fs: FileSystem,
  root: string,
  logs: readonly string[],
): Promise<readonly string[]> {
  const names = (await fs.list(root)).filter((name) => name.startsWith(PREFIX));
  const gone = names.filter((name) => name !== TRANSIENT_DIRECTORY);
  let number = 0;
  const nextName = () => {
    do number++;
    while (names.includes(`${GONE}${number}`));
    gone.push(`${GONE}${number}`);
    return `${root}/${GONE}${number}`;
  };
  if (names.length > gone.length) await fs.rename(`${root}/${TRANSIENT_DIRECTORY}`, nextName());
  if (logs.length > 0 && !(await moveAll(fs, root, logs, nextName()))) {
    for (const log of logs) await fs.remove(`${root}/${log}`);
  }
  // A later snapshot will not say any more that they were deleted.
  if (number > 0) await fs.syncDirectory(root);
  return gone.map((name) => `${root}/${name}`);
}

/** False if the disk is too full for that: deleting takes no space. */
async function moveAll(fs: FileSystem, root: string, logs: readonly string[], to: string): Promise<boolean> {
  try {
    await fs.makeDirectory(to);
    for (const log of logs) await fs.rename(`${root}/${log}`, `${to}/${log}`);
    await fs.syncDirectory(to);
    return true;
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    return false;
  }
}

/**
 * Deletes them a little at a time. What is not deleted before the stop, or cannot be, is there for the next start.
 */
export class GoneLogs {
  readonly #fs: FileSystem;
  readonly #scheduler: Scheduler;
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(fs: FileSystem, scheduler: Scheduler) {
    this.#fs = fs;
    this.#scheduler = scheduler;
  }

  /** `onFailure` is told of what cannot be deleted. */
  delete(paths: readonly string[], onFailure: (error: Error) => void): void {
    if (paths.length > 0) this.#running = this.#delete(paths).catch(onFailure);
  }

  abandon(): void {
    this.#isStopped = true;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #delete(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      let count = 0;
      for (const name of await this.#fs.list(path)) {
        if (this.#isStopped) return;
        await this.#fs.remove(`${path}/${name}`);
        if (++count % STEP_LOGS === 0) await this.#pause();
      }
      if (this.#isStopped) return;
      await this.#fs.remove(path);
      await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#scheduler.after(STEP_PAUSE_MS, resolve));
  }
}
