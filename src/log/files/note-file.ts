/**
 * Small files of the data directory that tell something and decide nothing: who holds the lock, where the control socket is. Whatever stands in
 * the place of one, nobody waits for it: a pipe is not read, and not written to.
 */
import { constants, type Stats } from 'node:fs';
import { open, unlink, writeFile } from 'node:fs/promises';
import { PRIVATE_FILE } from './private-files.ts';
import { systemError } from './system-error.ts';

/** Opening a pipe waits for its other end without it. Windows has none. */
const O_NONBLOCK = process.platform === 'win32' ? 0 : constants.O_NONBLOCK;

/** Longer than any of them. */
const NOTE_BYTES_MAX = 16 * 1024;

/** Null if there is none. @throws the system's error, EINVAL for what is no file: a pipe, a device */
export async function readNote(path: string): Promise<string | null> {
  try {
    const file = await open(path, constants.O_RDONLY | O_NONBLOCK);
    try {
      checkIsFile(await file.stat(), path);
      const bytes = Buffer.alloc(NOTE_BYTES_MAX);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      return bytes.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function checkIsFile(stats: Stats, path: string): void {
  if (stats.isDirectory()) throw systemError('EISDIR', 'read', path);
  if (!stats.isFile()) throw systemError('EINVAL', 'read', path);
}

/** In the place of whatever stands there, but for a directory. Only for whoever holds the lock of the data directory. */
export async function writeNote(path: string, text: string): Promise<void> {
  await removeNote(path);
  // A new file: what is there by now is not opened.
  await writeFile(path, text, { mode: PRIVATE_FILE, flag: 'wx' });
}

/** Whatever it is, but for a directory, which may hold something. Nothing is fine too. */
export async function removeNote(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
