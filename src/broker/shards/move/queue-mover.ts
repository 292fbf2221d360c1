import { CorruptionError } from '../../../log/corruption.ts';
import { isDiskFull } from '../../../log/files/system-error.ts';
import { doctorCommandLine } from '../../../log/operator-advice.ts';
import { copiedBytes, copyQueueLog } from '../../../log/queues/copy-queue-log.ts';
import { asLocal } from '../../queues/any-queue.ts';
import type { PriorityLevel } from '../../queues/priority-level.ts';
import type { Queue } from '../../queues/queue.ts';
import { wholeStateOf } from '../../queues/queue-recovery.ts';
import { directoryOf, type HeldShard } from './held-shard.ts';
import type { PlannedMove } from './move-plan.ts';
import type { MoveProgress } from './move-progress.ts';
import { operationsOf } from './moved-queues.ts';

/** What is copied before the metadata says where it is: for so long it is there twice. One queue that is larger is alone. */
export interface MoveBatch {
  readonly queues: number;
  readonly bytes: number;
}

const USUAL_BATCH: MoveBatch = { queues: 1000, bytes: 256 * 1024 * 1024 };

/** A queue, and the logs that its levels get. */
interface Leaver extends PlannedMove {
  readonly queue: Queue;
  readonly logIds: ReadonlyMap<PriorityLevel, number>;
}

/**
 * Moves queues from shard to shard, some at a time:
 *
 *     1. the shard that takes them journals the ids of the logs that come
 *     2. the logs are copied to its segments
 *     3. its snapshot has them
 *     4. the snapshot of shard 0 says where the queues are: up to here they are in the old place, from here on in the new one
 *     5. the snapshot of the shard that they left is without them, and then their files are deleted
 *
 * Whatever ends the process in between, the next start removes what shard 0 does not name. The maintenance of all shards has to be suspended.
 */
export class QueueMover {
  readonly #shards: readonly HeldShard[];
  readonly #progress: MoveProgress;
  readonly #batch: MoveBatch;

  constructor(shards: readonly HeldShard[], progress: MoveProgress, batch = USUAL_BATCH) {
    this.#shards = shards;
    this.#progress = progress;
    this.#batch = batch;
  }

  /** Rejects with a message for an operator if a queue cannot be moved: then it, and those after it, are where they were. */
  async move(planned: readonly PlannedMove[]): Promise<void> {
    for (let at = 0; at < planned.length; ) {
      const batch = this.#nextBatch(planned, at);
      await this.#moveTogether(batch);
      at += batch.length;
    }
  }

  #nextBatch(planned: readonly PlannedMove[], from: number): readonly Leaver[] {
    const batch: Leaver[] = [];
    let bytes = 0;
    for (let at = from; at < planned.length && batch.length < this.#batch.queues; at++) {
      const queue = this.#queueOf(planned[at]);
      for (const { log } of queue.levels) bytes += copiedBytes(log);
      if (batch.length > 0 && bytes > this.#batch.bytes) break;
      batch.push({ ...planned[at], queue, logIds: this.#newLogIds(queue, planned[at].to) });
    }
    return batch;
  }

  #queueOf({ vhost, name, id, from }: PlannedMove): Queue {
    const queue = asLocal(this.#shards[from].vhosts.get(vhost)?.findQueue(name));
    if (queue?.id === id) return queue;
    throw new Error(
      `shard ${from} does not have queue '${name}' in vhost '${vhost}', which the metadata says it has`,
    );
  }

  /** The first log of a queue has the id of the queue, which is its own in all shards; those of other levels are given by each shard. */
  #newLogIds({ id, base, levels }: Queue, to: number): ReadonlyMap<PriorityLevel, number> {
    const { shard } = this.#shards[to];
    return new Map(levels.map((level) => [level, level === base ? id : shard.logId()]));
  }

  async #moveTogether(batch: readonly Leaver[]): Promise<void> {
    const byTarget = Map.groupBy(batch, ({ to }) => to);
    for (const [to, leavers] of byTarget) await this.#announce(this.#shards[to], leavers);
    for (const leaver of batch) await this.#copy(leaver);
    for (const [to, leavers] of byTarget) {
      for (const leaver of leavers) this.#take(this.#shards[to], leaver);
      if (to !== 0) await this.#snapshot(to);
    }
    await this.#nameNewPlaces(batch);
    for (const [from, leavers] of Map.groupBy(batch, (leaver) => leaver.from))
      await this.#remove(from, leavers);
  }

