import { readFailure } from '../corruption.ts';
import type { FileSystem } from '../files/filesystem.ts';
import { measureSetAside, type SetAside, setAside, setAsideText } from '../files/set-aside.ts';
import { doctorCommandLine, quoted } from '../operator-advice.ts';
import type { Snapshot } from '../snapshot.ts';
import { moveGoneAway } from './transient-logs.ts';

/** The logs that have files below `<data>/logs`, of those that are wanted, by the numbers that their directories have. */
export async function logsWithFiles(
  fs: FileSystem,
  dataDirectory: string,
  isWanted: (id: number) => boolean = () => true,
): Promise<number[]> {
  const root = `${dataDirectory}/logs`;
  const ids: number[] = [];
  for (const name of await fs.list(root)) {
    if (!/^\d+$/.test(name) || !isWanted(Number(name))) continue;
    if (!(await isEmpty(fs, `${root}/${name}`))) ids.push(Number(name));
  }
  return ids;
}

/** Something that cannot be looked into counts as full. */
async function isEmpty(fs: FileSystem, path: string): Promise<boolean> {
  try {
    return (await fs.list(path)).length === 0;
  } catch (error) {
    if (readFailure(error, path, 0) === error) throw error;
    return false;
  }
}

const JOURNAL_NAME = /^\d{10}\.journal$/;

/**
 * Why a data directory without a snapshot cannot be understood; null if it can, since the journal is there from its
 * beginning, or nothing is there at all.
 */
export async function missedSnapshot(fs: FileSystem, dataDirectory: string): Promise<string | null> {
  const [first] = (await fs.list(`${dataDirectory}/journal`)).filter((name) => JOURNAL_NAME.test(name));
  if (first !== undefined) {
    const number = Number.parseInt(first, 10);
    return number === 1
      ? null
      : `the journal begins with file ${number}, and what was before it is told by the snapshot`;
  }
  const logs = await logsWithFiles(fs, dataDirectory);
  return logs.length === 0 ? null : `there is no journal either, and ${unknownLogs(logs)}`;
}

export function unknownLogs(ids: readonly number[]): string {
  const some = ids.slice(0, NAMED_MAX).map((id) => `logs/${id}`);
  const rest = ids.length > some.length ? ` and ${ids.length - some.length} more` : '';
  return `nothing tells what the segments in ${some.join(', ')}${rest} are`;
}

/** How many are named in one message. */
const NAMED_MAX = 10;

function moveAway(dataDirectory: string): string {
  const paths = ['logs', 'journal', 'old'].map((name) => quoted(`${dataDirectory}/${name}`));
  const [logs, journal, old] = paths;
  return `mkdir ${old} && mv ${logs} ${journal} ${old}`;
}

/** The data directory is not all there: to start would be to give up what is left of it. */
export class IncompleteDirectoryError extends Error {
  constructor(dataDirectory: string, missing: string, why: string) {
    super(
      `${missing} is missing in '${dataDirectory}': ${why}. Nothing was deleted or changed. ` +
        'Mount the right directory, or restore all of it from a copy. ' +
        `What is there: \`${doctorCommandLine(dataDirectory)}\`. ` +
        `To save what can be read of it into a new directory: \`${doctorCommandLine(dataDirectory, '--save NEWDIR')}\`. ` +
        `To start with an empty broker, move what is there out of the way first: \`${moveAway(dataDirectory)}\`.`,
    );
    this.name = 'IncompleteDirectoryError';
  }
}

/**
 * Whether nothing names any log, and there was no crash after which that could be so: the first messages of a new
 * directory may be in segments before the name of their log is in the journal.
 */
export function isNothingNamed(
  snapshot: Snapshot | null,
  named: ReadonlySet<number>,
  nextBlock: number,
): boolean {
  if (named.size > 0) return false;
  const isClean = snapshot?.clean === true && snapshot.nextBlock === nextBlock;
  // Older versions left files of transient queues behind when they stopped in order.
  return nextBlock <= 1 || (isClean && snapshot.deleted !== undefined);
}

export function idsIn(snapshot: Snapshot | null): number[] {
  const { logs = [], streams = [], deleted = [] } = snapshot ?? {};
  return [...logs.map(({ id }) => id), ...streams.map(({ id }) => id), ...deleted];
}

/** What recovery knows of logs. */
export interface KnownLogs {
  isOpen(id: number): boolean;
  /** Named by the snapshot or the journal: if it is not open, it was deleted. */
  wasNamed(id: number): boolean;
  readonly isNothingNamed: boolean;
}

export interface SweptStrays {
  readonly warnings: string[];
  /** Directories that can be deleted. */
  readonly gone: readonly string[];
}

/**
 * Deals with the files of logs that nobody has: what is known to have been deleted, and what was of transient queues,
 * can be deleted then. Anything else is set aside: it may be all that is left of something. Rejects, and
 * has done nothing, if nothing at all is known of a directory full of segments.
 */
export async function sweepStrays(
  fs: FileSystem,
  dataDirectory: string,
  known: KnownLogs,
  nowMs: number,
): Promise<SweptStrays> {
  const root = `${dataDirectory}/logs`;
  const strays = await logsWithFiles(fs, dataDirectory, (id) => !known.isOpen(id) && !known.wasNamed(id));
  if (strays.length > 0 && known.isNothingNamed) {
    const why = `${unknownLogs(strays)}, as neither the snapshot nor the journal names any log`;
    throw new IncompleteDirectoryError(dataDirectory, 'the snapshot or the journal of these segments', why);
  }
  const earlier = await measureSetAside(fs, dataDirectory);
  const moved: string[] = [];
  for (const id of strays) moved.push(await setAside(fs, dataDirectory, `${root}/${id}`));
  const over = (await fs.list(root)).filter((name) => /^\d+$/.test(name) && !known.isOpen(Number(name)));
  const gone = await moveGoneAway(fs, root, over);
  return { warnings: warningsOf(dataDirectory, moved, earlier, nowMs), gone };
}

function warningsOf(
  dataDirectory: string,
  moved: readonly string[],
  earlier: SetAside,
  nowMs: number,
): string[] {
  const warnings: string[] = [];
  if (moved.length > 0) {
    const some = moved.slice(0, NAMED_MAX).join(', ');
    const rest = moved.length > NAMED_MAX ? ` and ${moved.length - NAMED_MAX} more` : '';
    warnings.push(
      `segments of ${moved.length} logs that neither the snapshot nor the journal names were set aside: ${some}${rest}; ` +
        'after a crash these may be messages that nothing had been confirmed of',
    );
  }
  const text = setAsideText(earlier, nowMs);
  if (text !== null)
    warnings.push(
      `${text}: when nobody wants them any more, stop the broker, then: ` +
        doctorCommandLine(dataDirectory, '--empty-set-aside'),
    );
  return warnings;
}
