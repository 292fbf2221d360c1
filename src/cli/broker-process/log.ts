import { type DestinationStream, type Logger, pino } from 'pino';
import { clientText } from '../../base/client-text.ts';
import { printableJson } from '../../base/printable.ts';
import type { Configuration } from '../config/settings.ts';

/** Fields with texts that are not a client's: they are shown whole. */
const WHOLE = new Set(['path', 'file', 'command', 'advice']);

/**
 * Standard output is for the ready line; the log goes to standard error, written at once so that none is lost. Texts are cut,
 * of whichever client they are: otherwise a client could fill the log with one login. Names in it do nothing to a terminal.
 * `shard` is in each line where there are several.
 */
export function createLog(
  level: Configuration['logLevel'],
  destination: DestinationStream = standardError(),
  shard: number | null = null,
): Logger {
  return pino(
    {
      level,
      base: shard === null ? null : { shard },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: shown },
    },
    { write: (line) => destination.write(printableJson(line)) },
  );
}

/** Where each line is written before the next one is made. */
export function standardError(): DestinationStream {
  return pino.destination({ dest: 2, sync: true });
}

function shown(fields: Record<string, unknown>): Record<string, unknown> {
  const cut: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    cut[name] = typeof value === 'string' && !WHOLE.has(name) ? clientText(value) : value;
  }
  return cut;
}
