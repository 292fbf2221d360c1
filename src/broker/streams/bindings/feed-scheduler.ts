import type { Pumped, Turn } from '../../shard/turn.ts';

/** How many records are looked at in one turn, by all together: a few milliseconds. */
const RECORDS_PER_TURN = 2048;

export interface Feeds {
  /** Does a part of what there is to do, and asks to be called again if there is more. Returns the records it looked at. */
  step(): number;
}

/** Lets those who feed from streams take turns: with hundreds of partitions, all at once would keep everybody waiting. */
export class FeedScheduler implements Pumped {
  pumpPending = false;
  readonly #turn: Turn;
  /** In the order in which they asked. */
  readonly #ready = new Set<Feeds>();

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  add(feeder: Feeds): void {
    this.#ready.add(feeder);
    this.#turn.pumpLater(this);
  }

  remove(feeder: Feeds): void {
    this.#ready.delete(feeder);
  }

  pump(): void {
    let left = RECORDS_PER_TURN;
    for (const feeder of this.#ready) {
      // Who asks for more comes last, as a set goes by when its members were added.
      this.#ready.delete(feeder);
      left -= Math.max(1, feeder.step());
      if (left <= 0) break;
    }
    if (this.#ready.size > 0) this.#turn.pumpLater(this);
  }
}
