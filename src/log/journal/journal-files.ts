import { crc32c } from '../../base/crc32c.ts';
import type { Scheduler, Timer } from '../../base/scheduler.ts';
import { Serial } from '../../base/scheduler.ts';
import type { File, FileSystem } from '../files/filesystem.ts';
import { FILE_HEADER_BYTES, FILE_MAGIC, FORMAT_VERSION } from './format.ts';
import type { JournalDevice, SealedBlock } from './journal.ts';

export type Durability =
  | { readonly mode: 'sync' }
  | { readonly mode: 'interval'; readonly intervalMs: number }
  | { readonly mode: 'os' };

/** A file of the journal, and what has to be in segments before it can be retired. */
export interface JournalFileInfo {
  readonly number: number;
  bytes: number;
  /** Messages in this file are in chunks of this generation or older. */
  generation: number;
  /** The last block in it. */
  lastBlock: number;
}

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
/**
 * How far a file that grows is filled ahead with zeros: as much as is in it, within these limits. Little at a time, as
 * commits go through the same disk.
 */
const AHEAD_BYTES_MIN = 64 * 1024;
const AHEAD_BYTES_MAX = 4 * 1024 * 1024;

export function isSpareName(name: string): boolean {
  return /^\d{10}\.spare$/.test(name);
}

const ZEROS = Buffer.alloc(AHEAD_BYTES_MIN);

