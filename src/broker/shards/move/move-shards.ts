import type { FileSystem } from '../../../log/files/filesystem.ts';
import {
  finishRemovals,
  removeShard,
  shardDirectory,
  usedShards,
} from '../../../log/files/shard-directories.ts';
import type { ShardLog } from '../../shard/shard.ts';
import { OpenTransactions } from '../transactions/open-transactions.ts';
import { drain } from './drain.ts';
import { type HeldShard, type HeldShards, outboxesOf } from './held-shard.ts';
import { LogMover, type MoveBatch } from './log-mover.ts';
import type { Leaver } from './movable.ts';
import { planMoves } from './move-plan.ts';
import { MoveProgress } from './move-progress.ts';
import { PartitionMove, planPartitionMoves } from './partition-move.ts';
import { QueueMove } from './queue-move.ts';

export interface ShardsMoveOptions {
  readonly fileSystem: FileSystem;
  readonly dataDirectory: string;
  /** How many shards remain. */
  readonly count: number;
  /** How much is moved at once; as is usual unless told otherwise. */
  readonly batch?: MoveBatch;
  readonly log: ShardLog;
  /** Told what is done, for messages: 'moving queues out of shard 2: 17 of 240'. */
  onStep(step: string): void;
  /** Opens so many shards, all of them held, in this thread. */
  open(count: number): Promise<HeldShards>;
}

/**
 * Before a start with fewer shards than the data directory has: moves what is in those that go away to those that remain, and
 * deletes their directories. It may be interrupted at any moment, and goes on at the next start. Rejects with a message for an
 * operator if something cannot be moved; then all of it is there, in the old place or the new one. See docs/design/shard-move.md.
 */
export async function moveToFewerShards(options: ShardsMoveOptions): Promise<void> {
  const { fileSystem, dataDirectory, count, log, onStep, open } = options;
  await finishRemovals(fileSystem, dataDirectory);
  const used = (await usedShards(fileSystem, dataDirectory)).map(({ shard }) => shard);
  const leaving = used.filter((shard) => shard >= count);
  if (leaving.length === 0) return;
  log.info({ shards: leaving, remaining: count }, 'moving what is in shards that go away to the others');
  const held = await open(leaving[leaving.length - 1] + 1);
  try {
    await new ShardsMove(held.shards, options).run();
  } catch (error) {
    for (const shard of [...held.shards].reverse()) await shard.abandon();
    throw error;
  } finally {
    held.closeDoors();
  }
  onStep('opening the shards that remain');
}

class ShardsMove {
  readonly #shards: readonly HeldShard[];
  readonly #remaining: readonly HeldShard[];
  readonly #leaving: readonly HeldShard[];
  readonly #options: ShardsMoveOptions;

  constructor(shards: readonly HeldShard[], options: ShardsMoveOptions) {
    this.#shards = shards;
    this.#remaining = shards.slice(0, options.count);
    this.#leaving = shards.slice(options.count);
    this.#options = options;
  }

  async run(): Promise<void> {
    const { count, onStep } = this.#options;
    await drain(this.#shards, count, onStep);
    this.#refuseFullDisk();
    this.#abortUnknown();
    for (const { shard } of this.#shards) await shard.store.maintenance.suspend();
    await this.#moveLogs('queues', this.#leavingQueues());
    await this.#moveLogs('partitions of streams', this.#leavingPartitions());
    await this.#forgetLeaving();
    await this.#removeLeaving();
    await this.#close();
  }

  /** Its maintenance would wait for space, and everything for that. */
  #refuseFullDisk(): void {
    const full = this.#shards.find(({ shard }) => shard.alarms.isDiskReserved);
    if (full === undefined) return;
    throw new Error(
      `the volume of '${full.shard.storage.directory}' is full: nothing can be moved. Nothing is lost. Make room on it, and start ` +
        `again; or start with shards = ${this.#shards.length}, as before`,
    );
  }

  /** Where shard 0 has forgotten a transaction, as after a power cut without durability, nobody would be asked about it any more. */
  #abortUnknown(): void {
    for (const { shard, streams } of this.#leaving)
      new OpenTransactions(shard, streams).abortUnknown(this.#shards[0].transactions);
  }

  async #moveLogs(what: string, leavers: readonly Leaver[]): Promise<void> {
    const { log, onStep, batch } = this.#options;
    if (leavers.length === 0) return;
    const totals = new Map<number, number>();
    for (const { from } of leavers) totals.set(from, (totals.get(from) ?? 0) + 1);
    const progress = new MoveProgress(what, totals, this.#shards[0].shard.clock, log, onStep);
    try {
      await new LogMover(this.#shards, progress, batch).move(leavers);
    } finally {
      log.info(progress.fields, `${what} were moved out of shards that go away`);
    }
  }

  #leavingQueues(): readonly Leaver[] {
    return planMoves(this.#shards[0].vhosts, this.#options.count).map((plan) => ({
      from: plan.from,
      open: () => new QueueMove(this.#shards, plan),
    }));
  }

  #leavingPartitions(): readonly Leaver[] {
    return planPartitionMoves(this.#shards[0].streams, this.#options.count).map((plan) => ({
      from: plan.partition.shard,
      open: () => new PartitionMove(this.#shards, plan),
    }));
  }

  /**
   * A shard that comes later with the number of one that goes begins its ids anew. So what is known of those ids goes first: before a
   * directory does, and before the next start, which has no door to that shard.
   */
  async #forgetLeaving(): Promise<void> {
    const { count, onStep } = this.#options;
    onStep('forgetting what was between the shards that remain and those that go away');
    for (const shard of this.#shards) outboxesOf(shard).stop();
    for (const each of this.#remaining) {
      outboxesOf(each).forgetFrom(count);
      const { maintenance } = each.shard.store;
      await maintenance.snapshot(false);
      await maintenance.deleteRemoved();
    }
  }

  async #removeLeaving(): Promise<void> {
    const { fileSystem, dataDirectory, count, log, onStep } = this.#options;
    for (const [at, shard] of this.#leaving.entries()) {
      const number = count + at;
      onStep(`deleting the directory of shard ${number}, which has nothing any more`);
      await shard.close();
      if (!(await removeShard(fileSystem, dataDirectory, number))) continue;
      const directory = shardDirectory(dataDirectory, number);
      log.warn(
        { directory },
        'what was set aside in a shard that is gone was left there: delete it if nobody wants it',
      );
    }
  }

  /** Shard 0 at last, whose lock is for all. */
  async #close(): Promise<void> {
    const [first, ...others] = this.#remaining;
    for (const shard of others) await shard.close();
    first.moved.forget();
    await first.close();
  }
}
