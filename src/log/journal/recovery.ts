import { crc32c } from '../../base/crc32c.ts';
import { BATCH_HEADER_BYTES } from '../../records/batch-layout.ts';
import { recordCountOf } from '../../records/batch-view.ts';
import { CorruptionError, readFailureAtRest } from '../corruption.ts';
import type { FileSystem } from '../files/filesystem.ts';
import { align8 } from '../memory/chunks.ts';
import {
  acknowledgedFrom,
  acknowledgedLogId,
  acknowledgedTo,
  BATCH_PREFIX_BYTES,
  BLOCK_HEADER_BYTES,
  batchLength,
  batchLogId,
  beginsBlock,
  blockEpoch,
  blockLength,
  blockNumber,
  blockSyncedThrough,
  ENTRY_ACKNOWLEDGED,
  ENTRY_BATCH,
  ENTRY_MESSAGE,
  ENTRY_METADATA,
  entryCount,
  entryLength,
  entryType,
  FILE_HEADER_BYTES,
  FILE_MAGIC,
  FORMAT_VERSION,
  firstBlockOf,
  isChecksumRight,
  messagePrefixBytes,
  metadataOperation,
} from './format.ts';
import type { JournalFileInfo } from './journal-file-writer.ts';
import { isSpareName, journalFileName } from './journal-files.ts';
import type { FilePosition } from './position.ts';

/** One file of the journal, read whole. */
export interface JournalImage {
  readonly buffer: Buffer;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  readonly path: string;
}

export interface ReplayVisitor {
  beginFile(image: JournalImage, number: number): void;
  /** `entryAt` is what `messageOffset` and `messageLogId` take; at `frameAt` the frame begins. */
  message(image: JournalImage, entryAt: number, logCount: number, frameAt: number, blockNumber: number): void;
  acknowledged(logId: number, from: number, to: number, blockNumber: number): void;
  metadata(bytes: Buffer, blockNumber: number): void;
  /** A batch of a stream, whose first byte is at `at`. */
  batch(image: JournalImage, logId: number, at: number, bytes: number, blockNumber: number): void;
  endFile(info: JournalFileInfo): void;
}

export interface ReplayResult {
  readonly files: JournalFileInfo[];
  readonly nextBlock: number;
  readonly nextFileNumber: number;
  readonly epoch: number;
  /** What the last writes left that did not all come to their end, and was cut off; null if the journal ended cleanly. */
  readonly cut: TornEnd | null;
}

/**
 * The beginning of a block that a power cut tore, and what of those behind it reached the disk: several writes are under way at once,
 * and end in any order.
 */
export interface TornEnd {
  readonly path: string;
  readonly at: number;
  /** Up to the end of the last block, as far as it was written: zeros that were allocated ahead are no loss. */
  readonly bytes: number;
  /** Whole ones behind the one that is not. */
  readonly blocksBehind: number;
  /** Messages and records of streams that can be told in all of it. */
  readonly records: number;
}

export function tornEndText({ path, at, bytes, blocksBehind, records }: TornEnd): string {
  const behind = blocksBehind === 0 ? '' : ` and of ${blocksBehind} behind it that did not wait for it`;
  return (
    `the last write to ${path} was torn: from byte ${at} on there are ${bytes} bytes of a block that was not written to its end${behind}, ` +
    `with ${records} ${records === 1 ? 'record' : 'records'} that can be told. They were cut off; nothing in them had been confirmed`
  );
}

/** What was written of block `number` at `at`, which is not whole, and of those behind it; null if that is nothing. */
function tornEndAt(image: JournalImage, at: number, number: number): TornEnd | null {
  const { buffer, path } = image;
  let end = at;
  let records = 0;
  if (isTornBlock(image, at, number)) {
    end = Math.min(buffer.length, at + Math.max(BLOCK_HEADER_BYTES, blockLength(image, at)));
    while (end > at && buffer[end - 1] === 0) end--;
    records = recordsIn(image, at, end);
    end = Math.min(buffer.length, align8(end));
  }
  let blocksBehind = 0;
  for (let next = at; ; ) {
    next = findBlock(image, next, (each) => each > number);
    if (next < 0) break;
    blocksBehind++;
    end = next + blockLength(image, next);
    records += recordsIn(image, next, end);
    next = end;
  }
  return end === at ? null : { path, at, bytes: end - at, blocksBehind, records };
}

