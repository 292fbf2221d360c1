import { getHeapStatistics } from 'node:v8';

/** Three semi-spaces of 64 MiB: V8 counts the young generation in its limit, but what lives on cannot stay there. */
const YOUNG_GENERATION_BYTES = 192 * 1024 * 1024;

/** Bytes of the heap for what lives on, as `--max-old-space-size` sets it: V8 ends the process when they are used up. */
export function oldGenerationBytesMax(): number {
  const { heap_size_limit: limit } = getHeapStatistics();
  return Math.max(limit - YOUNG_GENERATION_BYTES, limit / 4);
}
