import { posix } from 'node:path';
import type { FileSystem } from './filesystem.ts';

/** Below the data directory. Not `lost+found`: that is the file system's own where the directory is a volume's root. */
const DIRECTORY = 'set-aside';

/**
 * Moves a file or directory of `logs/` out of the broker's way, as nothing tells what it is; nobody but an operator
 * deletes it there. Resolves with its new path.
 */
export async function setAside(fs: FileSystem, dataDirectory: string, path: string): Promise<string> {
  const directory = `${dataDirectory}/${DIRECTORY}`;
  await fs.makeDirectory(directory);
  // Or a power cut could keep the renaming, and not the directory that it leads to.
  await fs.syncDirectory(dataDirectory);
  const taken = new Set(await fs.list(directory));
  const name = `logs-${posix.relative(`${dataDirectory}/logs`, path).replaceAll('/', '-')}`;
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name}.${number}`;
  await fs.rename(path, `${directory}/${free}`);
  await fs.syncDirectory(directory);
  await fs.syncDirectory(posix.dirname(path));
  return `${directory}/${free}`;
}

/** What starts have set aside, and nobody has deleted since. */
export interface SetAside {
  readonly directory: string;
  /** Files and directories. */
  readonly count: number;
  readonly bytes: number;
  /** Milliseconds since the epoch at which the oldest was written last; null where the file system does not tell. */
  readonly oldestMs: number | null;
}

export async function measureSetAside(fs: FileSystem, dataDirectory: string): Promise<SetAside> {
  const directory = `${dataDirectory}/${DIRECTORY}`;
  let bytes = 0;
  let oldestMs: number | null = null;
  const names = await fs.list(directory);
  const add = async (path: string): Promise<void> => {
    const file = await fs.open(path, 'read');
    try {
      bytes += await file.size();
      const modifiedMs = (await file.modifiedMs?.()) ?? null;
      if (modifiedMs !== null) oldestMs = Math.min(oldestMs ?? modifiedMs, modifiedMs);
    } finally {
      await file.close();
    }
  };
  for (const name of names) {
    const path = `${directory}/${name}`;
    // A file has no entries, and cannot be listed everywhere.
    const inside = await fs.list(path).catch(() => []);
    if (inside.length === 0) await add(path).catch(() => undefined);
    for (const each of inside) await add(`${path}/${each}`).catch(() => undefined);
  }
  return { directory, count: names.length, bytes, oldestMs };
}

/** Deletes all of it. */
export async function emptySetAside(fs: FileSystem, dataDirectory: string): Promise<void> {
  await fs.remove(`${dataDirectory}/${DIRECTORY}`);
  await fs.syncDirectory(dataDirectory);
}

/** Null if there is nothing. */
export function setAsideText({ directory, count, bytes, oldestMs }: SetAside, nowMs: number): string | null {
  if (count === 0) return null;
  const days = oldestMs === null ? '' : `, the oldest ${Math.floor((nowMs - oldestMs) / DAY_MS)} days old`;
  return (
    `${count} ${count === 1 ? 'file or directory that was' : 'files or directories that were'} set aside by earlier starts, ` +
    `${bytes} bytes${days}, are in ${directory}`
  );
}

const DAY_MS = 24 * 3_600_000;
