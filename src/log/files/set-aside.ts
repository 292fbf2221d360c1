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

/** What earlier starts have set aside, and nobody has deleted since. */
export async function countSetAside(fs: FileSystem, dataDirectory: string): Promise<number> {
  return (await fs.list(`${dataDirectory}/${DIRECTORY}`)).length;
}
