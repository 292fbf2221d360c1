import { crc32c } from '../../base/crc32c.ts';
import type { Scheduler, Timer } from '../../base/scheduler.ts';
import { Serial } from '../../base/scheduler.ts';
import type { File, FileSystem } from '../files/filesystem.ts';
import { isDiskFull } from '../files/system-error.ts';
import { FILE_HEADER_BYTES, FILE_MAGIC, FORMAT_VERSION } from './format.ts';
import type { SealedBlock } from './journal.ts';
import type { JournalDevice } from './journal-device.ts';
import { type JournalFileEvents, type JournalFileInfo, JournalFileWriter } from './journal-file-writer.ts';
import { type FilePosition, filePosition, inFiles, type OldestPart, type Position } from './position.ts';

export type Durability =
  | { readonly mode: 'sync' }
  | { readonly mode: 'interval'; readonly intervalMs: number }
  | { readonly mode: 'os' };

export function journalFileName(number: number): string {
  return `${String(number).padStart(10, '0')}.journal`;
}

export function encodeFileHeader(number: number, firstBlock: number): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  FILE_MAGIC.copy(header, 0);
  header.writeUInt32LE(FORMAT_VERSION, 8);
  header.writeUInt32LE(number, 12);
  header.writeDoubleLE(firstBlock, 16);
  header.writeUInt32LE(crc32c(header.subarray(0, 24)), 24);
  return header;
}

const SPARES_MAX = 4;
/** Each start begins one: even if nothing is ever written they must not become many. */
const FILES_MAX = 100;
/** So much of a length that was exceeded is left. */
const LEFT = 0.8;

/** How many writes are under way at once where each is synced by itself. Three and four were measured, and gave no more. */
const IN_FLIGHT_MAX = 2;

export function isSpareName(name: string): boolean {
  return /^\d{10}\.spare$/.test(name);
}

/** Blocks whose write was begun; in an object, so that to wait for the beginning is not to wait for the end. */
interface Begun {
  readonly written: Promise<void>;
}

const NOTHING_BEGUN: Begun = { written: Promise.resolve() };

/**
 * The journal as local files of about `fileBytes` each, numbered upwards.
 *
 * A retired file is kept as a spare and becomes a new one later: to overwrite what the file system has allocated
 * already costs the disk a third less than to grow a file, on each commit, and much less than that if other files are
 * written at the same time. So behind the last block of the newest file stand blocks of long ago; their numbers tell
 * them apart. A file that has to be new grows ahead of what is written, by zeros.
 */
