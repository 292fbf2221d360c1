import type { File, FileSystem } from '../files/filesystem.ts';
import { openIfReadable, readAround } from '../segments/lenient-read.ts';
import {
  BLOCK_HEADER_BYTES,
  blockEpoch,
  blockLength,
  blockNumber,
  FILE_HEADER_BYTES,
  firstBlockOf,
  writeBlockHeader,
} from './format.ts';
import { encodeFileHeader, journalFileName } from './journal-files.ts';
import type { Block, JournalImage } from './run.ts';
import { checkBlock, checkFileHeader, findBlock, isKnownToBeSynced } from './scan.ts';

const READ_BYTES = 1024 * 1024;

/** Blocks that were looked for and are not there. */
export interface JournalGap {
  readonly from: number;
  /** Behind the last one. */
  readonly to: number;
}

/** The whole blocks of one file. */
export interface SalvagedFile {
  readonly image: JournalImage;
  readonly blocks: readonly Block[];
}

export interface SalvagedJournal {
  readonly files: readonly SalvagedFile[];
  readonly gaps: readonly JournalGap[];
  readonly epoch: number;
}

/**
 * Reads all whole blocks of a journal, before and behind what is damaged, missing or unreadable; those behind a torn write, which were
 * never confirmed, are left out as a start leaves them out. Changes nothing. Blocks below `requiredBlock` were on stable storage for
 * certain.
 */
export async function salvageJournal(
  fs: FileSystem,
  directory: string,
  requiredBlock: number,
): Promise<SalvagedJournal> {
  const names = (await fs.list(directory)).filter((name) => /^\d{10}\.journal$/.test(name));
  const files: SalvagedFile[] = [];
  const gaps: JournalGap[] = [];
  let expected = -1;
  let epoch = 0;
  for (const name of names) {
    const image = await readLeniently(fs, `${directory}/${name}`);
    if (image === null) continue;
    if (expected < 0 && checkFileHeader(image) === null) expected = firstBlockOf(image);
    const blocks = wholeBlocks(
      image,
      expected,
      name === names.at(-1) ? requiredBlock : Number.POSITIVE_INFINITY,
    );
    for (const block of blocks) {
      if (expected >= 0 && block.number > expected) gaps.push({ from: expected, to: block.number });
      expected = block.number + 1;
      epoch = Math.max(epoch, block.epoch);
    }
    if (blocks.length > 0) files.push({ image, blocks });
  }
  return { files, gaps, epoch };
}

/** Blocks of this file's life: what lies behind the end of a spare has lower numbers. From `mayBeTorn` on a write may be torn. */
function wholeBlocks(image: JournalImage, expectedBlock: number, mayBeTorn: number): Block[] {
  const blocks: Block[] = [];
  let at = FILE_HEADER_BYTES;
  let expected =
    checkFileHeader(image) === null ? Math.max(expectedBlock, firstBlockOf(image)) : expectedBlock;
  while (at + BLOCK_HEADER_BYTES <= image.buffer.length) {
    if (expected < 0 || checkBlock(image, at, expected) !== null) {
      const least = expected;
      if (least >= mayBeTorn && !isKnownToBeSynced(image, at, least)) break;
      at = findBlock(image, at, (number) => number >= least);
      if (at < 0) break;
    }
    const number = blockNumber(image, at);
    const length = blockLength(image, at);
    blocks.push({ at, length, number, epoch: blockEpoch(image, at) });
    at += length;
    expected = number + 1;
  }
  return blocks;
}

/** Zeros stand for what cannot be read; null if the file cannot even be opened. */
async function readLeniently(fs: FileSystem, path: string): Promise<JournalImage | null> {
  const file = await openIfReadable(fs, path);
  if (file === null || typeof file === 'string') return null;
  try {
    const size = await file.size();
    const buffer = Buffer.allocUnsafeSlow((size + 7) & ~7).subarray(0, size);
    for (let at = 0; at < size; at += READ_BYTES) {
      await readAround(file, buffer.subarray(at, Math.min(size, at + READ_BYTES)), at);
    }
    return {
      buffer,
      u32: new Uint32Array(buffer.buffer, 0, size >>> 2),
      f64: new Float64Array(buffer.buffer, 0, size >>> 3),
      path,
    };
  } finally {
    await file.close();
  }
}

/**
 * Writes the blocks as a journal of its own, with files and blocks counted from 1, and an empty block that marks its end.
 * Resolves with the number that a block of the old journal, or the next one there is, has in the new one.
 */
export async function writeSalvagedJournal(
  fs: FileSystem,
  directory: string,
  { files }: SalvagedJournal,
  epoch: number,
): Promise<(oldBlock: number) => number> {
  const olds: number[] = [];
  let file: File | null = null;
  let end = 0;
  const mark = endBlock();
  for (const [index, { image, blocks }] of [...files, { image: mark, blocks: [MARK] }].entries()) {
    // The mark goes into the last file.
    const isMark = image === mark;
    if (!isMark || file === null) {
      await closed(file);
      file = await fs.open(`${directory}/${journalFileName(index + 1)}`, 'create');
      await file.write([encodeFileHeader(index + 1, olds.length + 1)], 0);
      end = FILE_HEADER_BYTES;
    }
    for (const block of blocks) {
      const number = olds.length + 1;
      const header = { length: block.length, number, syncedThrough: number - 1 };
      writeBlockHeader(image, block.at, { ...header, epoch: isMark ? epoch : block.epoch });
      await file.write([image.buffer.subarray(block.at, block.at + block.length)], end);
      end += block.length;
      olds.push(isMark ? Number.POSITIVE_INFINITY : block.number);
    }
  }
  await closed(file);
  return (oldBlock) => olds.findIndex((old) => old >= oldBlock) + 1;
}

const MARK: Block = { at: 0, length: BLOCK_HEADER_BYTES, number: 0, epoch: 0 };

function endBlock(): JournalImage {
  const buffer = Buffer.alloc(BLOCK_HEADER_BYTES);
  const bytes = Buffer.allocUnsafeSlow(BLOCK_HEADER_BYTES);
  buffer.copy(bytes);
  return {
    buffer: bytes,
    u32: new Uint32Array(bytes.buffer, 0, BLOCK_HEADER_BYTES >>> 2),
    f64: new Float64Array(bytes.buffer, 0, BLOCK_HEADER_BYTES >>> 3),
    path: '',
  };
}

async function closed(file: File | null): Promise<void> {
  if (file === null) return;
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
