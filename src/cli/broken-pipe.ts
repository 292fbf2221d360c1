import { EXIT, fail } from './failure.ts';

/** The status of a process that SIGPIPE ended, which Node does not let come. */
const SIGPIPE_STATUS = 128 + 13;

/**
 * For when nobody reads what is printed any more, as after `sluice queues list | head -1`. The command ends, as others do
 * there; one that does more than print goes on without a word, to its own status.
 */
export function handleBrokenPipe(goesOn: boolean): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') fail(error);
    if (!goesOn) process.exit(SIGPIPE_STATUS);
  });
  // What is said there is for nobody either, but what is done is not over.
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exit(EXIT.failure);
  });
}
