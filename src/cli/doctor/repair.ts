import { posix } from 'node:path';
import type { FileSystem } from '../../log/files/filesystem.ts';
import { FILE_HEADER_BYTES } from '../../log/journal/format.ts';
import { readImage } from '../../log/journal/journal-files-source.ts';
import { filePosition, inFiles } from '../../log/journal/position.ts';
import { scanBlocks } from '../../log/journal/scan.ts';
import { forgetNewestSnapshot } from '../../log/newest-snapshot.ts';
import { doctorCommandLine } from '../../log/operator-advice.ts';
import { repairSegment } from '../../log/segments/segment-repair.ts';
import { type Snapshot, writeSnapshot } from '../../log/snapshot.ts';
import type { Finding, Inspection } from './inspection.ts';

/** A journal file that is truncated or dropped stays beside it as a copy with this suffix: a later program may get more out of it. */
const ASIDE = '.cut';

/**
 * Cuts off the corruptions that an inspection found, so that a broker can start again; returns a line for the user for
 * each of them. Messages and acknowledgements in what is cut off are lost.
 *
 * The journal is cut at its first corruption and ends there: entries mean nothing without those before them. A segment
 * loses the corrupt batches alone. Without its snapshot a directory cannot be understood, and nothing is cut.
 */
export async function repairAll(
  fs: FileSystem,
  directory: string,
  { findings, snapshot }: Inspection,
): Promise<string[]> {
  const inSnapshot = findings.find(({ corruption }) => corruption.file === 'snapshot');
  if (inSnapshot !== undefined) {
    const { what } = inSnapshot;
    const state = what.startsWith('the file is missing')
      ? 'missing'
      : what.startsWith('it is older')
        ? 'too old'
        : 'damaged';
    return [
      `not cut: the snapshot is ${state}, and nothing else can take its place. Restore the directory from a copy, or save ` +
        `what can be read into a new one: ${doctorCommandLine(directory, '--save NEWDIR')}`,
    ];
  }
  const [inJournal] = findings.filter(({ corruption }) => corruption.file === 'journal').sort(byPlace);
  const lines = inJournal === undefined ? [] : [await truncateJournal(fs, directory, inJournal, snapshot)];
  for (const { corruption, affected } of findings) {
    if (corruption.file !== 'segment') continue;
    const { path, position, bytes } = corruption.segment;
    try {
      await repairSegment(fs, corruption.segment);
    } catch (error) {
      lines.push(`not cut: ${path}: ${(error as Error).message}`);
      continue;
    }
    lines.push(`cut: ${path}, ${bytes} bytes from byte ${position}: ${affected}`);
  }
  return lines;
}

/** Files that are missing are found before what is in the others. */
function byPlace(a: Finding, b: Finding): number {
  if (a.path === b.path) return a.offset - b.offset;
  return a.path < b.path ? -1 : 1;
}

/**
 * The order lets a crash in between be repaired by another run: copies first, then the files behind the corruption from
 * the last one backwards, then the corrupt file, and last the snapshot.
 */
async function truncateJournal(
  fs: FileSystem,
  directory: string,
  { path, offset }: Finding,
  snapshot: Snapshot | null,
): Promise<string> {
  const journal = `${directory}/journal`;
  const names = (await fs.list(journal)).filter((name) => /^\d{10}\.journal$/.test(name));
  const behind = names.filter((name) => `${journal}/${name}` > path);
  const image = offset > FILE_HEADER_BYTES ? await readImage(fs, path) : null;
  if (image !== null) await writeAside(fs, `${path}${ASIDE}`, image.buffer);
  for (const name of behind.reverse()) await fs.rename(`${journal}/${name}`, `${journal}/${name}${ASIDE}`);
  await fs.syncDirectory(journal);

  if (image !== null) {
    const file = await fs.open(path, 'write');
    try {
      await file.truncate(offset);
      await file.sync();
    } finally {
      await file.close();
    }
  } else if (names.includes(posix.basename(path))) {
    await fs.rename(path, `${path}${ASIDE}`);
    await fs.syncDirectory(journal);
  }
  if (snapshot !== null) await lowerSnapshot(fs, directory, snapshot);
  const also = behind.length === 0 ? '' : ` and the ${behind.length} behind it`;
  return `cut: the journal ends at byte ${offset} of ${path}; what was there is in files named ${ASIDE}: ${path}${also}`;
}

/**
 * A snapshot requires the blocks it covers and the journal files it knows to be there. All that they say but for the
 * messages is in the snapshot itself, so it is still right for a shorter journal once it requires no more than that.
 */
async function lowerSnapshot(fs: FileSystem, directory: string, snapshot: Snapshot): Promise<void> {
  const journal = `${directory}/journal`;
  const last = (await fs.list(journal)).filter((name) => /^\d{10}\.journal$/.test(name)).at(-1);
  const endBlock = last === undefined ? -1 : await lastBlockOf(fs, `${journal}/${last}`);
  const nextBlock = endBlock < 0 ? snapshot.nextBlock : Math.min(snapshot.nextBlock, endBlock + 1);
  const { firstFile, newFile: knownFile } = inFiles(snapshot.journal);
  const lastFile = last === undefined ? firstFile - 1 : Number.parseInt(last, 10);
  const newFile = Math.min(knownFile, lastFile + 1);
  if (nextBlock < snapshot.nextBlock || newFile < knownFile) {
    await forgetNewestSnapshot(fs, directory);
    await writeSnapshot(fs, directory, {
      ...snapshot,
      nextBlock,
      journal: filePosition(firstFile, newFile),
      clean: false,
    });
  }
}

/** -1 if there is none. */
async function lastBlockOf(fs: FileSystem, path: string): Promise<number> {
  const { blocks } = scanBlocks(await readImage(fs, path), true, -1, 0);
  return blocks.at(-1)?.number ?? -1;
}

async function writeAside(fs: FileSystem, path: string, bytes: Buffer): Promise<void> {
  await fs.remove(path);
  const file = await fs.open(path, 'create');
  try {
    await file.write([bytes], 0);
    await file.sync();
  } finally {
    await file.close();
  }
}
