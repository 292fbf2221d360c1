import { type Logger, pino } from 'pino';
import type { Configuration } from '../config/settings.ts';

/** Standard output is for the ready line; the log goes to standard error, written at once so that none is lost. */
export function createLog(level: Configuration['logLevel']): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
