/** Holds threads of a process to a share of a core, each for itself (Linux, cgroup v1; needs root). */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';

const ROOT = '/sys/fs/cgroup/cpu';
const PERIOD_US = 10_000;

/** The threads of the shards of a broker, by their numbers: the main thread, and those that are named 'shard 1' and so on. */
export async function shardThreads(pid: number, count: number): Promise<number[]> {
  const threads = [pid];
  for (const tid of await readdir(`/proc/${pid}/task`)) {
    const name = (await readFile(`/proc/${pid}/task/${tid}/comm`, 'utf8')).trim();
    const shard = Number(/^shard (\d+)$/.exec(name)?.[1] ?? 0);
    if (shard > 0) threads[shard] = Number(tid);
  }
  if (threads.filter((tid) => tid > 0).length !== count)
    throw new Error(`process ${pid} has not ${count} shards: ${threads}`);
  return threads;
}

/** The time in seconds that a thread has run. */
export async function threadSeconds(pid: number, tid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/task/${tid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export class CpuShares implements AsyncDisposable {
  readonly #groups: string[] = [];

  /** Each of the threads gets this share of a core and no more. */
  static async hold(threads: readonly number[], share: number): Promise<CpuShares> {
    const shares = new CpuShares();
    for (const tid of threads) await shares.#hold(tid, share);
    return shares;
  }

  async #hold(tid: number, share: number): Promise<void> {
    const group = `${ROOT}/sluice-bench-${process.pid}-${tid}`;
    try {
      await mkdir(group);
    } catch (error) {
      throw new Error(`threads cannot be held to a share of a core here (${ROOT}, as root)`, {
        cause: error,
      });
    }
    this.#groups.push(group);
    await writeFile(`${group}/cpu.cfs_period_us`, String(PERIOD_US));
    await writeFile(`${group}/cpu.cfs_quota_us`, String(Math.round(PERIOD_US * share)));
    await writeFile(`${group}/tasks`, String(tid));
  }

  /** When the threads are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const group of this.#groups) await rmdir(group).catch(() => undefined);
  }
}
