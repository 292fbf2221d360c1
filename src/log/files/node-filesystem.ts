/**
 * The file-system port on the real disk.
 *
 * Files are plain descriptors with `fs`'s callback functions: a write of the journal costs one promise and one
 * trip through the thread pool, where a FileHandle of `fs/promises` costs several of the former.
 */
import fs from 'node:fs';
import * as fsp from 'node:fs/promises';
import type { File, FileSystem } from './filesystem.ts';
import { makeDirectories } from './make-directories.ts';
import { PRIVATE_DIRECTORY, PRIVATE_FILE } from './private-files.ts';
import { systemError, withPlace } from './system-error.ts';

/** The most buffers that one writev takes: IOV_MAX is 1024 on Linux, macOS and the BSDs. */
const WRITEV_BUFFERS_MAX = 1024;

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants;
/** Files are read and written as ever; a pipe in the place of one fails instead of waiting for its other end. */
const O_NONBLOCK = process.platform === 'win32' ? 0 : fs.constants.O_NONBLOCK;
const OPEN_FLAGS = {
  create: O_RDWR | O_CREAT | O_EXCL,
  write: O_RDWR | O_NONBLOCK,
  read: O_RDONLY | O_NONBLOCK,
} as const;
/**
 * One system call less than write and fdatasync, and one trip through the thread pool. Linux alone promises that the
 * disk's own cache is flushed by it.
 */
const O_DSYNC = process.platform === 'linux' ? fs.constants.O_DSYNC : 0;

