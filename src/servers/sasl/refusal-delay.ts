/**
 * How long the answer to a refused login waits, which began at `startedMs`: until a whole multiple of `delayMs` after that.
 * It slows down who guesses passwords, and hides by how much one check took longer than another.
 */
export function refusalDelayMs(startedMs: number, nowMs: number, delayMs: number): number {
  if (delayMs <= 0) return 0;
  const tookMs = Math.max(0, nowMs - startedMs);
  return delayMs - (tookMs % delayMs);
}