  /** Otherwise what a crash leaves of the copies would be set aside: nobody would know what it is. */
  async #announce({ shard }: HeldShard, leavers: readonly Leaver[]): Promise<void> {
    const ids = leavers.flatMap(({ logIds }) => [...logIds.values()]);
    for (const operation of operationsOf(ids, (some) => ({ op: 'moved.copies', ids: some })))
      shard.record(operation);
    await shard.durable(shard.metadataBlock);
    await new Promise<void>((resolve) => shard.whenSynced(resolve));
  }

  async #copy(leaver: Leaver): Promise<void> {
    const { from, to, queue, logIds } = leaver;
    this.#progress.copying(from);
    const source = this.#shards[from].shard.store;
    const target = this.#shards[to].shard.store;
    try {
      for (const [{ log }, id] of logIds) {
        await this.#assertRoom(to, copiedBytes(log));
        await copyQueueLog({ store: source, log }, { store: target, id }, this.#progress.copied);
      }
    } catch (error) {
      throw this.#explained(error as Error, leaver);
    }
    if (queue.corruption !== null) throw this.#explained(queue.corruption, leaver);
    this.#progress.done(from);
  }

  /** Not what publishers are blocked for: the next start would begin with that. */
  async #assertRoom(to: number, bytes: number): Promise<void> {
    const { fileSystem, directory, diskFreeBytes } = this.#shards[to].shard.storage;
    const free = await fileSystem.freeBytes(directory);
    if (free - bytes >= diskFreeBytes || bytes === 0) return;
    throw new RoomError(
      `the volume of '${directory}' has ${free} bytes free, and ${bytes} are needed beside the ${diskFreeBytes} of disk-free-limit`,
    );
  }

  /** In the snapshots of the target from now on. */
  #take({ moved: { taken } }: HeldShard, { from, queue, logIds }: Leaver): void {
    const { shard } = this.#shards[from];
    shard.turn.touch();
    for (const [level, id] of logIds) taken.delivered.push([id, level.deliveredBelow]);
    taken.queues.push(wholeStateOf(queue, shard.nowMs, (level) => logIds.get(level) as number));
  }

  async #nameNewPlaces(batch: readonly Leaver[]): Promise<void> {
    const { vhosts, moved } = this.#shards[0];
    for (const { vhost, name, id, from, to } of batch) {
      const queue = vhosts.get(vhost)?.findQueue(name);
      if (queue?.isRemote !== true)
        throw new Error(`queue '${name}' in vhost '${vhost}' is in shard 0 already`);
      queue.shard = to;
      moved.leave(from, [id]);
    }
    await this.#snapshot(0);
  }

  async #remove(from: number, leavers: readonly Leaver[]): Promise<void> {
    for (const { queue } of leavers) queue.remove();
    await this.#snapshot(from);
    await this.#shards[from].shard.store.maintenance.deleteRemoved();
  }

  async #snapshot(shard: number): Promise<void> {
    try {
      await this.#shards[shard].shard.store.maintenance.snapshot(false);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      throw new Error(`queues cannot be moved: ${(error as Error).message}. ${this.#whatToDo()}`, {
        cause: error,
      });
    }
  }

  /** What is in the way of a queue, and what to do about it. */
  #explained(error: Error, { vhost, name, from, to }: Leaver): Error {
    const queue = `queue '${name}' in vhost '${vhost}' cannot be moved from shard ${from} to shard ${to}`;
    if (error instanceof CorruptionError) {
      const doctor = doctorCommandLine(directoryOf(this.#shards[0]));
      return new Error(
        `${queue}: '${error.path}' is damaged at byte ${error.offset}: ${error.what}. ${NOTHING_LOST} ` +
          `Start with shards = ${this.#shards.length}, as before, or look what is affected, and cut it off: ${doctor}`,
        { cause: error },
      );
    }
    if (!(error instanceof RoomError) && !isDiskFull(error)) return error;
    return new Error(`${queue}: ${error.message}. ${this.#whatToDo()}`, { cause: error });
  }

  #whatToDo(): string {
    return `${NOTHING_LOST} Make room, and start again; or start with shards = ${this.#shards.length}, as before`;
  }
}

const NOTHING_LOST = 'Nothing is lost: each queue is in its old place, or in its new one.';

/** There is too little room for a queue. */
class RoomError extends Error {}
