/**
 * Aborts at the first SIGINT or SIGTERM, so that a run that is interrupted still tells what it has found. A second one ends the process
 * at once.
 */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(128 + number);
      console.log(`${signal}: the report so far follows; once more ends it at once`);
      controller.abort();
    });
  }
  return controller.signal;
}
