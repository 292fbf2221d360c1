import type { ShardSeat } from '../doors/shard-link.ts';
import type { Shard } from '../shard/shard.ts';

/** The leader epochs of all shards, each of which grows with each start of its own: told by each when it begins. */
export class LeaderEpochsOfShards {
  readonly #seat: ShardSeat;
  readonly #shard: Shard;
  readonly #epochs: (number | undefined)[] = [];

  constructor(seat: ShardSeat, shard: Shard) {
    this.#seat = seat;
    this.#shard = shard;
  }

  /** Null of a shard that has not begun. */
  of(shard: number): number | null {
    if (shard === this.#seat.number) return this.#shard.store.epoch;
    return this.#epochs[shard] ?? null;
  }

  /** The journal is read. */
  tell(): void {
    for (const link of this.#seat.links) link?.tell({ op: 'shard.epoch', epoch: this.#shard.store.epoch });
  }

  told(from: number, epoch: number): void {
    this.#epochs[from] = epoch;
  }
}
