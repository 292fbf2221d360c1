import { posix } from 'node:path';
import { verifyBatch } from '../../records/batch-checksum.ts';
import { BATCH_HEADER_BYTES, BATCH_MAGIC } from '../../records/batch-layout.ts';
import { BatchView, baseOffsetOf, batchBytes, magicOf } from '../../records/batch-view.ts';
import { CorruptionError } from '../corruption.ts';
import type { File, FileSystem } from '../files/filesystem.ts';
import { openIfReadable, readAround, tryToRead } from './lenient-read.ts';
import { isTheRewritten } from './log-directory.ts';
import { cleanedFileName, type SegmentInfo } from './segment.ts';
import { faultOfOffsets } from './segment-reader.ts';

/** Bytes of a segment's file that are no sound batch. */
export interface CorruptRange {
  readonly path: string;
  /** The first byte, and how many there should be from there up to the next sound batch or the end. */
  readonly position: number;
  readonly bytes: number;
  readonly what: string;
  /** The offsets that were, or may have been, there: [fromOffset, toOffset). `toOffset` -1 if nobody knows. */
  readonly fromOffset: number;
  readonly toOffset: number;
  /** The system cannot give what is there. */
  readonly isUnreadable: boolean;
}

/** How much is looked through at once for the next sound batch. */
const SEARCH_BYTES = 1024 * 1024;

/**
 * Verifies every batch of a segment's file, for `sluice doctor`. With what the snapshot says of it (`expected`), bytes
 * that the snapshot does not know are not looked at, and bytes that are missing count as corrupt; without, the file is
 * taken as it is. `isStream`: it is of a stream's log. If the snapshot means a rewritten segment that has not taken its place yet, that one is checked.
 */
export async function checkSegmentFile(
  fs: FileSystem,
  logPath: string,
  expected?: SegmentInfo,
  isStream = false,
  /** Whether every offset must be there. Nobody knows that of a stream's segment that no snapshot names. */
  isDense = isStream && expected !== undefined && (expected.revision ?? 0) === 0,
): Promise<CorruptRange[]> {
  let path = logPath;
  try {
    if (expected !== undefined) path = await pathMeant(fs, logPath, expected);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    path = error.path;
  }
  const baseOffset = expected?.baseOffset ?? Number.parseInt(posix.basename(path), 10);
  const file = await openIfReadable(fs, path);
  if (file === null || typeof file === 'string') {
    const bytes = expected?.bytes ?? 0;
    const toOffset = expected?.endOffset ?? -1;
    const what = file ?? 'the file is missing';
    const isUnreadable = file !== null;
    return [{ path, position: 0, bytes, what, fromOffset: baseOffset, toOffset, isUnreadable }];
  }
  try {
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
): Promise<CorruptRange[]> {
  const size = await file.size();
  const end = expected?.bytes ?? size;
  const readable = Math.min(size, end);
  const endOffset = expected?.endOffset ?? -1;
  const ranges: CorruptRange[] = [];
  let nextOffset = kind.baseOffset;
  let position = 0;
  let before = { position, nextOffset };
  while (position < end) {
    const found = await batchAt(file, position, readable, nextOffset, endOffset, kind);
    if (typeof found !== 'string') {
      before = { position, nextOffset };
      position += found.bytes;
      nextOffset = found.nextOffset;
      continue;
    }
    let next = await findBatch(file, position + 1, readable, nextOffset, endOffset, kind);
    // A blank batch is to stand there, which has a length and an offset: where neither is left, a sound neighbour goes too.
    while (next !== null && !hasPlace(position, next.position, nextOffset, next.baseOffset))
      next = await findBatch(file, next.position + 1, readable, nextOffset, endOffset, kind);
    if (next === null && expected !== undefined && !hasPlace(position, end, nextOffset, expected.endOffset))
      ({ position, nextOffset } = before);
    const until = next?.position ?? end;
    const toOffset = next?.baseOffset ?? endOffset;
    const bytes = until - position;
    const isUnreadable =
      (await tryToRead(file, Buffer.alloc(Math.max(0, Math.min(bytes, readable - position))), position)) !==
      null;
    ranges.push({ path, position, bytes, what: found, fromOffset: nextOffset, toOffset, isUnreadable });
    position = until;
    if (next !== null) nextOffset = next.baseOffset;
  }
  return ranges;
}

/** Whether a batch with an offset of its own, in [fromOffset, toOffset), can be in bytes [from, to). */
function hasPlace(from: number, to: number, fromOffset: number, toOffset: number): boolean {
  return to - from >= BATCH_HEADER_BYTES && toOffset > fromOffset;
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
  const unreadableStart = await tryToRead(file, start, position);
  if (unreadableStart !== null) return unreadableStart;
  const bytes = batchBytes(start, 0);
  if (bytes < BATCH_HEADER_BYTES || bytes > end - position) {
    return `a batch length of ${bytes} bytes where ${end - position} are left`;
  }
  const batch = Buffer.allocUnsafeSlow(bytes);
  const unreadable = await tryToRead(file, batch, position);
  if (unreadable !== null) return unreadable;
  const fault = verifyBatch(batch, 0, bytes, isForeign);
  if (fault !== null) return fault;
  const header = new BatchView(batch, 0);
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
    await readAround(file, window, position);
    const last = window.length - BATCH_HEADER_BYTES;
    // Its magic byte and a possible length cost nothing to look at; few places are left to verify.
    for (let at = 0; at <= last; at++) {
      if (magicOf(window, at) !== BATCH_MAGIC) continue;
      const bytes = batchBytes(window, at);
      if (bytes < BATCH_HEADER_BYTES || bytes > end - position - at) continue;
      // Behind a corrupt range it is not known any more which offset comes next.
      const sparse = { ...kind, isDense: false };
      if (typeof (await batchAt(file, position + at, end, fromOffset, endOffset, sparse)) === 'string')
        continue;
      return { position: position + at, baseOffset: baseOffsetOf(window, at) };
    }
    position += last + 1;
  }
  return null;
}
