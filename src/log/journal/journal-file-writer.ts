import type { File } from '../files/filesystem.ts';
import { FILE_HEADER_BYTES } from './format.ts';

/** A file of the journal, and what has to be in segments before it can be retired. */
export interface JournalFileInfo {
  readonly number: number;
  bytes: number;
  /** Messages in this file are in chunks of this generation or older. */
  generation: number;
  /** The last block in it. */
  lastBlock: number;
}

/** One that is under way, or that has ended before one that was begun earlier. */
interface Write {
  readonly bytes: number;
  readonly lastBlock: number;
  hasEnded: boolean;
  hasFailed: boolean;
}

export interface JournalFileEvents {
  /** The write of these blocks, and all before it, have ended well. */
  onWritten(lastBlock: number, bytes: number): void;
  /** Called at once, while others may still be under way. */
  onFailed(error: NodeJS.ErrnoException): void;
  /** After a write that failed nothing is under way any more: what was begun behind `info.lastBlock` is void. */
  onFallBack(): void;
}

/**
 * How far a file that grows is filled ahead with zeros: as much as is in it, within these limits. Little at a time, as
 * commits go through the same disk.
 */
const AHEAD_BYTES_MIN = 64 * 1024;
const AHEAD_BYTES_MAX = 4 * 1024 * 1024;

const ZEROS = Buffer.alloc(AHEAD_BYTES_MIN);

/** So many bytes, without so much memory. */
function zeros(bytes: number): Buffer[] {
  const pieces = Array.from({ length: Math.floor(bytes / ZEROS.length) }, () => ZEROS);
  pieces.push(ZEROS.subarray(0, bytes % ZEROS.length));
  return pieces;
}

/**
 * The newest file of the journal, with several writes under way in it.
 *
 *     header | blocks that are written | under way | under way | zeros, or blocks of a former life
 *                                      ^ info.bytes            ^ end                              ^ allocated
 *
 * A write is begun where the one before it will end, and writes end in any order; what is written ends before the first that has
 * not. If one fails, those behind it are void, whether or not they ended well: when all have ended, the next one begins where
 * what is written ends.
 *
 * Each write that is under way has a descriptor for itself, and so have the zeros. Linux tells each open file description once
 * that something could not be written back, whichever write it was: of two that share one, the other could get the error and
 * this one be told that all is well.
 */
export class JournalFileWriter {
  readonly info: JournalFileInfo;
  readonly #files: readonly File[];
  readonly #idle: File[];
  readonly #zerosFile: File;
  readonly #fileBytes: number;
  readonly #events: JournalFileEvents;
  #writes: Write[] = [];
  /** Of what was begun. */
  #end = FILE_HEADER_BYTES;
  /** How far the file may reach. */
  #allocatedBytes: number;
  /** It is being filled with zeros, behind the blocks that are written meanwhile. */
  #growing: Promise<void> | null = null;
  #whenIdle: (() => void)[] = [];

  /** `files` are descriptors of one file: one for each write under way, and one for zeros. It has `allocatedBytes` already. */
  constructor(
    info: JournalFileInfo,
    [zerosFile, ...files]: readonly File[],
    allocatedBytes: number,
    fileBytes: number,
    events: JournalFileEvents,
  ) {
    this.info = info;
    this.#zerosFile = zerosFile;
    this.#files = files;
    this.#idle = [...files];
    this.#allocatedBytes = allocatedBytes;
    this.#fileBytes = fileBytes;
    this.#events = events;
  }

  get path(): string {
    return this.#zerosFile.path;
  }

  /** Whether no block was begun. */
  get isEmpty(): boolean {
    return this.#end === FILE_HEADER_BYTES;
  }

  /** A write has failed, and others have not ended yet. */
  get isFallingBack(): boolean {
    return this.#writes.some(({ hasFailed }) => hasFailed);
  }

  hasRoom(bytes: number): boolean {
    return this.#end + bytes <= this.#fileBytes;
  }

