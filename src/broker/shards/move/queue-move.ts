import { copiedBytes, copyQueueLog } from '../../../log/queues/copy-queue-log.ts';
import type { Store } from '../../../log/store.ts';
import { asLocal } from '../../queues/any-queue.ts';
import type { PriorityLevel } from '../../queues/priority-level.ts';
import type { Queue } from '../../queues/queue.ts';
import { wholeStateOf } from '../../queues/queue-recovery.ts';
import type { HeldShard } from './held-shard.ts';
import type { Movable } from './movable.ts';
import type { PlannedMove } from './move-plan.ts';

/** A queue on its way from shard to shard, with a log for each of its priorities. */
export class QueueMove implements Movable {
  readonly from: number;
  readonly to: number;
  readonly id: number;
  readonly epoch = 0;
  readonly #plan: PlannedMove;
  readonly #shards: readonly HeldShard[];
  readonly #queue: Queue;
  readonly #logIds: ReadonlyMap<PriorityLevel, number>;

  constructor(shards: readonly HeldShard[], plan: PlannedMove) {
    const { from, to, id } = plan;
    this.from = from;
    this.to = to;
    this.id = id;
    this.#plan = plan;
    this.#shards = shards;
    this.#queue = this.#find();
    // The first log of a queue has the id of the queue; each shard gives those of other priorities.
    const { base, levels } = this.#queue;
    const { shard } = shards[to];
    this.#logIds = new Map(levels.map((level) => [level, level === base ? id : shard.logId()]));
  }

  get title(): string {
    return `queue '${this.#plan.name}' in vhost '${this.#plan.vhost}'`;
  }

  get newLogIds(): readonly number[] {
    return [...this.#logIds.values()];
  }

  get bytes(): number {
    return this.#queue.levels.reduce((sum, { log }) => sum + copiedBytes(log), 0);
  }

  async copy(source: Store, target: Store, onCopied: (bytes: number) => void): Promise<void> {
    for (const [{ log }, id] of this.#logIds)
      await copyQueueLog({ store: source, log }, { store: target, id }, onCopied);
    if (this.#queue.corruption !== null) throw this.#queue.corruption;
  }

  take(): void {
    const { shard } = this.#shards[this.from];
    const { taken } = this.#shards[this.to].moved;
    shard.turn.touch();
    for (const [level, id] of this.#logIds) taken.delivered.push([id, level.deliveredBelow]);
    taken.queues.push(wholeStateOf(this.#queue, shard.nowMs, (level) => this.#logIds.get(level) as number));
  }

  nameNewPlace(): void {
    const { vhost, name } = this.#plan;
    const queue = this.#shards[0].vhosts.get(vhost)?.findQueue(name);
    if (queue?.isRemote !== true) throw new Error(`${this.title} is in shard 0 already`);
    queue.shard = this.to;
  }

  remove(): void {
    this.#queue.remove();
  }

  #find(): Queue {
    const { vhost, name } = this.#plan;
    const queue = asLocal(this.#shards[this.from].vhosts.get(vhost)?.findQueue(name));
    if (queue?.id === this.id) return queue;
    throw new Error(`shard ${this.from} does not have ${this.title}, which the metadata says it has`);
  }
}
