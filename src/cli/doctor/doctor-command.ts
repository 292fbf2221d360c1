import { resolve } from 'node:path';
import { Command } from 'commander';
import { printableLines } from '../../base/printable.ts';
import type { FileSystem } from '../../log/files/filesystem.ts';
import { emptySetAside, measureSetAside, setAsideText } from '../../log/files/set-aside.ts';
import { dataDirectoryOfShard, usedShards } from '../../log/files/shard-directories.ts';
import { doctorCommandLine } from '../../log/operator-advice.ts';
import { unknownLogs } from '../../log/segments/stray-logs.ts';
import { loadConfiguration } from '../config/configuration.ts';
import { addSettingFlags, givenFlags } from '../config/setting-flags.ts';
import { EXIT, fail } from '../failure.ts';
import { renderBehindDamage } from './behind-damage.ts';
import type { Inspection, ShardInspection } from './inspection.ts';
import { inShard } from './shard-line.ts';

export function doctorCommand(): Command {
  const command = addSettingFlags(new Command('doctor'), ['data-dir'])
    .description(
      'Reads every file of a data directory and tells what is damaged and what that affects. Changes nothing,\n' +
        'unless it is told to cut the damage off. No broker may run on the directory.\n' +
        'Ends with 0 if everything is whole, with 1 if not.',
    )
    .option('--cut', 'cut off what is damaged, and lose what is affected, so that a broker can start again')
    .option(
      '--save <new directory>',
      'copy what can still be read into a new data directory, for which a broker can start; this one stays as it is',
    )
    .option('--empty-set-aside', 'delete what earlier starts have moved to set-aside/')
    .option('--logs', 'also tell which queue or partition of a stream has its files in which directory')
    .action(async () => {
      try {
        const { values } = loadConfiguration(givenFlags(command), process.env);
        const save = command.getOptionValue('save') as string | undefined;
        const isWhole = await examine(resolve(values.dataDirectory), {
          mayCut: command.getOptionValue('cut') === true,
          saveTo: save === undefined ? null : resolve(save),
          emptiesSetAside: command.getOptionValue('emptySetAside') === true,
          showsLogs: command.getOptionValue('logs') === true,
        });
        process.exit(isWhole ? 0 : EXIT.failure);
      } catch (error) {
        fail(error);
      }
    });
  return command;
}

interface Task {
  readonly mayCut: boolean;
  /** The new directory; null if nothing is to be saved. */
  readonly saveTo: string | null;
  readonly emptiesSetAside: boolean;
  readonly showsLogs: boolean;
}

/** Prints what is found, and cuts it off if told to; whether the directory is whole in the end. */
async function examine(
  given: string,
  { mayCut, saveTo, emptiesSetAside, showsLogs }: Task,
): Promise<boolean> {
  const { nodeFileSystem } = await import('../../log/files/node-filesystem.ts');
  const { inspectShards, repairShards } = await import('./data-directory.ts');
  const directory = await wholeDirectory(nodeFileSystem, given);
  // Taking the lock would make the directory: a mistyped path must not look like an empty, healthy one.
  if (!(await hasData(nodeFileSystem, directory))) {
    throw new Error(`there is no data of a broker in '${directory}'; see --data-dir`);
  }
  const locks = await lockAll(nodeFileSystem, directory);
  try {
    let shards = await inspectShards(nodeFileSystem, directory);
    print(renderShards(shards, showsLogs));
    for (const { shard, directory: each } of shards) {
      if (emptiesSetAside) await emptySetAside(nodeFileSystem, each);
      const setAside = setAsideText(await measureSetAside(nodeFileSystem, each), Date.now());
      if (setAside === null) continue;
      const command = doctorCommandLine(directory, '--empty-set-aside');
      process.stdout.write(`${inShard(shard, shards, `${setAside}; to delete them: ${command}`)}\n`);
    }
    if (saveTo !== null) {
      if ((await nodeFileSystem.list(saveTo)).length > 0)
        throw new Error(`'${saveTo}' is not empty: name a new directory`);
      const { saveDirectory } = await import('./save.ts');
      for (const line of await saveDirectory(nodeFileSystem, directory, saveTo))
        process.stdout.write(`${line}\n`);
      const start = doctorCommandLine(saveTo).replace(' doctor ', ' start ');
      process.stdout.write(`saved to ${saveTo}; to start with it: ${start}\n`);
      return true;
    }
    if (mayCut && !areWhole(shards)) {
      for (const line of await repairShards(nodeFileSystem, directory, shards)) print(`${line}\n`);
      shards = await inspectShards(nodeFileSystem, directory);
      print(renderShards(shards, false));
    }
    return areWhole(shards);
  } finally {
    for (const lock of locks.reverse()) await lock.release();
  }
}

