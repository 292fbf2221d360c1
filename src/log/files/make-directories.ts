import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory, and those above it that are not there. Not by Node's `recursive`: where a directory is there and
 * takes no other (`/proc`), that tries again without end, in a thread that nothing stops.
 */
export async function makeDirectories(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(path) !== path && !(await isDirectory(dirname(path)))) {
      await makeDirectories(dirname(path), mode);
      await makeDirectories(path, mode);
    } else if (code === 'ENOENT') {
      throw noDirectories(path, error);
    } else if (!(await isDirectory(path))) {
      throw error;
    }
  }
}

function noDirectories(path: string, cause: unknown): Error {
  return new Error(
    `cannot make the directory '${path}': '${dirname(path)}' is there, and takes no new directories; choose another place`,
    { cause },
  );
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
