import type { Table } from '../../base/value.ts';
import type { Placement } from '../topology/commands.ts';
import type { QueueDeclaration } from '../topology/declarations.ts';

/** The argument that says where a queue is to be: a number, of which the rest by the number of shards counts. */
export const SHARD_ARGUMENT = 'x-shard';

/** What placement knows of a virtual host. */
export interface PlacedQueues {
  /** The shard of this queue; null if there is none. */
  shardOf(vhost: string, queue: string): number | null;
  /** The queue that policies want one of this name to be with; null if none says so. */
  companionOf(vhost: string, queue: string, args: Table): string | null;
}

/**
 * Where new queues are put: those that end with their connection, or with the broker, where the connection is; others where they
 * are told to be, or else where the fewest are.
 */
export class LeastQueues implements Placement {
  readonly #counts: number[];
  readonly #placed: PlacedQueues;

  constructor(shards: number, placed: PlacedQueues) {
    this.#counts = new Array<number>(shards).fill(0);
    this.#placed = placed;
  }

  place(vhost: string, declaration: QueueDeclaration): number {
    const { name, durable, autoDelete, arguments: args, shard: own = 0 } = declaration;
    const count = this.#counts.length;
    const wanted = args[SHARD_ARGUMENT];
    if (typeof wanted === 'number' || typeof wanted === 'bigint')
      return Number(BigInt(wanted) % BigInt(count));
    const companion = this.#placed.companionOf(vhost, name, args);
    const there = companion === null ? null : this.#placed.shardOf(vhost, companion);
    if (there !== null) return there;
    if (!durable || autoDelete) return own;
    return this.#least(own);
  }

  changed(shard: number, difference: 1 | -1): void {
    this.#counts[shard] += difference;
  }

  /** Of several with as few, that of the connection. */
  #least(own: number): number {
    const counts = this.#counts;
    let least = own;
    for (let shard = 0; shard < counts.length; shard++) if (counts[shard] < counts[least]) least = shard;
    return least;
  }
}
