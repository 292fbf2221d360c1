/**
 * Microseconds of the machine's monotonic clock. Its origin is the machine's, not the process's, so that a stamp written
 * by one process can be subtracted from the clock of another.
 */
const originMicros = Number(process.hrtime.bigint()) / 1000 - performance.now() * 1000;

/** Cheap enough for once per socket read; not for once per message. */
export function monotonicMicros(): number {
  return Math.floor(originMicros + performance.now() * 1000);
}
