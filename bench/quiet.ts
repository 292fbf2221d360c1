/** What else the machine does while it measures, and how fast its disk is today. */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';

/** From here on somebody else is at work. */
export const LOAD_QUIET_MAX = 0.5;

const WRITES = 200;
const WRITE_BYTES = 64 * 1024;

export interface SyncedWrites {
  /** Of one write of 64 KB at the end of a file, and the fdatasync after it. */
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** Of the last minute. */
export function loadAverage(): number {
  return loadavg()[0];
}

/** In the file system in which the brokers' data directories are. */
export async function timeSyncedWrites(directory: string): Promise<SyncedWrites> {
  const path = join(directory, 'synced-writes');
  const file = await open(path, 'wx');
  try {
    const sorted = (await times(file)).sort((a, b) => a - b);
    return { medianMs: sorted[WRITES / 2], p99Ms: sorted[Math.floor(WRITES * 0.99)] };
  } finally {
    await file.close();
    await rm(path);
  }
}

async function times(file: FileHandle): Promise<number[]> {
  const bytes = Buffer.alloc(WRITE_BYTES, 'x');
  const taken: number[] = [];
  for (let write = 0; write < WRITES; write++) {
    const begin = performance.now();
    await file.write(bytes, 0, WRITE_BYTES, write * WRITE_BYTES);
    await file.datasync();
    taken.push(performance.now() - begin);
  }
  return taken;
}
