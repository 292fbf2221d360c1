import { adviceOnDamage } from './operator-advice.ts';

/** A file of the data directory is not what was written to it. Nothing is guessed around it: the start stops. */
export class CorruptionError extends Error {
  readonly path: string;
  readonly offset: number;
  readonly what: string;

  /** `cause` is the system's error, where the file cannot even be read. */
  constructor(path: string, offset: number, what: string, cause?: unknown) {
    super(
      `${path} is damaged at byte ${offset}: ${what}.${adviceOnDamage(path)}`,
      cause === undefined ? undefined : { cause },
    );
    this.name = 'CorruptionError';
    this.path = path;
    this.offset = offset;
    this.what = what;
  }
}

/** The process is short of something, or was told to stop: that says nothing about the file. */
const NOT_THE_FILE = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EBADF', 'EINVAL', 'EROFS']);

const FOR_WANT_OF_A_RIGHT = new Set<string | undefined>(['EACCES', 'EPERM']);

/**
 * As `readFailure`, for the start and for those who look at the files of no broker. That a right is wanting says nothing
 * about a file: the right is to be given, and nothing to be cut off.
 */
export function readFailureAtRest(error: unknown, path: string, offset: number): unknown {
  const isForbidden = FOR_WANT_OF_A_RIGHT.has((error as NodeJS.ErrnoException).code);
  return isForbidden ? error : readFailure(error, path, offset);
}

/**
 * What to throw where opening or reading a file has failed: a CorruptionError, if the system cannot give what is in the file
 * (EIO of a bad sector, EISDIR, EACCES, ...). Not for writes and syncs: after those nobody knows what is on the disk.
 */
export function readFailure(error: unknown, path: string, offset: number): unknown {
  if (error instanceof CorruptionError || !(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || NOT_THE_FILE.has(code)) return error;
  const what = code === 'ENOENT' ? 'the file is missing' : `it cannot be read (${code})`;
  return new CorruptionError(path, offset, what, error);
}
