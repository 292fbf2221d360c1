import { CorruptionError, readFailure } from '../corruption.ts';
import type { FileSystem } from '../files/filesystem.ts';
import { cleanedFileName, type SegmentInfo, segmentFileName } from './segment.ts';
import type { SegmentStore } from './segment-store.ts';

const SEGMENT_NAME = /^(\d{20})\.(log|\d+\.(\d+\.)?cleaned)$/;

/**
 * Makes the directory of a log what the table of the last snapshot says, before anything else is done with it:
 * finishes the replacement of a rewritten segment that the snapshot knows, and removes what it does not know, if it was
 * made for messages that the snapshot or the journal knows (all below `knownEnd`); anything else is set aside. Nothing needs to be durable for
 * that: after another crash it would be done again.
 *
 * Resolves with the segments whose files are missing, by their base offsets: reading them has to fail, not the rest.
 */
export async function prepareLogDirectory(
  store: SegmentStore,
  directory: string,
  table: readonly SegmentInfo[],
  knownEnd: number,
): Promise<ReadonlyMap<number, CorruptionError>> {
  const { fs } = store;
  const missing = new Map<number, CorruptionError>();
  const names = await namesIn(fs, directory);
  if (names instanceof CorruptionError) return new Map(table.map(({ baseOffset }) => [baseOffset, names]));
  for (const info of table) {
    const name = segmentFileName(info.baseOffset);
    const cleaned = cleanedFileName(info);
    try {
      if (names.has(cleaned) && (await isTheRewritten(fs, directory, info))) {
        await fs.rename(`${directory}/${cleaned}`, `${directory}/${name}`);
        await fs.syncDirectory(directory);
        names.delete(cleaned);
        names.add(name);
      }
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      // Which of the two is meant cannot be told: both stay.
      missing.set(info.baseOffset, error);
      names.delete(cleaned);
      names.delete(name);
      continue;
    }
    if (!names.delete(name)) {
      const what = `the file is missing; it held the offsets ${info.baseOffset} to ${info.endOffset - 1}`;
      missing.set(info.baseOffset, new CorruptionError(`${directory}/${name}`, 0, what));
    }
  }
  for (const name of names) {
    const baseOffset = SEGMENT_NAME.exec(name)?.[1];
    if (baseOffset !== undefined && Number(baseOffset) < knownEnd) await fs.remove(`${directory}/${name}`);
    else await store.setAside(`${directory}/${name}`);
  }
  return missing;
}

async function namesIn(fs: FileSystem, directory: string): Promise<Set<string> | CorruptionError> {
  try {
    return new Set(await fs.list(directory));
  } catch (error) {
    const failure = readFailure(error, directory, 0);
    if (failure instanceof CorruptionError) return failure;
    throw failure;
  }
}

/**
 * Whether the snapshot means the rewritten segment, which is there. It is smaller than the original, so that its size
 * tells; the end offset in its name says that it was made of the segment as the snapshot knows it.
 */
export async function isTheRewritten(fs: FileSystem, directory: string, info: SegmentInfo): Promise<boolean> {
  return (await sizeOf(fs, `${directory}/${cleanedFileName(info)}`)) === info.bytes;
}

async function sizeOf(fs: FileSystem, path: string): Promise<number> {
  try {
    const file = await fs.open(path, 'read');
    try {
      return await file.size();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw readFailure(error, path, 0);
  }
}