/** In the entries that are whole, of a block of which the bytes up to `end` are there. */
function recordsIn(image: JournalImage, at: number, end: number): number {
  const { buffer } = image;
  let records = 0;
  for (let entryAt = at + BLOCK_HEADER_BYTES; entryAt + 16 <= end; ) {
    const length = entryLength(image, entryAt);
    if (length < 8 || length % 8 !== 0 || entryAt + length > align8(end)) break;
    const type = entryType(image, entryAt);
    if (type === ENTRY_MESSAGE) records++;
    if (type === ENTRY_BATCH && length >= BATCH_PREFIX_BYTES + BATCH_HEADER_BYTES)
      records += Math.max(0, recordCountOf(buffer, entryAt + BATCH_PREFIX_BYTES));
    entryAt += length;
  }
  return records;
}

/** The block headers that a scan needs. */
export interface Block {
  readonly at: number;
  readonly length: number;
  readonly number: number;
  readonly epoch: number;
}

/**
 * Reads the journal from the position on and visits every entry of every whole block, in order. A torn end is
 * cut off and the cut made durable; any other broken block is a CorruptionError. Files below `newFile` and blocks below
 * `requiredBlock` were on stable storage for certain (a snapshot says so), so that a broken one there is corruption
 * even at the end.
 */
