import { CorruptionError } from '../../../log/corruption.ts';
import { isDiskFull } from '../../../log/files/system-error.ts';
import { doctorCommandLine } from '../../../log/operator-advice.ts';
import { directoryOf, type HeldShard } from './held-shard.ts';
import type { Leaver, Movable } from './movable.ts';
import type { MoveProgress } from './move-progress.ts';
import { operationsOf } from './moved-queues.ts';

/** What is copied before the metadata says where it is: for so long it is there twice. One queue or partition that is larger is alone. */
export interface MoveBatch {
  readonly queues: number;
  readonly bytes: number;
}

const USUAL_BATCH: MoveBatch = { queues: 1000, bytes: 256 * 1024 * 1024 };

/**
 * Moves what has logs from shard to shard, some of it at a time:
 *
 *     1. the shard that takes it journals the ids of the logs that come
 *     2. the logs are copied to its segments
 *     3. its snapshot has them
 *     4. the snapshot of shard 0 says where they are: up to here all is in the old place, from here on in the new one
 *     5. the snapshot of the shard that they left is without them, and then their files are deleted
 *
 * Whatever ends the process in between, the next start removes what shard 0 does not name. The maintenance of all shards has to be suspended.
 */
export class LogMover {
  readonly #shards: readonly HeldShard[];
  readonly #progress: MoveProgress;
  readonly #batch: MoveBatch;

  constructor(shards: readonly HeldShard[], progress: MoveProgress, batch = USUAL_BATCH) {
    this.#shards = shards;
    this.#progress = progress;
    this.#batch = batch;
  }

  /** Rejects with a message for an operator if one of them cannot be moved: then it, and those after it, are where they were. */
  async move(leavers: readonly Leaver[]): Promise<void> {
    for (let at = 0; at < leavers.length; ) {
      const batch = this.#nextBatch(leavers, at);
      await this.#moveTogether(batch);
      at += batch.length;
    }
  }

  #nextBatch(leavers: readonly Leaver[], from: number): readonly Movable[] {
    const batch: Movable[] = [];
    let bytes = 0;
    for (let at = from; at < leavers.length && batch.length < this.#batch.queues; at++) {
      const each = leavers[at].open();
      bytes += each.bytes;
      if (batch.length > 0 && bytes > this.#batch.bytes) break;
      batch.push(each);
    }
    return batch;
  }

  async #moveTogether(batch: readonly Movable[]): Promise<void> {
    const byTarget = Map.groupBy(batch, ({ to }) => to);
    for (const [to, some] of byTarget) await this.#announce(this.#shards[to], some);
    for (const each of batch) await this.#copy(each);
    for (const [to, some] of byTarget) {
      for (const each of some) each.take();
      if (to !== 0) await this.#snapshot(to);
    }
    for (const each of batch) {
      each.nameNewPlace();
      this.#shards[0].moved.leave(each.from, [each.id]);
    }
    await this.#snapshot(0);
    for (const [from, some] of Map.groupBy(batch, (each) => each.from)) {
      for (const each of some) each.remove();
      await this.#snapshot(from);
      await this.#shards[from].shard.store.maintenance.deleteRemoved();
    }
  }

  /** Otherwise what a crash leaves of the copies would be set aside: nobody would know what it is. */
  async #announce({ shard }: HeldShard, movables: readonly Movable[]): Promise<void> {
    shard.store.raiseEpoch(movables.reduce((max, { epoch }) => Math.max(max, epoch), 0));
    const ids = movables.flatMap(({ newLogIds }) => newLogIds);
    for (const operation of operationsOf(ids, (some) => ({ op: 'moved.copies', ids: some })))
      shard.record(operation);
    await shard.durable(shard.metadataBlock);
    await new Promise<void>((resolve) => shard.whenSynced(resolve));
  }

  async #copy(movable: Movable): Promise<void> {
    const { from, to, bytes } = movable;
    this.#progress.copying(from);
    try {
      await this.#assertRoom(to, bytes);
      const [source, target] = [this.#shards[from].shard.store, this.#shards[to].shard.store];
      await movable.copy(source, target, this.#progress.copied);
    } catch (error) {
      throw this.#explained(error as Error, movable);
    }
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

  async #snapshot(shard: number): Promise<void> {
    try {
      await this.#shards[shard].shard.store.maintenance.snapshot(false);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      throw new Error(`nothing more can be moved: ${(error as Error).message}. ${this.#whatToDo()}`, {
        cause: error,
      });
    }
  }

  /** What is in the way of it, and what to do about it. */
  #explained(error: Error, { title, from, to }: Movable): Error {
    const what = `${title} cannot be moved from shard ${from} to shard ${to}`;
    if (error instanceof CorruptionError) {
      const doctor = doctorCommandLine(directoryOf(this.#shards[0]));
      return new Error(
        `${what}: '${error.path}' is damaged at byte ${error.offset}: ${error.what}. ${NOTHING_LOST} ` +
          `Start with shards = ${this.#shards.length}, as before, or look what is affected, and cut it off: ${doctor}`,
        { cause: error },
      );
    }
    if (!(error instanceof RoomError) && !isDiskFull(error)) return error;
    return new Error(`${what}: ${error.message}. ${this.#whatToDo()}`, { cause: error });
  }

  #whatToDo(): string {
    return `${NOTHING_LOST} Make room, and start again; or start with shards = ${this.#shards.length}, as before`;
  }
}

const NOTHING_LOST = 'Nothing is lost: everything is in its old place, or in its new one.';

/** There is too little room. */
class RoomError extends Error {}