export const nodeFileSystem: FileSystem = {
  open(path, mode, options) {
    const isThrough = options?.writeThrough === true;
    return new Promise((resolve, reject) => {
      fs.open(path, OPEN_FLAGS[mode] | (isThrough ? O_DSYNC : 0), PRIVATE_FILE, (error, fd) => {
        if (error) reject(error);
        else resolve(isThrough && O_DSYNC === 0 ? new SyncingFile(path, fd) : new NodeFile(path, fd));
      });
    });
  },

  async list(directory) {
    try {
      return (await fsp.readdir(directory)).sort();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  },

  makeDirectory(path) {
    return makeDirectories(path, PRIVATE_DIRECTORY);
  },

  rename(from, to) {
    return fsp.rename(from, to);
  },

  async remove(path) {
    try {
      await fsp.unlink(path);
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return;
      // A directory: EISDIR on Linux, EPERM by POSIX. Where EPERM meant something else, rm says so again.
      if (code !== 'EISDIR' && code !== 'EPERM') throw error;
      await fsp.rm(path, { recursive: true, force: true });
    }
  },

  async syncDirectory(path) {
    // Windows can not open a directory as a file; NTFS journals its directories by itself.
    if (process.platform === 'win32') return;
    const directory = await fsp.open(path, O_RDONLY | O_NONBLOCK);
    try {
      await directory.sync();
    } catch (error) {
      // Some network and user-space file systems refuse an fsync of a directory: there is nothing to be had there.
      const code = errorCode(error);
      if (code !== 'EINVAL' && code !== 'ENOTSUP' && code !== 'ENOSYS')
        throw withPlace(error as Error, 'fsync', path);
    } finally {
      await directory.close();
    }
  },

  async freeBytes(path) {
    const { bavail, bsize } = await fsp.statfs(path);
    return bavail * bsize;
  },
};

class NodeFile implements File {
  readonly path: string;
  readonly fd: number;
  closed = false;
  inFlight = 0;
  whenIdle: (() => void) | null = null;

  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.begin('write', position, reject)) return;
      let rest = dropBytes(buffers, 0);
      const onWritten: OnBytes = (error, written) => {
        position += written;
        rest = dropBytes(rest, written);
        if (error) this.end(reject, withPlace(error, 'write', this.path, position));
        else if (rest.length === 0) this.end(resolve, undefined);
        else if (written === 0) this.end(reject, systemError('EIO', 'write', this.path));
        else writeSome(this.fd, rest, position, onWritten);
      };
      if (rest.length === 0) this.end(resolve, undefined);
      else writeSome(this.fd, rest, position, onWritten);
    });
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      if (!this.begin('read', position, reject)) return;
      let filled = 0;
      const onRead: OnBytes = (error, bytes) => {
        filled += bytes;
        if (error) this.end(reject, withPlace(error, 'read', this.path, position + filled));
        else if (bytes === 0 || filled === into.length) this.end(resolve, filled);
        else fs.read(this.fd, into, filled, into.length - filled, position + filled, onRead);
      };
      fs.read(this.fd, into, 0, into.length, position, onRead);
    });
  }

  sync(): Promise<void> {
    return this.call('fdatasync', 0, (done) => fs.fdatasync(this.fd, done));
  }

  truncate(length: number): Promise<void> {
    return this.call('ftruncate', length, (done) => fs.ftruncate(this.fd, length, done));
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      if (!this.begin('fstat', 0, reject)) return;
      fs.fstat(this.fd, (error, stats) => {
        if (error) this.end(reject, withPlace(error, 'fstat', this.path));
        else this.end(resolve, stats.size);
      });
    });
  }

  modifiedMs(): Promise<number> {
    return new Promise((resolve, reject) => {
      if (!this.begin('fstat', 0, reject)) return;
      fs.fstat(this.fd, (error, stats) => {
        if (error) this.end(reject, withPlace(error, 'fstat', this.path));
        else this.end(resolve, stats.mtimeMs);
      });
    });
  }

  /**
   * Waits for what is in flight: the thread pool keeps no order, so the descriptor could be closed and given to
   * another file before a write that was asked for earlier, and that write would land in the other file.
   */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.inFlight > 0) await new Promise<void>((resolve) => (this.whenIdle = resolve));
    await new Promise<void>((resolve, reject) => {
      fs.close(this.fd, (error) => (error ? reject(error) : resolve()));
    });
  }

  private call(
    name: string,
    position: number,
    run: (done: (error: Error | null) => void) => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.begin(name, position, reject)) return;
      run((error) =>
        error ? this.end(reject, withPlace(error, name, this.path)) : this.end(resolve, undefined),
      );
    });
  }

  private begin(operation: string, position: number, reject: (error: Error) => void): boolean {
    // What is no position, fs would silently take for "where the last write ended".
    const isPosition = Number.isSafeInteger(position) && position >= 0;
    if (this.closed || !isPosition) {
      reject(systemError(this.closed ? 'EBADF' : 'EINVAL', operation, this.path));
      return false;
    }
    this.inFlight++;
    return true;
  }

  private end<T>(settle: (value: T) => void, value: T): void {
    this.inFlight--;
    settle(value);
    if (this.inFlight === 0 && this.whenIdle !== null) this.whenIdle();
  }
}

/** Where the system cannot be told to write through. */
class SyncingFile extends NodeFile {
  override async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    await super.write(buffers, position);
    await this.sync();
  }
}

type OnBytes = (error: NodeJS.ErrnoException | null, bytes: number) => void;

function writeSome(fd: number, buffers: readonly Uint8Array[], position: number, done: OnBytes): void {
  if (buffers.length === 1) fs.write(fd, buffers[0], 0, buffers[0].length, position, done);
  else if (buffers.length <= WRITEV_BUFFERS_MAX) fs.writev(fd, buffers, position, done);
  else fs.writev(fd, buffers.slice(0, WRITEV_BUFFERS_MAX), position, done);
}

/** What is left of the buffers after their first `count` bytes; no empty buffer in front. The input stays as it is. */
export function dropBytes(buffers: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let index = 0;
  while (index < buffers.length && count >= buffers[index].length) count -= buffers[index++].length;
  if (index === buffers.length) return [];
  if (index === 0 && count === 0) return buffers;
  const rest = buffers.slice(index);
  if (count > 0) rest[0] = rest[0].subarray(count);
  return rest;
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
