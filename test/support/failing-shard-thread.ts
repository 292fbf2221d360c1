/** The thread of a shard in which something fails when a file beside its data directory says so. */
import { existsSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import '../../src/cli/broker-process/shards/shard-thread.ts';
import type { ShardThreadData } from '../../src/cli/broker-process/shards/messages.ts';

const { number, configuration } = workerData as ShardThreadData;
if (number === 2) {
  const isTold = (what: string) => existsSync(`${configuration.dataDirectory}.${what}`);
  setInterval(() => {
    if (isTold('throw')) throw new Error('thrown in a thread');
    if (isTold('reject')) void Promise.reject(new Error('rejected in a thread'));
  }, 10);
}
