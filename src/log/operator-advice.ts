/**
 * What an operator is told to do about a file, a directory, or an error of the storage: commands can be pasted as they stand.
 */

/** The launcher (`bin/sluice`) says how it was called. */
const LAUNCHER = process.env.LAUNCHED_AS ?? 'npx sluice';

/** For a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The command line of `sluice doctor` for this data directory; `options` as they are to be typed. */
export function doctorCommandLine(dataDirectory: string, options = ''): string {
  const launcher = /^[\w./-]+( [\w./-]+)?$/.test(LAUNCHER) ? LAUNCHER : quoted(LAUNCHER);
  return `${launcher} doctor --data-dir ${quoted(dataDirectory)}${options === '' ? '' : ` ${options}`}`;
}

const INSIDE = /^(.*)\/(?:logs(?:\/[^/]+){0,2}|journal(?:\/[^/]+)?|snapshot(?:\.new)?)$/;

/** The data directory that the file is in; null if it is in none. */
export function dataDirectoryOf(path: string): string | null {
  return INSIDE.exec(path)?.[1] ?? null;
}

/** For a damaged file: the command that tells what is affected. */
export function adviceOnDamage(path: string): string {
  const directory = dataDirectoryOf(path);
  return directory === null ? '' : ` What is affected is told by: ${doctorCommandLine(directory)}`;
}

/** A message about a damaged segment, and what to do: doctor reads only what no broker runs on. */
export function damagedSegmentText(what: string, path: string): string {
  const directory = dataDirectoryOf(path) ?? 'DIRECTORY';
  return `${what}: a segment of it is damaged, or cannot be read. Stop the broker, then: ${doctorCommandLine(directory)}`;
}

/** The fields that errors of the file system have; see `storageError`. */
export interface FailedOperation {
  readonly code?: string;
  readonly syscall?: string;
  readonly path?: string;
  readonly position?: number;
}

const HINTS: Readonly<Record<string, string>> = {
  EIO: 'The disk, or the way to it, fails: see the log of the system (dmesg). Restart the machine and not the broker alone, as the system may show what it will never write.',
  ENOSPC: 'There is no space left on the volume.',
  EDQUOT: 'The quota of the user is used up.',
  EMFILE: 'The process has too many files open: raise its limit (ulimit -n, LimitNOFILE).',
  ENFILE: 'The system has too many files open: raise fs.file-max.',
  EACCES: 'The user of the process may not do that: look at owner and rights.',
  EPERM: 'The user of the process may not do that: look at owner and rights.',
  EROFS: 'The volume is mounted read-only; after an error of the disk the system does that by itself.',
  ENOENT: 'Something else has removed the file, or the volume is not mounted any more.',
};

/** The error, or what it was caused by: the first that names a file. */
function failedOperationOf(error: unknown): FailedOperation {
  const failed = error as FailedOperation & { readonly cause?: unknown };
  if (failed.path !== undefined || !(failed.cause instanceof Error)) return failed;
  return failedOperationOf(failed.cause);
}

/** What failed, and what to do, in one line: file, operation, place, error, next step. */
export function storageFailureText(error: Error, dataDirectory: string): string {
  const { code = '', syscall = '', path = '', position } = failedOperationOf(error);
  const place = position === undefined ? '' : ` at byte ${position}`;
  const what = path === '' ? error.message : `${syscall} ${quoted(path)}${place} failed with ${code}`;
  const hint = HINTS[code] ?? '';
  return (
    `the storage failed: ${what}. Nothing more is confirmed, and the broker ends; what was confirmed is on the disk. ` +
    `${hint === '' ? '' : `${hint} `}Before the next start: ${doctorCommandLine(dataDirectory)}`
  );
}
