import { DamageError } from '../damage.ts';
import type { FileSystem } from '../filesystem.ts';
import { cleanedFileName, type SegmentInfo, segmentFileName } from './segment.ts';

/**
 * Makes the directory of a log what the table of the last snapshot says, before anything else is done with it:
 * finishes the replacement of a rewritten segment that the snapshot knows, and removes what it does not know. Nothing
 * needs to be durable for that: after another crash it would be done again.
 *
 * Resolves with the segments whose files are missing, by their base offsets: reading them has to fail, not the rest.
 */
export async function prepareLogDirectory(
  fs: FileSystem,
  directory: string,
  table: readonly SegmentInfo[],
): Promise<ReadonlyMap<number, DamageError>> {
  const missing = new Map<number, DamageError>();
  const names = new Set(await fs.list(directory));
  for (const info of table) {
    const name = segmentFileName(info.baseOffset);
    const cleaned = cleanedFileName(info);
    if (names.has(cleaned) && (await isTheRewritten(fs, directory, info))) {
      await fs.rename(`${directory}/${cleaned}`, `${directory}/${name}`);
      await fs.syncDirectory(directory);
      names.delete(cleaned);
      names.add(name);
    }
    if (!names.delete(name)) {
      const what = `the file is missing; it held the offsets ${info.baseOffset} to ${info.endOffset - 1}`;
      missing.set(info.baseOffset, new DamageError(`${directory}/${name}`, 0, what));
    }
  }
  for (const name of names) await fs.remove(`${directory}/${name}`);
  return missing;
}

/**
 * Whether the snapshot means the rewritten segment, which is there. It is smaller than the original, so that its size
 * tells; the end offset in its name says that it was made of the segment as the snapshot knows it.
 */
export async function isTheRewritten(fs: FileSystem, directory: string, info: SegmentInfo): Promise<boolean> {
  return (await sizeOf(fs, `${directory}/${cleanedFileName(info)}`)) === info.bytes;
}

async function sizeOf(fs: FileSystem, path: string): Promise<number> {
  const file = await fs.open(path, 'read');
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}
