import { resolve } from 'node:path';
import { Command } from 'commander';
import { loadConfiguration } from './configuration.ts';
import { EXIT, fail } from './failure.ts';
import type { Inspection } from './inspection.ts';
import { addSettingFlags, givenFlags } from './setting-flags.ts';

export function doctorCommand(): Command {
  const command = addSettingFlags(new Command('doctor'), ['data-dir'])
    .description(
      'Reads every file of a data directory and tells what is damaged and what that affects. Changes nothing.\n' +
        'No broker may run on the directory. Ends with 0 if everything is whole, with 1 if not.',
    )
    .action(async () => {
      try {
        const { values } = loadConfiguration(givenFlags(command), process.env);
        const inspection = await inspectDirectory(resolve(values.dataDirectory));
        process.stdout.write(renderInspection(inspection));
        process.exit(inspection.findings.length === 0 ? 0 : EXIT.failure);
      } catch (error) {
        fail(error);
      }
    });
  return command;
}

async function inspectDirectory(directory: string): Promise<Inspection> {
  const { nodeFileSystem } = await import('../log/node-filesystem.ts');
  const { Inspector } = await import('./inspection.ts');
  const { acquireDirectoryLock } = await import('../log/directory-lock.ts');
  // Taking the lock would make the directory: a mistyped path must not look like an empty, healthy one.
  const names = await nodeFileSystem.list(directory);
  if (!names.includes('journal') && !names.includes('snapshot')) {
    throw new Error(`there is no data of a broker in '${directory}'; see --data-dir`);
  }
  const lock = await acquireDirectoryLock(directory);
  try {
    return await new Inspector(nodeFileSystem, directory).inspect();
  } finally {
    await lock.release();
  }
}

export function renderInspection(inspection: Inspection): string {
  const { findings, tornEnd, journalFiles, journalBlocks, segments, bytes } = inspection;
  const lines = [
    `read ${bytes} bytes: ${journalFiles} journal files with ${journalBlocks} whole blocks, ${segments} segments`,
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
  lines.push(findings.length === 0 ? 'no damage' : `${findings.length} damaged places`);
  return lines.map((line) => `${line}\n`).join('');
}
