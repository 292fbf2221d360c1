import { printableLines } from '../base/printable.ts';
import { ConfigurationError } from './config/configuration.ts';
import { accessProblem, whatIsInTheWay } from './file-access.ts';

/** Exit statuses of every subcommand. */
export const EXIT = { failure: 1, usage: 2 } as const;

/** Ends the process with a message for people: what was wrong and what to do, never a stack. */
export function fail(error: unknown): never {
  if (error instanceof ConfigurationError) {
    for (const problem of error.problems) process.stderr.write(`sluice: ${printableLines(problem)}\n`);
    process.exit(EXIT.usage);
  }
  process.stderr.write(`sluice: ${printableLines(describe(error))}\n`);
  process.exit(EXIT.failure);
}

/** One line. Errors of the system are told in words, with the path or address that they are about. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, path } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      if (path === undefined) return error.message;
      return `no permission to use '${path}' (${code}): ${accessProblem(path) ?? 'see who may read and write there'}`;
    case 'EROFS':
      return `the file system of '${path}' is read-only (EROFS): mount it for writing, or choose another place`;
    case 'ENOSPC':
      return `no space left on the disk${path === undefined ? '' : ` for '${path}'`}`;
    case 'ENOTDIR':
    case 'EEXIST':
    case 'EISDIR':
    case 'ELOOP':
    case 'ENXIO':
    case 'ESPIPE':
      return path === undefined ? error.message.replaceAll('\n', ' ') : whatIsInTheWay(path);
    default:
      return error.message.replaceAll('\n', ' ');
  }
}
