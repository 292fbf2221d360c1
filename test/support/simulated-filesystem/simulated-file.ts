import type { File, FileSystem } from '../../../src/log/files/filesystem.ts';
import { systemError } from '../../../src/log/files/system-error.ts';
import type { FileNode } from './simulated-names.ts';

/** `writeback`: the system writes what a program has written to it to the disk. */
export type Operation = keyof FileSystem | Exclude<keyof File, 'path'> | 'writeback';

/** What a file asks of the file system that it is in. */
export interface SimulatedFileHost {
  start<T>(operation: Operation, path: string, effect: () => T, worst?: () => void): Promise<T>;
  free(): number;
  resized(byBytes: number): void;
  released(node: FileNode): void;
}

/** A handle; the file itself is its node. */
export class SimulatedFile implements File {
  readonly path: string;
  readonly #host: SimulatedFileHost;
  readonly #node: FileNode;
  readonly #isWritable: boolean;
  readonly #isThrough: boolean;
  #isClosed = false;
  /** Of the content's, those that this handle was told of. */
  #writebackErrors: number;

  constructor(
    host: SimulatedFileHost,
    path: string,
    node: FileNode,
    isWritable: boolean,
    isThrough: boolean,
  ) {
    this.#isThrough = isThrough;
    this.path = path;
    this.#host = host;
    this.#node = node;
    this.#isWritable = isWritable;
    this.#writebackErrors = node.content.writebackErrors;
    node.handles++;
  }

  /** The bytes are taken when the write happens, not when it is asked for, as a kernel does it. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    const { content } = this.#node;
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    let sequence = 0;
    const written = this.#start(
      'write',
      position,
      () => {
        const fitting = Math.min(length, Math.max(0, content.size + this.#host.free() - position));
        sequence = content.mark;
        this.#change(() => content.write(buffers, position, fitting));
        if (fitting < length) throw systemError('ENOSPC', 'write', this.path);
      },
      () => this.#change(() => content.write(buffers, position, length >>> 1)),
    );
    return this.#isThrough ? written.then(() => this.#writeBack(sequence)) : written;
  }

  /**
   * Syncs one write alone: others that are under way may be on the disk before it, or not at all. That something could not be written
   * back is told to each handle once, by the first call that ends afterwards; it need not be the one whose bytes were lost.
   */
  async #writeBack(sequence: number): Promise<void> {
    const { content } = this.#node;
    let isLost = false;
    let hasError = false;
    const end = (): void => {
      content.markOneSynced(sequence);
      hasError = this.#takesError();
    };
    const lose = (): void => {
      isLost = true;
      content.markOneLost(sequence);
    };
    const start = (effect: () => void, worst?: () => void): Promise<void> =>
      this.#host.start('writeback', this.path, effect, worst);
    await start(end, lose).catch((error) => {
      if (!isLost) throw error;
    });
    if (isLost) {
      await start(() => {
        hasError = this.#takesError();
      });
    }
    // Others may be told that all is well between the moment when the call takes the error and the one when it ends.
    if (hasError) await start(() => this.#throw('write'));
  }

  /** Whether something could not be written back that this handle was not told of. */
  #takesError(): boolean {
    const { writebackErrors } = this.#node.content;
    const isNew = writebackErrors !== this.#writebackErrors;
    this.#writebackErrors = writebackErrors;
    return isNew;
  }

  #throw(operation: Operation): never {
    throw systemError('EIO', operation, this.path);
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#start('read', position, () => this.#node.content.read(into, position));
  }

  sync(): Promise<void> {
    const { content } = this.#node;
    // A write that is still under way is not covered: nothing says that the disk had it first.
    const mark = content.mark;
    return this.#start(
      'sync',
      0,
      () => {
        content.markSynced(mark);
        if (this.#takesError()) this.#throw('sync');
      },
      () => {
        content.markLost(mark);
        this.#writebackErrors = content.writebackErrors;
      },
    );
  }

  truncate(length: number): Promise<void> {
    return this.#start('truncate', length, () => this.#change(() => this.#node.content.truncate(length)));
  }

  size(): Promise<number> {
    return this.#start('size', 0, () => this.#node.content.size);
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    return this.#host.start('close', this.path, () => {
      this.#node.handles--;
      this.#host.released(this.#node);
    });
  }

  #start<T>(operation: Operation, position: number, effect: () => T, worst?: () => void): Promise<T> {
    const isChange = operation === 'write' || operation === 'truncate';
    if (this.#isClosed || (operation === 'write' && !this.#isWritable)) return this.#fail('EBADF', operation);
    if (!Number.isSafeInteger(position) || position < 0) return this.#fail('EINVAL', operation);
    if (isChange && !this.#isWritable) return this.#fail('EINVAL', operation);
    return this.#host.start(operation, this.path, effect, worst);
  }

  #fail(code: string, operation: Operation): Promise<never> {
    return Promise.reject(systemError(code, operation, this.path));
  }

  #change(change: () => void): void {
    const before = this.#node.content.size;
    change();
    this.#host.resized(this.#node.content.size - before);
  }
}
