import { chmod, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Of what is in the data directory: messages, and hashes of passwords. Nobody but the broker's own user reads them. */
export const PRIVATE_FILE = 0o600;
export const PRIVATE_DIRECTORY = 0o700;

const OTHERS = 0o077;

/**
 * Takes from all other users what they may do with a directory and all that is in it, as earlier versions and restored
 * backups leave it. Returns how many files and directories that were. Where neither the directory nor what lies directly
 * in it is open to others, nobody else gets further in, and no more is looked at. @throws Error of the system
 */
export async function makePrivate(directory: string): Promise<number> {
  // Windows has no such modes: what a directory's list says there is inherited.
  if (process.platform === 'win32') return 0;
  const paths = [directory, ...(await entriesOf(directory))];
  const isOpen = await Promise.all(paths.map(isOpenToOthers));
  return isOpen.includes(true) ? await closeToOthers(directory) : 0;
}

/** `makePrivate` at the start of a broker. What another user owns cannot be changed: it runs, and says so. */
export async function keepPrivate(
  directory: string,
  log: { warn(fields: object, message: string): void },
): Promise<void> {
  try {
    const count = await makePrivate(directory);
    if (count === 0) return;
    log.warn(
      { directory, count },
      'files of the data directory were open to other users; they are not any more',
    );
  } catch (error) {
    log.warn({ directory, err: error }, 'other users may be able to read files of the data directory');
  }
}

async function closeToOthers(path: string): Promise<number> {
  const stats = await lstat(path);
  // What a link leads to is not ours to change.
  if (stats.isSymbolicLink()) return 0;
  let count = 0;
  if ((stats.mode & OTHERS) !== 0) {
    await chmod(path, stats.mode & 0o777 & ~OTHERS);
    count++;
  }
  if (!stats.isDirectory()) return count;
  for (const entry of await entriesOf(path)) count += await closeToOthers(entry);
  return count;
}

async function isOpenToOthers(path: string): Promise<boolean> {
  const stats = await lstat(path);
  return !stats.isSymbolicLink() && (stats.mode & OTHERS) !== 0;
}

async function entriesOf(directory: string): Promise<string[]> {
  return (await readdir(directory)).map((name) => join(directory, name));
}
