import { crc32c } from '../../base/crc32c.ts';
import { BATCH_HEADER_BYTES } from '../../records/batch-layout.ts';
import { recordCountOf } from '../../records/batch-view.ts';
import { CorruptionError } from '../corruption.ts';
import { align8 } from '../memory/chunks.ts';
import {
  BATCH_PREFIX_BYTES,
  BLOCK_HEADER_BYTES,
  beginsBlock,
  blockEpoch,
  blockLength,
  blockNumber,
  blockSyncedThrough,
  ENTRY_BATCH,
  ENTRY_MESSAGE,
  entryLength,
  entryType,
  FILE_HEADER_BYTES,
  FILE_MAGIC,
  FORMAT_VERSION,
  firstBlockOf,
  isChecksumRight,
} from './format.ts';
import { journalFileName } from './journal-files.ts';
import type { Block, JournalImage } from './run.ts';

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