export async function replayJournal(
  fs: FileSystem,
  directory: string,
  { firstFile, newFile }: FilePosition,
  requiredBlock: number,
  visitor: ReplayVisitor,
): Promise<ReplayResult> {
  const names = await fs.list(directory);
  // A spare may have been a newer file for a while, if a crash undid its renaming: then it is full of blocks that never
  // were, with numbers that will be given again.
  for (const name of names) if (isSpareName(name)) await fs.remove(`${directory}/${name}`);
  const numbers = names
    .filter((name) => /^\d{10}\.journal$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
  const files: JournalFileInfo[] = [];
  let nextBlock = -1;
  let epoch = 0;
  let cut: ReplayResult['cut'] = null;
  for (const number of numbers) {
    const path = `${directory}/${journalFileName(number)}`;
    if (number < firstFile) {
      // Retired: the snapshot that says so is durable, the removal was not.
      await fs.remove(path);
      continue;
    }
    const isLast = number === numbers[numbers.length - 1];
    const expectedNumber = files.length === 0 ? firstFile : files[files.length - 1].number + 1;
    if (number !== expectedNumber) {
      throw new CorruptionError(`${directory}/${journalFileName(expectedNumber)}`, 0, 'the file is missing');
    }
    const image = await readImage(fs, path);
    const scan = scanBlocks(image, isLast, nextBlock, requiredBlock, isLast && number >= newFile);
    if (nextBlock < 0 && scan.end > 0) nextBlock = firstBlockOf(image);
    const info = { number, bytes: scan.end, generation: 0, lastBlock: nextBlock - 1 };
    visitor.beginFile(image, number);
    for (const block of scan.blocks) {
      visitBlock(image, block, visitor);
      info.lastBlock = block.number;
      nextBlock = block.number + 1;
      epoch = Math.max(epoch, block.epoch);
    }
    visitor.endFile(info);
    cut = scan.tornEnd;
    if (scan.end === 0) {
      await fs.remove(path);
      continue;
    }
    if (isLast) await syncEnd(fs, path, scan.end, scan.end < image.buffer.length);
    files.push(info);
  }
  const lastNumber = files.at(-1)?.number ?? firstFile - 1;
  if (lastNumber < newFile - 1) {
    throw new CorruptionError(`${directory}/${journalFileName(lastNumber + 1)}`, 0, 'the file is missing');
  }
  if (nextBlock < requiredBlock && requiredBlock > 0 && files.length > 0 && nextBlock >= 0) {
    const last = files[files.length - 1];
    throw new CorruptionError(
      `${directory}/${journalFileName(last.number)}`,
      last.bytes,
      `the journal ends at block ${nextBlock - 1}, but the snapshot was taken at block ${requiredBlock - 1}`,
    );
  }
  return {
    files,
    // Blocks are counted from 1: to wait for block 0 is to wait for nothing.
    nextBlock: Math.max(nextBlock, requiredBlock, 1),
    nextFileNumber: files.length > 0 ? files[files.length - 1].number + 1 : firstFile,
    epoch,
    cut,
  };
}

/** Rejects with a CorruptionError if the system cannot give all of it. */
export async function readImage(fs: FileSystem, path: string): Promise<JournalImage> {
  try {
    return await readFile(fs, path);
  } catch (error) {
    throw readFailureAtRest(error, path, 0);
  }
}

async function readFile(fs: FileSystem, path: string): Promise<JournalImage> {
  const file = await fs.open(path, 'read');
  try {
    const size = await file.size();
    const buffer = Buffer.allocUnsafeSlow((size + 7) & ~7);
    const length = await file.read(buffer.subarray(0, size), 0);
    return {
      buffer: buffer.subarray(0, length),
      u32: new Uint32Array(buffer.buffer, 0, length >>> 2),
      f64: new Float64Array(buffer.buffer, 0, length >>> 3),
      path,
    };
  } finally {
    await file.close();
  }
}

/** The whole blocks of a file, and where they end. Throws CorruptionError where the rest is not just torn writes. */
export function scanBlocks(
  image: JournalImage,
  isLast: boolean,
  expectedBlock: number,
  requiredBlock: number,
  mayBeNew = isLast,
): { blocks: Block[]; end: number; tornEnd: TornEnd | null } {
  const headerProblem = checkFileHeader(image);
  if (headerProblem !== null) {
    // The header is durable before the first block is written: without one of the blocks that would stand here, the
    // file was being created. It may be full of blocks of its former life.
    const firstBlock = Math.max(expectedBlock, requiredBlock);
    const isReached = expectedBlock < 0 || expectedBlock >= requiredBlock;
    if (mayBeNew && isReached && findBlock(image, 0, (number) => number >= firstBlock) < 0) {
      return { blocks: [], end: 0, tornEnd: null };
    }
    throw new CorruptionError(image.path, 0, headerProblem);
  }
  const blocks: Block[] = [];
  let at = FILE_HEADER_BYTES;
  let expected = expectedBlock >= 0 ? expectedBlock : firstBlockOf(image);
  while (at < image.buffer.length) {
    const problem = checkBlock(image, at, expected);
    if (problem !== null) {
      if (!isLast || expected < requiredBlock || isKnownToBeSynced(image, at, expected)) {
        throw new CorruptionError(image.path, at, problem);
      }
      break;
    }
    const length = blockLength(image, at);
    blocks.push({ at, length, number: expected, epoch: blockEpoch(image, at) });
    at += length;
    expected++;
  }
  return { blocks, end: at, tornEnd: tornEndAt(image, at, expected) };
}

export function checkFileHeader(image: JournalImage): string | null {
  const { buffer } = image;
  if (buffer.length < FILE_HEADER_BYTES) return 'the file is shorter than its header';
  if (!buffer.subarray(0, 8).equals(FILE_MAGIC)) return 'this is not a journal file';
  if (crc32c(buffer.subarray(0, 24)) !== buffer.readUInt32LE(24))
    return 'the checksum of the header is wrong';
  const number = buffer.readUInt32LE(12);
  if (!image.path.endsWith(journalFileName(number))) return `the header is that of file ${number}`;
  const version = buffer.readUInt32LE(8);
  if (version !== FORMAT_VERSION) {
    return `the file has format version ${version}, this program reads version ${FORMAT_VERSION}`;
  }
  return null;
}

export function checkBlock(image: JournalImage, at: number, expected: number): string | null {
  const { buffer } = image;
  if (at + BLOCK_HEADER_BYTES > buffer.length) return 'the file ends in the middle of a block header';
  if (!beginsBlock(image, at)) return 'no block begins here';
  const length = blockLength(image, at);
  if (length < BLOCK_HEADER_BYTES || length % 8 !== 0) return `a block has the impossible length ${length}`;
  if (at + length > buffer.length) return 'the file ends in the middle of a block';
  if (!isChecksumRight(image, at)) return 'the checksum of a block is wrong';
  const number = blockNumber(image, at);
  if (number !== expected) return `block ${number} stands where block ${expected} is expected`;
  return null;
}

/** Whether a block of this number was begun here: what follows the end of a spare is something older. */
function isTornBlock(image: JournalImage, at: number, number: number): boolean {
  return (
    at + BLOCK_HEADER_BYTES <= image.buffer.length &&
    beginsBlock(image, at) &&
    blockNumber(image, at) === number
  );
}

/**
 * Looks behind a broken block for a whole one that was closed after the broken one had been synced: then the
 * breakage is no torn write. One that was closed while the broken one was on its way says nothing of it, and was not confirmed either.
 */
export function isKnownToBeSynced(image: JournalImage, from: number, broken: number): boolean {
  return findBlock(image, from, (_number, syncedThrough) => syncedThrough >= broken) >= 0;
}

/** The position of the first whole block from `from` on that is wanted; -1 if there is none. */
export function findBlock(
  image: JournalImage,
  from: number,
  isWanted: (number: number, syncedThrough: number) => boolean,
): number {
  const { buffer } = image;
  for (let at = align8(from); at + BLOCK_HEADER_BYTES <= buffer.length; at += 8) {
    if (!beginsBlock(image, at)) continue;
    const length = blockLength(image, at);
    if (length < BLOCK_HEADER_BYTES || at + length > buffer.length) continue;
    if (!isWanted(blockNumber(image, at), blockSyncedThrough(image, at))) continue;
    if (isChecksumRight(image, at)) return at;
  }
  return -1;
}

/** Shows every entry of a whole block. */
export function visitBlock(image: JournalImage, block: Block, visitor: ReplayVisitor): void {
  const end = block.at + block.length;
  let at = block.at + BLOCK_HEADER_BYTES;
  while (at < end) {
    const length = entryLength(image, at);
    if (length < 8 || length % 8 !== 0 || at + length > end) {
      throw new CorruptionError(image.path, at, `an entry has the impossible length ${length}`);
    }
    visitEntry(image, at, block.number, visitor);
    at += length;
  }
}

function visitEntry(image: JournalImage, at: number, number: number, visitor: ReplayVisitor): void {
  const type = entryType(image, at);
  const count = entryCount(image, at);
  switch (type) {
    case ENTRY_MESSAGE:
      visitor.message(image, at, count, at + messagePrefixBytes(count), number);
      return;
    case ENTRY_ACKNOWLEDGED: {
      const logId = acknowledgedLogId(image, at);
      for (let i = 0; i < count; i++) {
        visitor.acknowledged(logId, acknowledgedFrom(image, at, i), acknowledgedTo(image, at, i), number);
      }
      return;
    }
    case ENTRY_METADATA:
      visitor.metadata(metadataOperation(image, at), number);
      return;
    case ENTRY_BATCH:
      visitor.batch(image, batchLogId(image, at), at + BATCH_PREFIX_BYTES, batchLength(image, at), number);
      return;
    default:
      throw new CorruptionError(image.path, at, `an entry has the unknown type ${type}`);
  }
}

/**
 * Makes the end of the last file final. Also if nothing is cut off: after a crash of the process alone, the last blocks
 * may be in the system's cache only, and the file will soon not be the last one any more.
 */
async function syncEnd(fs: FileSystem, path: string, end: number, isCut: boolean): Promise<void> {
  const file = await fs.open(path, 'write');
  try {
    if (isCut) await file.truncate(end);
    await file.sync();
  } finally {
    await file.close();
  }
}
