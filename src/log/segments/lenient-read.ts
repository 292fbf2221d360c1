import { CorruptionError, readFailureAtRest } from '../corruption.ts';
import type { File, FileSystem } from '../files/filesystem.ts';

/** What a disk cannot give is given up by sectors. */
const PIECE_BYTES = 512;

/** Null if there is no such file; a text if the system cannot open it. */
export async function openIfReadable(fs: FileSystem, path: string): Promise<File | string | null> {
  try {
    const file = await fs.open(path, 'read');
    // A directory can be opened, but not read.
    await file.read(Buffer.alloc(1), 0).catch(async (error) => {
      if ((error as NodeJS.ErrnoException).code !== 'EISDIR') return;
      await file.close();
      throw error;
    });
    return file;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    return whatOf(error, path, 0);
  }
}

/** What is wrong, in words; rejects what says nothing about the file. */
function whatOf(error: unknown, path: string, position: number): string {
  const failure = readFailureAtRest(error, path, position);
  if (failure instanceof CorruptionError) return failure.what;
  throw failure;
}

/** Null if it was read, or what is wrong. */
export async function tryToRead(file: File, into: Buffer, position: number): Promise<string | null> {
  try {
    await file.read(into, position);
    return null;
  } catch (error) {
    return whatOf(error, file.path, position);
  }
}

/** Fills `into` with what can be read there, and zeros in the place of the rest. */
export async function readAround(file: File, into: Buffer, position: number): Promise<void> {
  if ((await tryToRead(file, into, position)) === null) return;
  for (let from = 0; from < into.length; ) {
    const to = Math.min(into.length, from + PIECE_BYTES - ((position + from) % PIECE_BYTES));
    const piece = into.subarray(from, to);
    if ((await tryToRead(file, piece, position + from)) !== null) piece.fill(0);
    from = to;
  }
}
