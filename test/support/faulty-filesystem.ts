import type { File, FileSystem } from '../../src/log/files/filesystem.ts';
import { systemError } from '../../src/log/files/system-error.ts';

export const FAULTY_OPERATIONS = [
  'open',
  'read',
  'write',
  'sync',
  'truncate',
  'rename',
  'remove',
  'list',
  'makeDirectory',
  'syncDirectory',
] as const;
export type FaultyOperation = (typeof FAULTY_OPERATIONS)[number];

/** The n-th call of an operation, counted from 1, fails once with this error. */
export interface Fault {
  readonly operation: FaultyOperation;
  readonly call: number;
  readonly code: string;
}

/** The same file system, of which one call fails before anything of it has happened. */
export class FaultyFileSystem implements FileSystem {
  /** The call that failed; null if it has not come yet. */
  failedPath: string | null = null;
  readonly counts = new Map<FaultyOperation, number>();
  readonly #fs: FileSystem;
  readonly #fault: Fault | null;

  constructor(fs: FileSystem, fault: Fault | null) {
    this.#fs = fs;
    this.#fault = fault;
  }

  async open(...[path, mode, options]: Parameters<FileSystem['open']>): Promise<File> {
    this.count('open', path);
    return new FaultyFile(this, await this.#fs.open(path, mode, options));
  }

  async list(directory: string): Promise<string[]> {
    this.count('list', directory);
    return this.#fs.list(directory);
  }

  async makeDirectory(path: string): Promise<void> {
    this.count('makeDirectory', path);
    await this.#fs.makeDirectory(path);
  }

  async rename(from: string, to: string): Promise<void> {
    this.count('rename', from);
    await this.#fs.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    this.count('remove', path);
    await this.#fs.remove(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.count('syncDirectory', path);
    await this.#fs.syncDirectory(path);
  }

  freeBytes(path: string): Promise<number> {
    return this.#fs.freeBytes(path);
  }

  /** @throws the system's error, if this is the call that has to fail */
  count(operation: FaultyOperation, path: string): void {
    const count = (this.counts.get(operation) ?? 0) + 1;
    this.counts.set(operation, count);
    const fault = this.#fault;
    if (fault === null || fault.operation !== operation || fault.call !== count) return;
    this.failedPath = path;
    throw systemError(fault.code, operation, path);
  }
}

class FaultyFile implements File {
  readonly path: string;
  readonly #host: FaultyFileSystem;
  readonly #file: File;

  constructor(host: FaultyFileSystem, file: File) {
    this.path = file.path;
    this.#host = host;
    this.#file = file;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    this.#host.count('write', this.path);
    await this.#file.write(buffers, position);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    this.#host.count('read', this.path);
    return this.#file.read(into, position);
  }

  async sync(): Promise<void> {
    this.#host.count('sync', this.path);
    await this.#file.sync();
  }

  async truncate(length: number): Promise<void> {
    this.#host.count('truncate', this.path);
    await this.#file.truncate(length);
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
