import type { File, FileSystem } from '../../src/log/files/filesystem.ts';
import { systemError } from '../../src/log/files/system-error.ts';

/** A stretch of a file that the disk cannot give. */
export interface BadSectors {
  path: string;
  readonly from: number;
  readonly to: number;
}

/**
 * The same file system on a disk where every read of these places fails with EIO, again and again. They are the file's: they
 * go with it when it is renamed.
 */
export function withBadSectors(fs: FileSystem, bad: BadSectors[]): FileSystem {
  return {
    list: (directory) => fs.list(directory),
    makeDirectory: (path) => fs.makeDirectory(path),
    remove: (path) => fs.remove(path),
    syncDirectory: (path) => fs.syncDirectory(path),
    freeBytes: (path) => fs.freeBytes(path),
    open: async (path, mode, options) => withBadReads(await fs.open(path, mode, options), bad),
    rename: async (from, to) => {
      await fs.rename(from, to);
      const kept = bad.filter(({ path }) => path !== to);
      bad.splice(0, bad.length, ...kept);
      for (const each of bad) if (each.path === from) each.path = to;
    },
  };
}

function withBadReads(file: File, bad: readonly BadSectors[]): File {
  return {
    path: file.path,
    write: (buffers, position) => file.write(buffers, position),
    sync: () => file.sync(),
    truncate: (length) => file.truncate(length),
    size: () => file.size(),
    close: () => file.close(),
    read: (into, position) => {
      const isHit = bad.some(
        ({ path, from, to }) => path === file.path && position < to && position + into.length > from,
      );
      return isHit ? Promise.reject(systemError('EIO', 'read', file.path)) : file.read(into, position);
    },
  };
}
