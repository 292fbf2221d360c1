import type { Scheduler } from '../../base/scheduler.ts';
import type { FileSystem } from './filesystem.ts';

const RETRY_MS = 100;
/** Then it fails as ever: whoever waits for the file has waited long enough to be told. */
const WAIT_MS_MAX = 60_000;

/**
 * A file system in which what needs a descriptor waits while the process (EMFILE) or the machine (ENFILE) has none left:
 * nothing has been read or written yet, so nothing is lost by trying again for a minute. Whatever is wrong with a file that is open is
 * told as it is.
 *
 * `onShortage` is called when the first one has to wait, with its path, and with null when none waits any more.
 */
export function waitingForDescriptors(
  fs: FileSystem,
  scheduler: Pick<Scheduler, 'after'>,
  onShortage: (path: string | null) => void,
): FileSystem {
  let waiting = 0;

  async function retry<T>(path: string, run: () => Promise<T>): Promise<T> {
    if (waiting++ === 0) onShortage(path);
    try {
      for (let waitedMs = RETRY_MS; ; waitedMs += RETRY_MS) {
        await new Promise<void>((resolve) => scheduler.after(RETRY_MS, resolve));
        try {
          return await run();
        } catch (error) {
          if (!isShortage(error) || waitedMs >= WAIT_MS_MAX) throw error;
        }
      }
    } finally {
      if (--waiting === 0) onShortage(null);
    }
  }

  async function patiently<T>(path: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (!isShortage(error)) throw error;
      return await retry(path, run);
    }
  }

  return {
    open: (path, mode, options) => patiently(path, () => fs.open(path, mode, options)),
    list: (directory) => patiently(directory, () => fs.list(directory)),
    remove: (path) => patiently(path, () => fs.remove(path)),
    syncDirectory: (path) => patiently(path, () => fs.syncDirectory(path)),
    // These need none.
    makeDirectory: fs.makeDirectory.bind(fs),
    rename: fs.rename.bind(fs),
    freeBytes: fs.freeBytes.bind(fs),
  };
}

function isShortage(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EMFILE' || code === 'ENFILE';
}
