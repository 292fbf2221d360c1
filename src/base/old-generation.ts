import { getHeapStatistics } from 'node:v8';
import { resourceLimits } from 'node:worker_threads';

const MIB = 1024 * 1024;
/** Semi-spaces of the young generation. V8 counts them in its limit, but what lives on cannot stay there. */
const SEMI_SPACES = 3;
/** Where V8 has chosen all sizes by the memory of the machine, or of the container, the young generation is 4 % at most. */
const OLD_PART = 0.95;

/** Bytes of the heap for what lives on, as `--max-old-space-size` sets it: V8 ends the process when they are used up. */
export function oldGenerationBytesMax(): number {
  const { heap_size_limit: limit } = getHeapStatistics();
  const inThread = resourceLimits.maxOldGenerationSizeMb ?? 0;
  if (inThread > 0) return inThread * MIB;
  const old = megabytesOf('max-old-space-size');
  if (old > 0) return Math.min(limit, old * MIB);
  const semi = megabytesOf('max-semi-space-size');
  return semi > 0 ? limit - SEMI_SPACES * semi * MIB : limit * OLD_PART;
}

/** Of a flag that Node was started with; 0 if it was not. The last one counts, and those of the command line before those of NODE_OPTIONS. */
function megabytesOf(flag: string): number {
  const inEnvironment = (process.env['NODE_OPTIONS'] ?? '').split(/\s+/);
  for (const argument of [...inEnvironment, ...process.execArgv].reverse()) {
    const [name = '', value] = argument.replace(/^--/, '').split('=');
    if (name.replaceAll('_', '-') === flag) return Number(value) || 0;
  }
  return 0;
}
