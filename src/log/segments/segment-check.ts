import { posix } from 'node:path';
import type { File, FileSystem } from '../filesystem.ts';
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchBytes,
  blankBatch,
  readBatchHeader,
  verifyBatch,
} from '../record-batch.ts';
import { isTheRewritten } from './log-directory.ts';
import { cleanedFileName, type SegmentInfo } from './segment.ts';
import { faultOfOffsets } from './segment-reader.ts';

/** A stretch of a segment's file that holds no sound batch. */
export interface Damage {
  readonly path: string;
  /** The first byte, and how many there should be from there up to the next sound batch or the end. */
  readonly position: number;
  readonly bytes: number;
  readonly what: string;
  /** The offsets that were, or may have been, there: [fromOffset, toOffset). `toOffset` -1 if nobody knows. */
  readonly fromOffset: number;
  readonly toOffset: number;
}

/** How much is looked through at once for the next sound batch. */
const SEARCH_BYTES = 1024 * 1024;

/**
 * Verifies every batch of a segment's file, for `sluice doctor`. With what the snapshot says of it (`expected`), bytes
 * that the snapshot does not know are not looked at, and bytes that are missing count as damage; without, the file is
 * taken as it is. `isStream`: it is of a stream's log. If the snapshot means a rewritten segment that has not taken its place yet, that one is checked.
 */
export async function checkSegmentFile(
  fs: FileSystem,
  logPath: string,
  expected?: SegmentInfo,
  isStream = false,
): Promise<Damage[]> {
  const path = expected === undefined ? logPath : await pathMeant(fs, logPath, expected);
  const baseOffset = expected?.baseOffset ?? Number.parseInt(posix.basename(path), 10);
  const file = await openIfThere(fs, path);
  if (file === null) {
    const bytes = expected?.bytes ?? 0;
    const toOffset = expected?.endOffset ?? -1;
    return [{ path, position: 0, bytes, what: 'the file is missing', fromOffset: baseOffset, toOffset }];
  }
  try {
    const isDense = isStream && (expected?.revision ?? 0) === 0;
    return await checkFile(file, path, { baseOffset, isForeign: isStream, isDense }, expected);
  } finally {
    await file.close();
  }
}

async function pathMeant(fs: FileSystem, path: string, expected: SegmentInfo): Promise<string> {
  const directory = posix.dirname(path);
  const cleaned = cleanedFileName(expected);
  if (!(await fs.list(directory)).includes(cleaned)) return path;
  return (await isTheRewritten(fs, directory, expected)) ? `${directory}/${cleaned}` : path;
}

/** What to expect of the batches. */
interface Kind {
  readonly baseOffset: number;
  readonly isForeign: boolean;
  readonly isDense: boolean;
}

async function checkFile(
  file: File,
  path: string,
  kind: Kind,
  expected: SegmentInfo | undefined,
): Promise<Damage[]> {
  const size = await file.size();
  const end = expected?.bytes ?? size;
  const readable = Math.min(size, end);
  const endOffset = expected?.endOffset ?? -1;
  const damages: Damage[] = [];
  let nextOffset = kind.baseOffset;
  let position = 0;
  while (position < end) {
    const found = await batchAt(file, position, readable, nextOffset, endOffset, kind);
    if (typeof found !== 'string') {
      position += found.bytes;
      nextOffset = found.nextOffset;
      continue;
    }
    const next = await findBatch(file, position + 1, readable, nextOffset, endOffset, kind);
    const until = next?.position ?? end;
    const toOffset = next?.baseOffset ?? endOffset;
    const damage = { path, position, bytes: until - position, what: found, fromOffset: nextOffset, toOffset };
    damages.push(damage);
    position = until;
    if (next !== null) nextOffset = next.baseOffset;
  }
  return damages;
}

interface SoundBatch {
  readonly bytes: number;
  readonly nextOffset: number;
}

/** The batch at `position`, or what is wrong with it. */
async function batchAt(
  file: File,
  position: number,
  end: number,
  fromOffset: number,
  endOffset: number,
  { isForeign, isDense }: Kind,
): Promise<SoundBatch | string> {
  if (end - position < BATCH_HEADER_BYTES) return `${end - position} bytes are too few for a record batch`;
  const start = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
  await file.read(start, position);
  const bytes = batchBytes(start, 0);
  if (bytes < BATCH_HEADER_BYTES || bytes > end - position) {
    return `a batch length of ${bytes} bytes where ${end - position} are left`;
  }
  const batch = Buffer.allocUnsafeSlow(bytes);
  await file.read(batch, position);
  const fault = verifyBatch(batch, 0, bytes, isForeign);
  if (fault !== null) return fault;
  const header = readBatchHeader(batch, 0);
  const limit = endOffset < 0 ? Number.POSITIVE_INFINITY : endOffset;
  const misplaced = faultOfOffsets(header, fromOffset, limit, isDense);
  if (misplaced !== null) return misplaced;
  return { bytes, nextOffset: header.lastOffset + 1 };
}

interface FoundBatch {
  readonly position: number;
  readonly baseOffset: number;
}

/** The first sound batch at or after `position`, wherever it begins. */
async function findBatch(
  file: File,
  position: number,
  end: number,
  fromOffset: number,
  endOffset: number,
  kind: Kind,
): Promise<FoundBatch | null> {
  while (end - position >= BATCH_HEADER_BYTES) {
    const window = Buffer.allocUnsafeSlow(Math.min(SEARCH_BYTES, end - position));
    await file.read(window, position);
    const last = window.length - BATCH_HEADER_BYTES;
    // Its magic byte and a possible length cost nothing to look at; few places are left to verify.
    for (let at = 0; at <= last; at++) {
      if (window[at + 16] !== BATCH_MAGIC) continue;
      const bytes = batchBytes(window, at);
      if (bytes < BATCH_HEADER_BYTES || bytes > end - position - at) continue;
      // Behind damage it is not known any more which offset comes next.
      const sparse = { ...kind, isDense: false };
      if (typeof (await batchAt(file, position + at, end, fromOffset, endOffset, sparse)) === 'string')
        continue;
      return { position: position + at, baseOffset: readBatchHeader(window, at).baseOffset };
    }
    position += last + 1;
  }
  return null;
}

/**
 * Puts a blank batch in the place of the damage and makes that durable, so that the rest of the segment can be read
 * again and every batch of it stays where the snapshot and its neighbours expect it. What was there is gone for good:
 * the offsets that the damage names.
 */
export async function cutDamage(fs: FileSystem, damage: Damage): Promise<void> {
  const { path, position, bytes, fromOffset } = damage;
  const file = (await openIfThere(fs, path)) ?? (await createWithDirectory(fs, path));
  try {
    if (bytes < BATCH_HEADER_BYTES) {
      // Only at the end of a file of which no snapshot says how long it should be.
      await file.truncate(position);
    } else {
      await file.write([blankBatch(fromOffset, Math.max(damage.toOffset, fromOffset + 1), bytes)], position);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

async function createWithDirectory(fs: FileSystem, path: string): Promise<File> {
  const directory = posix.dirname(path);
  await fs.makeDirectory(directory);
  const file = await fs.open(path, 'create');
  await fs.syncDirectory(directory);
  await fs.syncDirectory(posix.dirname(directory));
  return file;
}

async function openIfThere(fs: FileSystem, path: string): Promise<File | null> {
  try {
    return await fs.open(path, 'write');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
