/**
 * The port through which every file of the data directory is reached. Two implementations: the real one
 * (`node-filesystem.ts`) and one that simulates power cuts (`simulated-filesystem.ts`).
 *
 * Paths are absolute or relative to the process; separators are '/'. Every failure rejects with the system's
 * error (`code` is 'ENOENT', 'ENOSPC', 'EIO', ...).
 */
export interface FileSystem {
  /** 'create' makes a new empty file and fails with EEXIST if there is one; 'write' opens an existing one for
   * reading and writing; 'read' for reading alone. With `writeThrough`, what is written is on stable storage when the
   * write resolves, as if `sync` had followed. */
  open(path: string, mode: 'create' | 'write' | 'read', options?: { writeThrough?: boolean }): Promise<File>;
  /** The names (not paths) in a directory, sorted; empty if the directory does not exist. */
  list(directory: string): Promise<string[]>;
  /** With all parents; no error if it exists. */
  makeDirectory(path: string): Promise<void>;
  /** Replaces what was at `to`. Durable only after `syncDirectory` of the parent. */
  rename(from: string, to: string): Promise<void>;
  /** A file, or a directory with all that is in it; no error if there is none. Durable after `syncDirectory`. */
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in this directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Bytes that an unprivileged process may still write on the volume of `path`. */
  freeBytes(path: string): Promise<number>;
}

export interface File {
  readonly path: string;
  /** Writes all the bytes of all the buffers at `position`, in one system call where it can be done in one. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** Fills `into` from `position`; resolves with the bytes read, fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** fdatasync: when it resolves, what was written before is on stable storage. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  /** When it was written last, in milliseconds since the epoch; where that is known. */
  modifiedMs?(): Promise<number>;
  close(): Promise<void>;
}