/** So many bytes, without so much memory. */
function zeros(bytes: number): Buffer[] {
  const pieces = Array.from({ length: Math.floor(bytes / ZEROS.length) }, () => ZEROS);
  pieces.push(ZEROS.subarray(0, bytes % ZEROS.length));
  return pieces;
}

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
  totalBytes = 0;
  /** Written since the start, in all files. */
  writtenBytes = 0;
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #fileBytes: number;
  readonly #durability: Durability;
  #nextNumber: number;
  #file: File | null = null;
  #position = 0;
  #writtenBlock: number;
  #syncedBlock: number;
  #failure: Error | null = null;
  /** Writes, and the end of a file, one after the other. */
  readonly #tasks = new Serial();
  #timer: Timer | null = null;
  /** How far the present file may reach. */
  #allocatedBytes = 0;
  /** The file is being filled with zeros, behind the blocks that are written meanwhile. */
  #growing: Promise<void> | null = null;
  /** Files that were retired since the start. */
  readonly #spares: string[] = [];

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
    this.#nextNumber = nextNumber;
    this.files = existing;
    for (const { bytes } of existing) this.totalBytes += bytes;
    this.#writtenBlock = options.lastBlock;
    this.#syncedBlock = options.lastBlock;
    if (options.durability.mode === 'interval') {
      const { intervalMs } = options.durability;
      this.#timer = options.scheduler.every(intervalMs, () => this.sync().catch(onFailure));
    }
  }

  /** The number that the next file will have. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  /** Blocks up to this one are on stable storage. */
  get syncedBlock(): number {
    return this.#syncedBlock;
  }

  /** Those to which nothing is appended any more, oldest first. */
  get complete(): readonly JournalFileInfo[] {
    return this.#file === null ? this.files : this.files.slice(0, -1);
  }

  append(blocks: readonly SealedBlock[]): Promise<void> {
    return this.#tasks.run(() => this.#append(blocks));
  }

  async #append(blocks: readonly SealedBlock[]): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    let buffers: Buffer[] = [];
    let bytes = 0;
    let info = this.files[this.files.length - 1];
    for (const block of blocks) {
      // A batch that found the disk full half-way is tried again as a whole.
      if (block.number <= this.#writtenBlock) continue;
      const length = block.end - block.start;
      if (this.#file === null || this.#position + bytes + length > this.#fileBytes) {
        if (this.#file === null || this.#position + bytes > FILE_HEADER_BYTES) {
          await this.#writeOut(buffers, bytes, info);
          buffers = [];
          bytes = 0;
          info = await this.#rotate(block.number);
        }
      }
      buffers.push(block.chunk.buffer.subarray(block.start, block.end));
      bytes += length;
      if (block.chunk.generation > info.generation) info.generation = block.chunk.generation;
      info.lastBlock = block.number;
    }
    await this.#writeOut(buffers, bytes, info);
    if (this.#durability.mode === 'sync') this.#syncedBlock = this.#writtenBlock;
  }

  /** Forgets the oldest files, up to `number`, and removes them. Their content must be safe elsewhere. */
  async removeThrough(number: number): Promise<void> {
    while (this.files.length > 0 && this.files[0].number <= number) {
      const file = this.files.shift() as JournalFileInfo;
      this.totalBytes -= file.bytes;
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

  /** The next block begins a new file, so that all present ones can be retired. */
  startNewFile(): Promise<void> {
    return this.#tasks.run(() => this.#finish());
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
  async #syncFile(file: File): Promise<void> {
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

  async #finish(): Promise<void> {
    await this.#growing?.catch(() => undefined);
    const file = this.#file;
    if (file === null) return;
    // In every mode: a file that is not the last one is whole, whatever happens to the power. Where the disk is too full even
    // for that, it stays the last one until it is tried again.
    if (this.#allocatedBytes > this.#position) await file.truncate(this.#position);
    this.#allocatedBytes = this.#position;
    this.#file = null;
    await this.#syncFile(file);
    this.#syncedBlock = this.#writtenBlock;
    await file.close();
  }

  async #writeOut(buffers: readonly Buffer[], bytes: number, info: JournalFileInfo): Promise<void> {
    if (bytes === 0) return;
    if (this.#position + bytes > this.#allocatedBytes) await this.#growing;
    if (this.#position + bytes > this.#allocatedBytes) await this.#grow(this.#position + bytes);
    await (this.#file as File).write(buffers, this.#position);
    this.#position += bytes;
    this.#growAhead();
    info.bytes += bytes;
    this.totalBytes += bytes;
    this.writtenBytes += bytes;
    this.#writtenBlock = info.lastBlock;
  }

  /** Nobody waits for it, unless it is outrun. */
  #growAhead(): void {
    const room = this.#allocatedBytes - this.#position;
    if (this.#growing !== null || room > AHEAD_BYTES_MAX / 2 || this.#allocatedBytes >= this.#fileBytes)
      return;
    this.#growing = this.#grow(this.#allocatedBytes).finally(() => {
      this.#growing = null;
    });
    // Whatever is wrong with the file, the next write will say.
    this.#growing.catch(() => undefined);
  }

  /** Fills the file with zeros up to `needed`, and then some. What is written over them is quicker than growing each time. */
  async #grow(needed: number): Promise<void> {
    const from = Math.max(this.#allocatedBytes, this.#position);
    const ahead = Math.min(Math.max(this.#position, AHEAD_BYTES_MIN), AHEAD_BYTES_MAX);
    const to = Math.min(Math.max(needed, this.#fileBytes), needed + ahead);
    if (to <= from) return;
    const before = this.#allocatedBytes;
    try {
      await (this.#file as File).write(zeros(to - from), from);
    } catch (error) {
      // Perhaps there is still room for the blocks alone.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      // Also if it failed: a part may have been written, and has to be cut off when the file is finished.
      this.#allocatedBytes = Math.max(before, to);
    }
  }

  async #rotate(firstBlock: number): Promise<JournalFileInfo> {
    await this.#finish();
    const number = this.#nextNumber;
    const path = `${this.#directory}/${journalFileName(number)}`;
    const file = await this.#create(path);
    try {
      await file.write([encodeFileHeader(number, firstBlock)], 0);
      await file.sync();
      await this.#fs.syncDirectory(this.#directory);
      this.#allocatedBytes = await file.size();
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#nextNumber++;
    this.#file = file;
    this.#position = FILE_HEADER_BYTES;
    const info = { number, bytes: FILE_HEADER_BYTES, generation: 0, lastBlock: firstBlock - 1 };
    this.files.push(info);
    this.totalBytes += info.bytes;
    return info;
  }

  /** A spare under a new name if there is one. Its header is that of another file until it is overwritten. */
  async #create(path: string): Promise<File> {
    const options = { writeThrough: this.#durability.mode === 'sync' };
    // An attempt that found the disk full may have left the file behind.
    await this.#fs.remove(path);
    const spare = this.#spares[0];
    if (spare === undefined) return this.#fs.open(path, 'create', options);
    await this.#fs.rename(spare, path);
    this.#spares.shift();
    return this.#fs.open(path, 'write', options);
  }
}
