import type { AnyQueue } from '../../queues/any-queue.ts';
import type { QueueDeclaration } from '../../topology/declarations.ts';
import type { VirtualHosts } from '../../topology/virtual-hosts.ts';
import { LeastQueues } from '../placement.ts';

/** A queue that leaves its shard for another one. */
export interface PlannedMove {
  readonly vhost: string;
  readonly name: string;
  readonly id: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Where the durable queues go of shards that go away, with `count` that remain: as new ones would be placed. Those that stay where
 * they are do not move, whatever `x-shard` says by the new number. By the shards that they leave.
 */
export function planMoves(vhosts: VirtualHosts<AnyQueue>, count: number): readonly PlannedMove[] {
  return new MovePlan(vhosts, count).all();
}

class MovePlan {
  readonly #vhosts: VirtualHosts<AnyQueue>;
  readonly #count: number;
  readonly #placement: LeastQueues;
  /** By the ids of queues. */
  readonly #placed = new Map<number, PlannedMove>();

  constructor(vhosts: VirtualHosts<AnyQueue>, count: number) {
    this.#vhosts = vhosts;
    this.#count = count;
    this.#placement = new LeastQueues(count, {
      shardOf: (vhost, name) => this.#shardOf(this.#find(vhost, name)),
      companionOf: (vhost, name, args) => vhosts.get(vhost)?.companionOf(name, args) ?? null,
    });
  }

  all(): readonly PlannedMove[] {
    for (const vhost of this.#vhosts) {
      for (const { shard } of vhost.queues()) if (shard < this.#count) this.#placement.changed(shard, 1);
    }
    for (const vhost of this.#vhosts) {
      for (const queue of vhost.queues()) this.#placeWithCompanions(queue);
    }
    return [...this.#placed.values()].sort((a, b) => a.from - b.from);
  }

  #leaves({ id, shard, durable }: AnyQueue): boolean {
    return shard >= this.#count && durable && !this.#placed.has(id);
  }

  /** Those first that it is to be with. */
  #placeWithCompanions(queue: AnyQueue): void {
    const chain: AnyQueue[] = [];
    for (let each: AnyQueue | undefined = queue; each !== undefined; ) {
      if (!this.#leaves(each) || chain.includes(each)) break;
      chain.push(each);
      const { vhost, name, arguments: args }: AnyQueue = each;
      const companion: string | null = this.#vhosts.get(vhost)?.companionOf(name, args) ?? null;
      each = companion === null ? undefined : this.#find(vhost, companion);
    }
    for (const each of chain.reverse()) this.#place(each);
  }

  #place(queue: AnyQueue): void {
    const { vhost, name, id, shard: from } = queue;
    const to = this.#placement.place(vhost, declarationOf(queue, from % this.#count));
    this.#placement.changed(to, 1);
    this.#placed.set(id, { vhost, name, id, from, to });
  }

  #find(vhost: string, name: string): AnyQueue | undefined {
    return this.#vhosts.get(vhost)?.findQueue(name);
  }

  /** Where it is to be; null if that is not known yet. */
  #shardOf(queue: AnyQueue | undefined): number | null {
    if (queue === undefined) return null;
    const placed = this.#placed.get(queue.id);
    if (placed !== undefined) return placed.to;
    return queue.shard < this.#count ? queue.shard : null;
  }
}

/** `shard`: where its client would be. */
function declarationOf({ name, autoDelete, arguments: args }: AnyQueue, shard: number): QueueDeclaration {
  return { name, durable: true, exclusive: false, autoDelete, arguments: args, shard };
}