export class JournalFiles implements JournalDevice {
  /** Oldest first; the last one is being written. */
  readonly files: JournalFileInfo[];
  /** Of all files. Publishers are paused by it, so that it is asked for with each message. */
  lengthBytes = 0;
  /** Written since the start, in all files. */
  writtenBytes = 0;
  /** Batches that may be under way at once. */
  readonly inFlightMax: number;
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #fileBytes: number;
  readonly #durability: Durability;
  #nextNumber: number;
  #file: JournalFileWriter | null = null;
  /** The last block whose write was begun, and not in vain. */
  #begunBlock: number;
  /** This block and all before it are written. */
  #writtenBlock: number;
  #syncedBlock: number;
  /** A write or sync that failed otherwise than by a full disk: nothing that is answered later is believed. */
  #failure: Error | null = null;
  /** What found the disk full last. */
  #full: Error | null = null;
  /** Writes begin, and files end, one after the other. */
  readonly #tasks = new Serial();
  /** Settles after all that was appended, and does not reject. */
  #appended: Promise<void> = Promise.resolve();
  #timer: Timer | null = null;
  /** Files that were retired since the start. */
  readonly #spares: string[] = [];
  readonly #fileEvents: JournalFileEvents = {
    onWritten: (block, bytes) => this.#written(block, bytes),
    onFailed: (error) => this.#failed(error),
    onFallBack: () => {
      this.#begunBlock = this.#writtenBlock;
    },
  };

  constructor(
    fs: FileSystem,
    directory: string,
    options: { fileBytes: number; durability: Durability; scheduler: Scheduler; lastBlock: number },
    existing: JournalFileInfo[],
    nextNumber: number,
    onFailure: (error: Error) => void,
  ) {
    this.#fs = fs;
    this.#directory = directory;
    this.#fileBytes = options.fileBytes;
    this.#durability = options.durability;
    // Where writes end in the system's cache there is nothing to wait for meanwhile.
    this.inFlightMax = options.durability.mode === 'sync' ? IN_FLIGHT_MAX : 1;
    this.#nextNumber = nextNumber;
    this.files = existing;
    for (const { bytes } of existing) this.lengthBytes += bytes;
    this.#begunBlock = options.lastBlock;
    this.#writtenBlock = options.lastBlock;
    this.#syncedBlock = options.lastBlock;
    if (options.durability.mode === 'interval') {
      const { intervalMs } = options.durability;
      this.#timer = options.scheduler.every(intervalMs, () => this.sync().catch(onFailure));
    }
  }

  position(from: Position | null): FilePosition {
    const firstFile = from === null ? this.files[0]?.number : inFiles(from).firstFile;
    return filePosition(firstFile ?? this.#nextNumber, this.#nextNumber);
  }

  /** Blocks up to this one are on stable storage. */
  get syncedBlock(): number {
    return this.#syncedBlock;
  }

  isLongerThan(lengthBytes: number): boolean {
    return this.lengthBytes > lengthBytes || this.files.length > FILES_MAX;
  }

  async oldestBeyond(lengthBytes: number): Promise<OldestPart | null> {
    let rest = this.lengthBytes;
    let count = this.files.length;
    let generation = 0;
    let firstFile = -1;
    for (const file of this.complete) {
      if (rest <= lengthBytes * LEFT && count <= FILES_MAX / 2) break;
      rest -= file.bytes;
      count--;
      generation = Math.max(generation, file.generation);
      firstFile = file.number + 1;
    }
    if (firstFile >= 0) return { generation, next: filePosition(firstFile, this.#nextNumber) };
    await this.#tasks.run(() => this.#finish());
    return null;
  }

  /** Those to which nothing is appended any more, oldest first. */
  get complete(): readonly JournalFileInfo[] {
    return this.#file === null ? this.files : this.files.slice(0, -1);
  }

  append(blocks: readonly SealedBlock[]): Promise<void> {
    const appended = this.#append(blocks, this.#appended);
    this.#appended = appended.catch(() => undefined);
    return appended;
  }

  /** Settles when `before` has, and the write of these blocks. */
  async #append(blocks: readonly SealedBlock[], before: Promise<void>): Promise<void> {
    try {
      const { written } = await this.#tasks.run(() => this.#begin(blocks));
      await written;
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException);
    }
    await before;
    if (this.#failure !== null) throw this.#failure;
    // Also if these are written, and something before them is not.
    if (this.#writtenBlock < blocks[blocks.length - 1].number) throw this.#full as Error;
  }

  /** Begins to write the blocks; the last part of them may still be under way when it resolves. */
  async #begin(blocks: readonly SealedBlock[]): Promise<Begun> {
    let buffers: Buffer[] = [];
    let bytes = 0;
    for (const block of blocks) {
      // A batch that found the disk full half-way is tried again as a whole.
      if (block.number <= this.#writtenBlock) continue;
      const length = block.end - block.start;
      const file = this.#file;
      if (file === null || !file.hasRoom(bytes + length)) {
        if (bytes > 0) {
          await (await this.#write(buffers, bytes, block.number - 1)).written;
          buffers = [];
          bytes = 0;
        }
        if (file === null || !file.isEmpty) await this.#rotate(block.number);
      }
      const { info } = this.#file as JournalFileWriter;
      buffers.push(block.chunk.buffer.subarray(block.start, block.end));
      bytes += length;
      if (block.chunk.generation > info.generation) info.generation = block.chunk.generation;
    }
    if (bytes === 0) return NOTHING_BEGUN;
    return this.#write(buffers, bytes, blocks[blocks.length - 1].number);
  }

  async #write(buffers: readonly Buffer[], bytes: number, lastBlock: number): Promise<Begun> {
    const file = this.#file as JournalFileWriter;
    await file.makeRoom(bytes);
    this.#assertFollows(lastBlock - buffers.length + 1);
    this.#begunBlock = lastBlock;
    return { written: file.write(buffers, bytes, lastBlock) };
  }

  /**
   * A block is written behind the one before it, or not at all: after a write that failed, those that were on their way meanwhile must
   * not take its place.
   */
  #assertFollows(block: number): void {
    if (this.#failure !== null) throw this.#failure;
    const isFallingBack = this.#file?.isFallingBack === true;
    if (block === this.#begunBlock + 1 && !isFallingBack) return;
    throw this.#full ?? new Error(`block ${block} of the journal does not follow block ${this.#begunBlock}`);
  }

  #written(block: number, bytes: number): void {
    this.lengthBytes += bytes;
    this.writtenBytes += bytes;
    this.#writtenBlock = block;
    if (this.#durability.mode === 'sync' && this.#failure === null) this.#syncedBlock = block;
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (isDiskFull(error)) this.#full = error;
    else this.#failure ??= error;
  }

  async release(before: Position): Promise<void> {
    const { firstFile } = inFiles(before);
    while (this.files.length > 0 && this.files[0].number < firstFile) {
      const file = this.files.shift() as JournalFileInfo;
      this.lengthBytes -= file.bytes;
      const path = `${this.#directory}/${journalFileName(file.number)}`;
      if (this.#spares.length < SPARES_MAX && file.bytes > this.#fileBytes / 2) {
        const spare = path.replace(/journal$/, 'spare');
        await this.#fs.rename(path, spare);
        this.#spares.push(spare);
      } else {
        await this.#fs.remove(path);
      }
    }
  }

  /** The spare files: on a full disk they are worth less than their space. */
  dropReserves(): Promise<void> {
    return this.#tasks.run(async () => {
      while (this.#spares.length > 0) {
        await this.#fs.remove(this.#spares[0]);
        this.#spares.shift();
      }
    });
  }

  close(): Promise<void> {
    this.#timer?.cancel();
    return this.#tasks.run(() => this.#finish());
  }

  /** Whatever the durability setting: what was appended before is on stable storage afterwards. */
  async sync(): Promise<void> {
    const block = this.#writtenBlock;
    const file = this.#file;
    if (this.#syncedBlock >= block) return;
    if (file !== null) {
      try {
        await this.#syncFile(file);
        this.#syncedBlock = Math.max(this.#syncedBlock, block);
      } catch (error) {
        // It was finished meanwhile, which syncs it.
        if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error;
      }
    }
    if (this.#syncedBlock < block) await this.#tasks.run(async () => undefined);
    if (this.#failure !== null) throw this.#failure;
  }

  /** After a sync that failed the system may have forgotten what it did not write: no later one means anything. */
  async #syncFile(file: JournalFileWriter): Promise<void> {
    try {
      await file.sync();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EBADF') throw error;
      this.#failure ??= new Error(`${file.path} could not be synced: ${(error as Error).message}`, {
        cause: error,
      });
    }
    if (this.#failure !== null) throw this.#failure;
  }

  /**
   * In every mode: a file that is not the last one is whole, whatever happens to the power, as nothing is written to the next
   * one before. Where the disk is too full even for that, it stays the last one until it is tried again.
   */
  async #finish(): Promise<void> {
    const file = this.#file;
    if (file === null) return;
    await file.trim();
    this.#file = null;
    await this.#syncFile(file);
    this.#syncedBlock = this.#writtenBlock;
    await file.close();
  }

  async #rotate(firstBlock: number): Promise<void> {
    await this.#finish();
    this.#assertFollows(firstBlock);
    const number = this.#nextNumber;
    const path = `${this.#directory}/${journalFileName(number)}`;
    const handles = [await this.#create(path)];
    let allocatedBytes = 0;
    try {
      await handles[0].write([encodeFileHeader(number, firstBlock)], 0);
      await handles[0].sync();
      await this.#fs.syncDirectory(this.#directory);
      allocatedBytes = await handles[0].size();
      while (handles.length <= this.inFlightMax) handles.push(await this.#open(path, 'write'));
    } catch (error) {
      for (const handle of handles) await handle.close();
      throw error;
    }
    this.#nextNumber++;
    const info = { number, bytes: FILE_HEADER_BYTES, generation: 0, lastBlock: firstBlock - 1 };
    this.#file = new JournalFileWriter(info, handles, allocatedBytes, this.#fileBytes, this.#fileEvents);
    this.files.push(info);
    this.lengthBytes += info.bytes;
  }

  /** A spare under a new name if there is one. Its header is that of another file until it is overwritten. */
  async #create(path: string): Promise<File> {
    // An attempt that found the disk full may have left the file behind.
    await this.#fs.remove(path);
    const spare = this.#spares[0];
    if (spare === undefined) return this.#open(path, 'create');
    await this.#fs.rename(spare, path);
    this.#spares.shift();
    return this.#open(path, 'write');
  }

  #open(path: string, mode: 'create' | 'write'): Promise<File> {
    return this.#fs.open(path, mode, { writeThrough: this.#durability.mode === 'sync' });
  }
}
