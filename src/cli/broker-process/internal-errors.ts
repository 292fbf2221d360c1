import type { Logger } from 'pino';

/** Ends the process, or the thread of a shard and with it the process, when an error comes that nobody has caught. */
export function endOnInternalErrors(log: Logger): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      // The state in memory is not to be trusted any more: the next start recovers from the journal.
      log.fatal({ err: error }, 'internal error');
      process.exit(1);
    });
  }
}
