/** What Linux tells about a process that we measure. */
import { readdir, readFile } from 'node:fs/promises';

export interface ProcessFigures {
  readonly residentMiB: number;
  /** The highest since the process began. */
  readonly residentPeakMiB: number;
  /** All the time that its threads have run, user and system. */
  readonly cpuSeconds: number;
}

export async function processFigures(pid: number): Promise<ProcessFigures> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kib = (name: string) =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN);
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may contain anything; utime and stime are fields 14 and 15, in ticks of 10 ms.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    residentMiB: Math.round(kib('VmRSS') / 1024),
    residentPeakMiB: Math.round(kib('VmHWM') / 1024),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}

export async function openFiles(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}
