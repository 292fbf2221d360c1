import { crc32c } from '../base/crc32c.ts';
import type { FileSystem } from './files/filesystem.ts';
import { isDiskFull } from './files/system-error.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * A file in `logs/` that says which snapshot its segments belong to: the block at which the newest durable one was taken, and
 * the CRC32C of that, as text. It is written after the snapshot and not synced, so that it is never newer than the
 * snapshot; a torn one tells nothing. An older snapshot put over newer segments shows by it.
 */
const NAME = 'newest-snapshot';
const BLOCK_DIGITS = 16;

function pathIn(dataDirectory: string): string {
  return `${dataDirectory}/logs/${NAME}`;
}

function encode(nextBlock: number): Buffer {
  const block = String(nextBlock).padStart(BLOCK_DIGITS, '0');
  return Buffer.from(`${block} ${crc32c(Buffer.from(block)).toString(16).padStart(8, '0')}\n`);
}

/** Something else stands in the place of the file. */
const IN_THE_WAY: ReadonlySet<string | undefined> = new Set(['EISDIR', 'ELOOP', 'ESPIPE', 'EACCES', 'EPERM']);

/** The snapshot is durable. What stands in the way here is no reason to fail: an older note, or none, does no harm. */
export async function noteNewestSnapshot(
  fs: FileSystem,
  dataDirectory: string,
  nextBlock: number,
): Promise<void> {
  const path = pathIn(dataDirectory);
  const isThere = (await fs.list(`${dataDirectory}/logs`)).includes(NAME);
  try {
    const file = await fs.open(path, isThere ? 'write' : 'create');
    try {
      await file.write([encode(nextBlock)], 0);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!isDiskFull(error) && !IN_THE_WAY.has((error as NodeJS.ErrnoException).code)) throw error;
  }
}

/** For whoever replaces the snapshot by one that knows less. */
export async function forgetNewestSnapshot(fs: FileSystem, dataDirectory: string): Promise<void> {
  await fs.remove(pathIn(dataDirectory));
}

/** Why the snapshot cannot be the one of these segments; null if it can. */
export async function whyOlder(
  fs: FileSystem,
  dataDirectory: string,
  { nextBlock }: Snapshot,
): Promise<string | null> {
  const newest = await readNewest(fs, pathIn(dataDirectory));
  if (newest === null || newest <= nextBlock) return null;
  return (
    `it is older than the segments in logs/: it was taken at block ${nextBlock - 1}, and they belong to one that was ` +
    `taken at block ${newest - 1}`
  );
}

/** Null if nothing can be told. */
async function readNewest(fs: FileSystem, path: string): Promise<number | null> {
  const bytes = Buffer.alloc(BLOCK_DIGITS + 10);
  try {
    const file = await fs.open(path, 'read');
    try {
      await file.read(bytes, 0);
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
  const nextBlock = Number(bytes.toString('latin1', 0, BLOCK_DIGITS));
  return Number.isSafeInteger(nextBlock) && bytes.equals(encode(nextBlock)) ? nextBlock : null;
}