function print(text: string): void {
  process.stdout.write(printableLines(text));
}

function areWhole(shards: readonly ShardInspection[]): boolean {
  return shards.every(({ inspection }) => inspection.findings.length === 0);
}

async function hasData(fs: FileSystem, directory: string): Promise<boolean> {
  const names = await fs.list(directory);
  return ['journal', 'snapshot', 'logs'].some((name) => names.includes(name));
}

/** One shard cannot be understood without shard 0: where that is there, all are examined. */
async function wholeDirectory(fs: FileSystem, given: string): Promise<string> {
  const of = dataDirectoryOfShard(given);
  if (of === null || !(await hasData(fs, of.dataDirectory).catch(() => false))) return given;
  print(`'${given}' is shard ${of.shard} of '${of.dataDirectory}', all of which is examined\n`);
  return of.dataDirectory;
}

/** Each shard has a lock of its own. */
async function lockAll(fs: FileSystem, directory: string): Promise<{ release(): Promise<void> }[]> {
  const { acquireDirectoryLock } = await import('../../log/files/directory-lock.ts');
  const locks: { release(): Promise<void> }[] = [];
  try {
    locks.push(await acquireDirectoryLock(directory));
    for (const each of await usedShards(fs, directory))
      locks.push(await acquireDirectoryLock(each.directory));
  } catch (error) {
    for (const lock of locks) await lock.release();
    throw error;
  }
  return locks;
}

/** All that was found; where there are several shards, each line says of which it is. */
export function renderShards(shards: readonly ShardInspection[], showsLogs: boolean): string {
  return shards
    .map(({ shard, inspection }) => {
      const text = (showsLogs ? renderLogs(inspection) : '') + renderInspection(inspection);
      return text.replace(/^(?=.)/gm, inShard(shard, shards, ''));
    })
    .join('');
}

export function renderLogs({ owners }: Inspection): string {
  return [...owners].map(([id, what]) => `logs/${id}: ${what.replace(/,$/, '')}\n`).join('');
}

export function renderInspection(inspection: Inspection): string {
  const { findings, strays, tornEnd, journalFiles, journalBlocks, segments, bytes } = inspection;
  const lines = [
    `bytes read: ${bytes}; journal files: ${journalFiles}, whole blocks in them: ${journalBlocks}; segments: ${segments}`,
  ];
  if (tornEnd !== null) {
    lines.push(
      `torn last write: ${tornEnd.path} from byte ${tornEnd.at}, ${tornEnd.bytes} bytes with ${tornEnd.records} records that can ` +
        'be told. The next start cuts it off; nothing in it was confirmed.',
    );
  }
  for (const { path, offset, what, affected } of findings) {
    lines.push(`DAMAGED: ${path} at byte ${offset}: ${what}`, `  affected: ${affected}`);
  }
  if (strays.length > 0) {
    lines.push(
      `${unknownLogs(strays)}: neither the snapshot nor the journal names them. A start deletes nothing of them.`,
    );
  }
  const { nameless } = inspection;
  if (nameless.length > 0) {
    const logs = nameless.map((id) => `logs/${id}`).join(', ');
    lines.push(
      `what is left of shard 0 does not name the queues of ${logs}: --save keeps them under other names, --cut does not`,
    );
  }
  for (const line of affectedLines(inspection)) lines.push(line);
  if (inspection.behindDamage !== null) {
    for (const line of renderBehindDamage(inspection.behindDamage, inspection.owners)) lines.push(line);
  }
  lines.push(findings.length === 0 ? 'no damage' : `damaged places: ${findings.length}`);
  return lines.map((line) => `${line}\n`).join('');
}

/** Which queues, partitions and delay buckets have a damaged place, and how many records are in those places. */
function affectedLines({ findings, owners }: Inspection): string[] {
  const counts = new Map<string, number>();
  for (const { corruption } of findings) {
    if (corruption.file !== 'segment') continue;
    const { logId, segment } = corruption;
    const owner = (owners.get(logId) ?? `messages of log ${logId}`).replace(/,$/, '');
    const records = Math.max(1, segment.toOffset - segment.fromOffset);
    counts.set(owner, (counts.get(owner) ?? 0) + records);
  }
  if (counts.size === 0) return [];
  return [
    `queues and partitions with damage: ${counts.size}`,
    ...[...counts].map(([owner, records]) => `  at most ${records} ${owner}`),
  ];
}
