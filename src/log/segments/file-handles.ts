import { CorruptionError, readFailure } from '../corruption.ts';
import type { File, FileSystem } from '../files/filesystem.ts';
import type { Segment } from './segment.ts';

interface Handle {
  readonly opening: Promise<File>;
  /** Operations that are using the file: it stays open for them. */
  users: number;
  whenIdle: (() => void) | null;
}

/**
 * The open files of all logs, the least recently used first in the map: ten thousand queues do not mean ten thousand
 * open files. More than the maximum are open only while more than that are in use at the same instant.
 */
export class FileHandles {
  readonly #fs: FileSystem;
  readonly #maxOpen: number;
  readonly #handles = new Map<Segment, Handle>();

  constructor(fs: FileSystem, maxOpen: number) {
    this.#fs = fs;
    this.#maxOpen = maxOpen;
  }

  get openCount(): number {
    return this.#handles.size;
  }

  /** Runs `work` with the segment's file, which stays open and in its place until `work` is done. */
  async use<T>(segment: Segment, work: (file: File) => Promise<T>): Promise<T> {
    const handle = this.#pin(segment, 'write');
    try {
      return await work(await handle.opening);
    } finally {
      this.#unpin(handle);
    }
  }

  /** As `use`, where the file is read: rejects with a CorruptionError if it cannot be opened. */
  async read<T>(segment: Segment, work: (file: File) => Promise<T>): Promise<T> {
    const handle = this.#pin(segment, 'write');
    try {
      const file = await handle.opening.catch((error) => {
        throw readFailure(error, segment.path, 0);
      });
      return await work(file);
    } finally {
      this.#unpin(handle);
    }
  }

  /** As `read`; false if the file cannot be opened or read, or is corrupt. */
  async tryRead(segment: Segment, work: (file: File) => Promise<void>): Promise<boolean> {
    try {
      await this.read(segment, work);
      return true;
    } catch (error) {
      if (error instanceof CorruptionError) return false;
      throw error;
    }
  }

  /** Makes the segment's file, which must not exist. */
  async create(segment: Segment): Promise<void> {
    const handle = this.#pin(segment, 'create');
    try {
      await handle.opening;
    } finally {
      this.#unpin(handle);
    }
  }

  /** Closes the file as soon as nobody uses it. The caller sees to it that nobody new will. */
  async retire(segment: Segment): Promise<void> {
    const handle = this.#handles.get(segment);
    if (handle === undefined) return;
    if (handle.users > 0) {
      await new Promise<void>((resolve) => {
        const others = handle.whenIdle;
        const whenIdle = () => {
          others?.();
          resolve();
        };
        handle.whenIdle = whenIdle;
      });
    }
    if (this.#handles.get(segment) !== handle) return;
    this.#handles.delete(segment);
    await this.#close(segment, handle);
  }

  async closeAll(): Promise<void> {
    for (const segment of [...this.#handles.keys()]) await this.retire(segment);
  }

  #pin(segment: Segment, mode: 'create' | 'write'): Handle {
    let handle = this.#handles.get(segment);
    if (handle === undefined) {
      handle = { opening: this.#fs.open(segment.path, mode), users: 0, whenIdle: null };
      const opened = handle;
      handle.opening.catch(() => {
        if (this.#handles.get(segment) === opened) this.#handles.delete(segment);
      });
    } else {
      this.#handles.delete(segment);
    }
    this.#handles.set(segment, handle);
    handle.users++;
    if (this.#handles.size > this.#maxOpen) this.#evict();
    return handle;
  }

  #unpin(handle: Handle): void {
    handle.users--;
    if (handle.users > 0) return;
    if (handle.whenIdle !== null) handle.whenIdle();
    else if (this.#handles.size > this.#maxOpen) this.#evict();
  }

  #evict(): void {
    for (const [segment, handle] of this.#handles) {
      if (this.#handles.size <= this.#maxOpen) return;
      if (handle.users > 0 || handle.whenIdle !== null) continue;
      this.#handles.delete(segment);
      void this.#close(segment, handle);
    }
  }

  async #close(segment: Segment, handle: Handle): Promise<void> {
    try {
      await (await handle.opening).close();
    } catch (error) {
      // Some file systems report a lost write only now. Whoever wants the segment durable must hear of it.
      segment.failure ??= error as Error;
    }
  }
}
