import { localOf } from '../../../src/broker/queues/any-queue.ts';
import { HistoryError } from '../expected-queue.ts';
import type { Failure } from '../power-cut.ts';
import { ShardsRun } from './shards-run.ts';

const KIB = 1024;
/** Publishers are asked to stop while less than this is free. */
const FREE_LIMIT_BYTES = 8 * KIB;
const PATIENCE_MS = 60_000;

/**
 * Lets the disk of one shard become full at random instants, and have space again later, with power cuts in between. Nothing confirmed is
 * lost, messages between the other shards are confirmed meanwhile, and everything goes on by itself. Null if all is well.
 */
export async function fillShardDisk(seed: number, shards: number): Promise<Failure | null> {
  const run = new ShardsRun(seed, {
    shards,
    durability: { mode: 'sync' },
    diskFreeLimitBytes: FREE_LIMIT_BYTES,
  });
  try {
    await run.start();
    for (let round = run.between(1, 4); round > 0; round--) {
      const shard = run.anyShard();
      await run.work(run.between(5, 80));
      leave(run, shard, run.random() < 0.5 ? 0 : run.between(0, 40 * KIB));
      await run.work(run.between(5, 80));
      await whileFull(run, shard);
      run.shards.disks[shard].capacityBytes = Number.MAX_SAFE_INTEGER;
      run.note(`shard ${shard} has space again`);
      await goesOn(run);
    }
    await run.drain();
    await run.closeCleanly();
    await run.start();
    return null;
  } catch (error) {
    return { seed, error, history: run.tail() };
  }
}

function leave(run: ShardsRun, shard: number, freeBytes: number): void {
  run.shards.disks[shard].capacityBytes = usedBytes(run, shard) + freeBytes;
  run.note(`the disk of shard ${shard} has ${freeBytes} bytes left`);
}

function usedBytes(run: ShardsRun, shard: number): number {
  return run.shards.disks[shard].files().reduce((sum, { size }) => sum + size, 0);
}

/** Time goes by, or the power is cut: then the shards have to start with a full disk. */
async function whileFull(run: ShardsRun, shard: number): Promise<void> {
  if (run.random() < 0.4) {
    await run.cutPower();
    await run.start();
    await run.work(run.between(5, 40));
    return;
  }
  leave(run, shard, 0);
  const isTold = (): boolean => {
    // What the broker frees, others take.
    run.shards.disks[shard].capacityBytes = usedBytes(run, shard);
    return run.shards.brokers[shard].shard.alarms.raised.has('disk');
  };
  if (!(await run.time.runUntil(isTold, PATIENCE_MS))) {
    throw new HistoryError(`publishers are not told that the disk of shard ${shard} is full`);
  }
  run.check();
  await othersGoOn(run, shard);
}

/** From each of the other shards to each queue of the others. */
async function othersGoOn(run: ShardsRun, full: number): Promise<void> {
  const others = run.shards.brokers.map((_, shard) => shard).filter((shard) => shard !== full);
  const ids: number[] = [];
  for (const from of others) {
    const channel = run.openChannel(from);
    for (const to of others) {
      for (const queue of localOf(run.shards.vhost(to).queues())) {
        ids.push(run.publishTo(channel, queue.name));
      }
    }
  }
  const areSafe = (): boolean => {
    run.check();
    return !ids.some((id) => run.history.isWaitedFor(id));
  };
  if (!(await run.time.runUntil(areSafe, PATIENCE_MS))) {
    throw new HistoryError(
      `the disk of shard ${full} is full, and messages between others are not confirmed`,
    );
  }
}

async function goesOn(run: ShardsRun): Promise<void> {
  const isWell = (): boolean => run.shards.brokers.every(({ shard }) => shard.alarms.raised.size === 0);
  if (!(await run.time.runUntil(() => isWell() && run.shards.isIdle, PATIENCE_MS))) {
    throw new HistoryError('there is space, but publishers are blocked');
  }
  run.check();
}
