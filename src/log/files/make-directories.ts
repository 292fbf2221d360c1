import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory, and those above it that are not there. Not by Node's `recursive`: where a directory is there and
 * takes no other (`/proc`), that tries again without end, in a thread that nothing stops.
 */
export async function makeDirectories(path: string, mode: number): Promise<void> {
  if (await makeDirectory(path, mode)) return;
  const above = dirname(path);
  if (above !== path && !(await isDirectory(above))) await makeDirectories(above, mode);
  // Somebody else may have made the one above between the two.
  if (!(await makeDirectory(path, mode))) throw noDirectories(path);
}

/** False if there is no directory that it could be in. */
async function makeDirectory(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    if (!(await isDirectory(path))) throw error;
  }
  return true;
}

function noDirectories(path: string): Error {
  return new Error(
    `cannot make the directory '${path}': '${dirname(path)}' is there, and takes no new directories; choose another place`,
  );
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
