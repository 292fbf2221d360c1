import { posix } from 'node:path';
import { BATCH_HEADER_BYTES } from '../../records/batch-layout.ts';
import { blankBatch } from '../../records/batch-writer.ts';
import type { File, FileSystem } from '../files/filesystem.ts';
import { openIfReadable, readAround } from './lenient-read.ts';
import type { CorruptRange } from './segment-check.ts';

const COPY_BYTES = 1024 * 1024;
/** What cannot be read stays beside the segment under this name. */
const ASIDE = '.cut';

/**
 * Puts a blank batch in the place of a corrupt range and makes that durable, so that the rest of the segment can be read
 * again and every batch of it stays where the snapshot and its neighbours expect it. What was there is gone for good:
 * the offsets that the range names.
 */
export async function repairSegment(fs: FileSystem, range: CorruptRange): Promise<void> {
  const { path, position, bytes, fromOffset } = range;
  if (range.isUnreadable) await replaceUnreadable(fs, path, position + bytes);
  const file = await openOrCreate(fs, path);
  try {
    if (bytes < BATCH_HEADER_BYTES) {
      // Only at the end of a file of which no snapshot says how long it should be.
      await file.truncate(position);
    } else {
      await file.write([blankBatch(fromOffset, Math.max(range.toOffset, fromOffset + 1), bytes)], position);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Another file takes the place of one with bad sectors, with what can be read of it and zeros for the rest: a write beside
 * a bad sector fails, as the system reads the rest of the page first.
 */
async function replaceUnreadable(fs: FileSystem, path: string, end: number): Promise<void> {
  const directory = posix.dirname(path);
  const names = await fs.list(directory);
  // It has another place of that kind, and was replaced for the first one.
  if (names.includes(`${posix.basename(path)}${ASIDE}`)) return;
  const copyPath = `${path}.copy`;
  await fs.remove(copyPath);
  const copy = await fs.open(copyPath, 'create');
  try {
    await copyReadable(fs, path, copy, end);
    await copy.sync();
  } finally {
    await copy.close();
  }
  await fs.rename(path, `${path}${ASIDE}`);
  await fs.rename(copyPath, path);
  await fs.syncDirectory(directory);
}

export async function copyReadable(fs: FileSystem, path: string, copy: File, least: number): Promise<void> {
  const source = await openIfReadable(fs, path);
  try {
    const size = typeof source === 'string' || source === null ? 0 : await source.size();
    const end = Math.max(size, least);
    for (let position = 0; position < end; position += COPY_BYTES) {
      const bytes = Buffer.alloc(Math.min(COPY_BYTES, end - position));
      if (typeof source !== 'string' && source !== null) await readAround(source, bytes, position);
      await copy.write([bytes], position);
    }
  } finally {
    if (typeof source !== 'string') await source?.close();
  }
}

async function openOrCreate(fs: FileSystem, path: string): Promise<File> {
  try {
    return await fs.open(path, 'write');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const directory = posix.dirname(path);
  await fs.makeDirectory(directory);
  const file = await fs.open(path, 'create');
  await fs.syncDirectory(directory);
  await fs.syncDirectory(posix.dirname(directory));
  return file;
}
