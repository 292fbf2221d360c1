/**
 * One process to a data directory.
 *
 * The lock is one of the kernel's, so that it ends with its process, however that dies, and with the machine. A
 * file that names a process can not do that: it outlives SIGKILL, its pid may by now be another process, in another
 * container's numbering nobody can tell, and two contenders that both find it stale have to fight it out.
 *
 * Node has no call for such a lock, but it carries SQLite, which takes one (fcntl on POSIX systems, LockFileEx on
 * Windows). So `sluice.lock` is an empty database inside an exclusive transaction that never ends: no table, no
 * byte, no statement but that one. What makes the lock survive is what must be kept here: nobody else in this
 * process opens `sluice.lock` (POSIX drops a process's locks on a file when it closes *any* descriptor of it), and
 * nobody deletes it (the next process would lock another file of that name).
 *
 * `sluice.lock.holder` tells the user who has the lock. It decides nothing, and may be stale, or missing where a directory stands in its place.
 *
 * This file uses the disk directly and not the file-system port: a lock between processes has no meaning in a
 * simulation.
 */
import { accessSync, constants, existsSync, lstatSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { quoted } from '../operator-advice.ts';
import { makeDirectories } from './make-directories.ts';
import { readNote, removeNote, writeNote } from './note-file.ts';
import { PRIVATE_DIRECTORY, PRIVATE_FILE } from './private-files.ts';

const LOCK_FILE = 'sluice.lock';
const HOLDER_FILE = 'sluice.lock.holder';
const HOLDER_FORMAT = 1;

/**
 * A process that was killed keeps its locks until the kernel has taken its memory apart, which for a large one
 * takes a moment: one that is restarted at once must not fail for that.
 */
const PATIENCE_MS = 500;
const RETRY_MS = 20;

/** SQLite's result codes; the lower byte is the class, the rest says more. */
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

export interface DirectoryLock {
  release(): Promise<void>;
}

/** The process that has a data directory, as it described itself; `pid` is in the numbering of its own container. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly since: string;
}

export class DirectoryLockedError extends Error {
  readonly directory: string;
  /** Null if it could not be read. */
  readonly holder: LockHolder | null;

  constructor(directory: string, holder: LockHolder | null) {
    const who =
      holder === null
        ? 'another process'
        : `process ${holder.pid} on ${holder.host} (running since ${holder.since})`;
    super(
      `The data directory ${directory} is in use by ${who}. ` +
        'Stop that process first, or choose another directory with --data-dir.',
    );
    this.name = 'DirectoryLockedError';
    this.directory = directory;
    this.holder = holder;
  }
}

/**
 * Makes the directory if there is none, and takes it for this process until `release` or the process's end.
 * Rejects with a `DirectoryLockedError` if another process, or another part of this one, has it.
 */
export async function acquireDirectoryLock(directory: string): Promise<DirectoryLock> {
  const absolute = resolve(directory);
  await makeDirectories(absolute, PRIVATE_DIRECTORY);
  const deadlineMs = performance.now() + PATIENCE_MS;
  let database = tryLock(absolute);
  while (database === null) {
    if (performance.now() >= deadlineMs) throw new DirectoryLockedError(absolute, await readHolder(absolute));
    await delay(RETRY_MS);
    database = tryLock(absolute);
  }
  const held = database;
  try {
    // SQLite makes its files for everybody to read. By the path: to close a descriptor of it would drop the lock.
    await chmod(join(absolute, LOCK_FILE), PRIVATE_FILE);
    await writeHolder(absolute);
  } catch (error) {
    held.close();
    throw error;
  }
  return { release: () => release(absolute, held) };
}

/** Null if somebody else has the lock. */
function tryLock(directory: string): DatabaseSync | null {
  const sqlite = process.getBuiltinModule('node:sqlite');
  if (sqlite === undefined) {
    throw new Error(
      'This Node.js was built without SQLite, which the directory lock needs. Use an official build.',
    );
  }
  const path = join(directory, LOCK_FILE);
  let database: DatabaseSync | null = null;
  try {
    database = new sqlite.DatabaseSync(path);
    // Without the pragma an empty rollback journal would lie beside the lock.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database?.close();
    const resultCode = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
    if (resultCode === SQLITE_BUSY) return null;
    checkAccess(directory, path);
    const reason = error instanceof Error ? error.message : String(error);
    const isForeign = resultCode === SQLITE_NOTADB || resultCode === SQLITE_CORRUPT || !isFile(path);
    throw new Error(
      `Cannot lock the data directory ${directory}: ${reason} (${path}). ` +
        (isForeign
          ? `This is no lock file, and there is no data in one. If no broker runs on the directory: rm -r -- ${quoted(path)}`
          : 'The directory must be writable, on a file system that supports locks.'),
      { cause: error },
    );
  }
}

/** Or nothing at all. Not what a link leads to. */
function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() !== false;
}

/** SQLite says only that it could not open the file. @throws the system's error, if it is for want of a right */
function checkAccess(directory: string, lockFile: string): void {
  accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  if (existsSync(lockFile)) accessSync(lockFile, constants.R_OK | constants.W_OK);
}

async function release(directory: string, database: DatabaseSync): Promise<void> {
  if (!database.isOpen) return;
  // While we still have the lock, lest we remove the next holder's.
  await removeNote(join(directory, HOLDER_FILE)).catch(ignoreInTheWay);
  if (database.isOpen) database.close();
}

async function writeHolder(directory: string): Promise<void> {
  const holder: LockHolder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  const text = `${JSON.stringify({ format: HOLDER_FORMAT, ...holder })}\n`;
  await writeNote(join(directory, HOLDER_FILE), text).catch(ignoreInTheWay);
}

/** A directory. On others than Linux that is EPERM. */
function ignoreInTheWay(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EISDIR' && error.code !== 'EPERM') throw error;
}

async function readHolder(directory: string): Promise<LockHolder | null> {
  try {
    const text = (await readNote(join(directory, HOLDER_FILE))) ?? '';
    const { pid, host, since } = JSON.parse(text) as Partial<LockHolder>;
    return typeof pid === 'number' && typeof host === 'string' && typeof since === 'string'
      ? { pid, host, since }
      : null;
  } catch {
    return null;
  }
}
