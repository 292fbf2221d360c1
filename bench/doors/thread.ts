/** The other thread of a measurement: takes frames into memory of its own, or sends them back. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Link, LinkEnds, Receive } from './link.ts';
import { PortLink } from './port-link.ts';
import { RingLink } from './ring-link.ts';

export interface ThreadPlan {
  readonly ends: LinkEnds;
  readonly echoes: boolean;
}

/** Sent to the measurement after the last frame, which is empty. */
export interface ThreadFigures {
  readonly frames: number;
  /** Processor time of this thread, user and system, from the first frame to the last. */
  readonly cpuMicros: number;
}

/** What a broker's chunk of memory is here: payloads are copied into it, one behind the other. */
const CHUNK_BYTES = 1024 * 1024;

export function openLink(ends: LinkEnds, receive: Receive): Link {
  return ends.name === 'ring' ? new RingLink(ends, receive) : new PortLink(ends, receive);
}

function serve({ ends, echoes }: ThreadPlan): void {
  const alive = setInterval(() => undefined, 60_000);
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let used = 0;
  let frames = 0;
  let begun = process.threadCpuUsage();
  const take = (buffer: Buffer, start: number, end: number): void => {
    if (end === start) {
      const { user, system } = process.threadCpuUsage(begun);
      parentPort?.postMessage({ frames, cpuMicros: user + system } satisfies ThreadFigures);
      link.close();
      clearInterval(alive);
      return;
    }
    if (frames++ === 0) begun = process.threadCpuUsage();
    if (used + end - start > CHUNK_BYTES) used = 0;
    buffer.copy(chunk, used, start, end);
    if (echoes) {
      link.write(chunk.subarray(used, used + end - start));
      link.flush();
    }
    used += end - start;
  };
  const link = openLink(ends, take);
}

if (workerData !== null && typeof workerData === 'object' && 'ends' in workerData) {
  serve(workerData as ThreadPlan);
}
