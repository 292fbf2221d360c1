import { CorruptionError, readFailureAtRest } from '../corruption.ts';
import type { FileSystem } from '../files/filesystem.ts';
import { firstBlockOf } from './format.ts';
import type { JournalFileInfo } from './journal-file-writer.ts';
import { isSpareName, journalFileName } from './journal-files.ts';
import type { FilePosition } from './position.ts';
import type { JournalImage, JournalSource, Run } from './run.ts';
import { scanBlocks, type TornEnd } from './scan.ts';

/** What was found in the files, when all of them are read. */
export interface JournalEnd {
  readonly files: JournalFileInfo[];
  readonly nextBlock: number;
  readonly nextFileNumber: number;
  readonly epoch: number;
  /** What the last writes left that did not all come to their end, and was cut off; null if the journal ended cleanly. */
  readonly cut: TornEnd | null;
}

/**
 * The journal in local files, from the position on: a run is the whole blocks of a file. A torn end is cut off and the cut made
 * durable; any other broken block is a CorruptionError. Files that the position has as complete, and blocks below `requiredBlock`, were on
 * stable storage for certain (a snapshot says so), so that a broken one there is corruption even at the end.
 */
export class JournalFilesSource implements JournalSource {
  /** Set when all runs were read. */
  end: JournalEnd | null = null;
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #position: FilePosition;
  readonly #requiredBlock: number;

  constructor(fs: FileSystem, directory: string, position: FilePosition, requiredBlock: number) {
    this.#fs = fs;
    this.#directory = directory;
    this.#position = position;
    this.#requiredBlock = requiredBlock;
  }

  async *runs(): AsyncGenerator<Run, void> {
    const { firstFile } = this.#position;
    const numbers = await this.#neededFiles();
    const files: JournalFileInfo[] = [];
    let nextBlock = -1;
    let epoch = 0;
    let cut: TornEnd | null = null;
    for (const [index, number] of numbers.entries()) {
      if (number !== firstFile + index) throw this.#missing(firstFile + index);
      const isLast = index === numbers.length - 1;
      const path = this.#pathOf(number);
      const image = await readImage(this.#fs, path);
      const mayBeNew = isLast && number >= this.#position.newFile;
      const { blocks, end, tornEnd } = scanBlocks(image, isLast, nextBlock, this.#requiredBlock, mayBeNew);
      if (nextBlock < 0 && end > 0) nextBlock = firstBlockOf(image);
      const run: Run = { image, blocks, generation: 0 };
      if (blocks.length > 0) yield run;
      nextBlock += blocks.length;
      for (const block of blocks) epoch = Math.max(epoch, block.epoch);
      cut = tornEnd;
      if (end === 0) {
        await this.#fs.remove(path);
        continue;
      }
      if (isLast) await syncEnd(this.#fs, path, end, end < image.buffer.length);
      files.push({ number, bytes: end, generation: run.generation, lastBlock: nextBlock - 1 });
    }
    this.#expectAll(files, nextBlock);
    this.end = {
      files,
      // Blocks are counted from 1: to wait for block 0 is to wait for nothing.
      nextBlock: Math.max(nextBlock, this.#requiredBlock, 1),
      nextFileNumber: firstFile + files.length,
      epoch,
      cut,
    };
  }

  /** In order. Removes what a crash has left of files that are not needed any more. */
  async #neededFiles(): Promise<number[]> {
    const needed: number[] = [];
    for (const name of await this.#fs.list(this.#directory)) {
      const isFile = /^\d{10}\.journal$/.test(name);
      const number = isFile ? Number.parseInt(name, 10) : -1;
      // A spare may have been a newer file for a while, if a crash undid its renaming: then it is full of blocks that never
      // were, with numbers that will be given again. A retired file: the snapshot that says so is durable, the removal was not.
      if (isSpareName(name) || (isFile && number < this.#position.firstFile)) {
        await this.#fs.remove(`${this.#directory}/${name}`);
      } else if (isFile) needed.push(number);
    }
    return needed.sort((a, b) => a - b);
  }

  /** Throws if the files end before what a snapshot says. */
  #expectAll(files: readonly JournalFileInfo[], nextBlock: number): void {
    const { firstFile, newFile } = this.#position;
    const required = this.#requiredBlock;
    const last = files.at(-1);
    const lastNumber = last?.number ?? firstFile - 1;
    if (lastNumber < newFile - 1) throw this.#missing(lastNumber + 1);
    if (last === undefined || nextBlock < 0 || nextBlock >= required || required === 0) return;
    throw new CorruptionError(
      this.#pathOf(last.number),
      last.bytes,
      `the journal ends at block ${nextBlock - 1}, but the snapshot was taken at block ${required - 1}`,
    );
  }

  #missing(number: number): CorruptionError {
    return new CorruptionError(this.#pathOf(number), 0, 'the file is missing');
  }

  #pathOf(number: number): string {
    return `${this.#directory}/${journalFileName(number)}`;
  }
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