  /** To be awaited before `write`; one at a time. */
  async makeRoom(bytes: number): Promise<void> {
    if (this.#idle.length === 0) await this.drain();
    while (this.#end + bytes > this.#allocatedBytes) await (this.#growing ?? this.#growTo(this.#end + bytes));
  }

  /** Begins to write behind what was begun before. Settles when this write has ended, whatever became of others. */
  async write(buffers: readonly Buffer[], bytes: number, lastBlock: number): Promise<void> {
    const file = this.#idle.pop();
    if (file === undefined) throw new Error('more writes are under way than there are descriptors');
    const at = this.#end;
    this.#end += bytes;
    const write: Write = { bytes, lastBlock, hasEnded: false, hasFailed: false };
    this.#writes.push(write);
    try {
      await file.write(buffers, at);
      this.#growAhead();
    } catch (error) {
      write.hasFailed = true;
      this.#events.onFailed(error as NodeJS.ErrnoException);
      throw error;
    } finally {
      write.hasEnded = true;
      this.#idle.push(file);
      this.#count();
    }
  }

  /** Resolves when nothing is under way. */
  async drain(): Promise<void> {
    if (this.#idle.length === this.#files.length) return;
    await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** Cuts off what stands behind the last block. If the disk is too full for that, it can be tried again. */
  async trim(): Promise<void> {
    await this.drain();
    await this.#growing?.catch(() => undefined);
    if (this.#allocatedBytes > this.#end) await this.#zerosFile.truncate(this.#end);
    this.#allocatedBytes = this.#end;
  }

  /** Covers the writes that have ended. */
  sync(): Promise<void> {
    return this.#files[0].sync();
  }

  async close(): Promise<void> {
    await this.#zerosFile.close();
    for (const file of this.#files) await file.close();
  }

  #count(): void {
    while (this.#writes.length > 0 && this.#writes[0].hasEnded && !this.#writes[0].hasFailed) {
      const { bytes, lastBlock } = this.#writes.shift() as Write;
      this.info.bytes += bytes;
      this.info.lastBlock = lastBlock;
      this.#events.onWritten(lastBlock, bytes);
    }
    if (this.#idle.length < this.#files.length) return;
    if (this.#writes.length > 0) {
      this.#writes = [];
      this.#end = this.info.bytes;
      this.#events.onFallBack();
    }
    const waiting = this.#whenIdle;
    if (waiting.length === 0) return;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }

  /** Nobody waits for it, unless it is outrun. */
  #growAhead(): void {
    const room = this.#allocatedBytes - this.#end;
    if (this.#growing !== null || room > AHEAD_BYTES_MAX / 2 || this.#allocatedBytes >= this.#fileBytes)
      return;
    // Whatever is wrong with the file, the next write will say.
    this.#growTo(this.#allocatedBytes).catch(() => undefined);
  }

  /** One at a time: a second one from the same place would write zeros over blocks that the first had made room for. */
  #growTo(needed: number): Promise<void> {
    this.#growing = this.#grow(needed).finally(() => {
      this.#growing = null;
    });
    return this.#growing;
  }

  /** Fills the file with zeros up to `needed`, and then some. What is written over them is quicker than growing each time. */
  async #grow(needed: number): Promise<void> {
    const from = Math.max(this.#allocatedBytes, this.#end);
    const ahead = Math.min(Math.max(this.#end, AHEAD_BYTES_MIN), AHEAD_BYTES_MAX);
    const to = Math.min(Math.max(needed, this.#fileBytes), needed + ahead);
    if (to <= from) return;
    const before = this.#allocatedBytes;
    try {
      await this.#zerosFile.write(zeros(to - from), from);
    } catch (error) {
      // Perhaps there is still room for the blocks alone.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      // Also if it failed: a part may have been written, and has to be cut off when the file is finished.
      this.#allocatedBytes = Math.max(before, to);
    }
  }
}
