import type { ChunkStore } from '../../log/memory/chunks.ts';
import type { Amount } from './message-ledger.ts';
import { bodyBytesAt, type PriorityLevel } from './priority-level.ts';

/**
 * The bytes of all that is ready after recovery: exact for what is in memory, and for all of it after an orderly stop;
 * by the average for the rest. `before`: what was ready at the last snapshot, if that is known.
 */
export function recoveredBytes(
  levels: readonly PriorityLevel[],
  chunks: ChunkStore,
  before: Amount | null,
  bytesMax: number | null,
): number {
  let ready = 0;
  let count = 0;
  let bytes = 0;
  for (const { readyCount, log } of levels) {
    ready += readyCount;
    for (let offset = log.tailStart; offset < log.end; offset++) {
      const position = log.positionOf(offset);
      if (position < 0) continue;
      count++;
      bytes += bodyBytesAt(chunks.of(position), position >>> 0);
    }
  }
  const stored = ready - count;
  if (stored === 0 || before === null) return bytes;
  const estimate = before.count === ready ? before.bytes : bytes + (stored * before.bytes) / before.count;
  // The queue was within its limit: too high an estimate would make it drop what it may keep.
  return Math.max(bytes, Math.min(estimate, bytesMax ?? estimate));
}
