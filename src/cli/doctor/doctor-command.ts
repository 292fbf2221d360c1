import { resolve } from 'node:path';
import { Command } from 'commander';
import { printableLines } from '../../base/printable.ts';
import { unknownLogs } from '../../log/segments/stray-logs.ts';
import { loadConfiguration } from '../config/configuration.ts';
import { addSettingFlags, givenFlags } from '../config/setting-flags.ts';
import { EXIT, fail } from '../failure.ts';
import type { Inspection } from './inspection.ts';

export function doctorCommand(): Command {
  const command = addSettingFlags(new Command('doctor'), ['data-dir'])
    .description(
      'Reads every file of a data directory and tells what is damaged and what that affects. Changes nothing,\n' +
        'unless it is told to cut the damage off. No broker may run on the directory.\n' +
        'Ends with 0 if everything is whole, with 1 if not.',
    )
    .option('--cut', 'cut off what is damaged, and lose what is affected, so that a broker can start again')
    .option('--logs', 'also tell which queue or partition of a stream has its files in which directory')
    .action(async () => {
      try {
        const { values } = loadConfiguration(givenFlags(command), process.env);
        const isWhole = await examine(resolve(values.dataDirectory), {
          mayCut: command.getOptionValue('cut') === true,
          showsLogs: command.getOptionValue('logs') === true,
        });
        process.exit(isWhole ? 0 : EXIT.failure);
      } catch (error) {
        fail(error);
      }
    });
  return command;
}

/** Prints what is found, and cuts it off if told to; whether the directory is whole in the end. */
async function examine(
  directory: string,
  { mayCut, showsLogs }: { readonly mayCut: boolean; readonly showsLogs: boolean },
): Promise<boolean> {
  const { nodeFileSystem } = await import('../../log/files/node-filesystem.ts');
  const { Inspector } = await import('./inspection.ts');
  const { acquireDirectoryLock } = await import('../../log/files/directory-lock.ts');
  // Taking the lock would make the directory: a mistyped path must not look like an empty, healthy one.
  const names = await nodeFileSystem.list(directory);
  if (!['journal', 'snapshot', 'logs'].some((name) => names.includes(name))) {
    throw new Error(`there is no data of a broker in '${directory}'; see --data-dir`);
  }
  const lock = await acquireDirectoryLock(directory);
  try {
    let inspection = await new Inspector(nodeFileSystem, directory).inspect();
    if (showsLogs) process.stdout.write(printableLines(renderLogs(inspection)));
    process.stdout.write(printableLines(renderInspection(inspection)));
    if (mayCut && inspection.findings.length > 0) {
      const { repairAll } = await import('./repair.ts');
      for (const line of await repairAll(nodeFileSystem, directory, inspection))
        process.stdout.write(printableLines(`${line}\n`));
      inspection = await new Inspector(nodeFileSystem, directory).inspect();
      process.stdout.write(printableLines(renderInspection(inspection)));
    }
    return inspection.findings.length === 0;
  } finally {
    await lock.release();
  }
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
      `torn last write: ${tornEnd.path} from byte ${tornEnd.offset}, ${tornEnd.bytes} bytes. The next start cuts it off; ` +
        'nothing in it was confirmed.',
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
  lines.push(findings.length === 0 ? 'no damage' : `damaged places: ${findings.length}`);
  return lines.map((line) => `${line}\n`).join('');
}
