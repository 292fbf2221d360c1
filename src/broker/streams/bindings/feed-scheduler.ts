import type { Pumped, Turn } from '../../shard/turn.ts';

/** How many records are looked at in one turn, by all together: a few milliseconds. */
const RECORDS_PER_TURN = 2048;

/** One of those that take turns. */
export interface Feed {
  /** Does a part of what there is to do, and asks to be called again if there is more. Returns the records it looked at. */
  step(): number;
}

/** Lets partition feeds take turns: with hundreds of partitions, all at once would hold the event loop. */
export class FeedScheduler implements Pumped {
  pumpPending = false;
  readonly #turn: Turn;
  /** In the order in which they asked. */
  readonly #ready = new Set<Feed>();

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  add(feed: Feed): void {
    this.#ready.add(feed);
    this.#turn.pumpLater(this);
  }

  remove(feed: Feed): void {
    this.#ready.delete(feed);
  }

  pump(): void {
    let left = RECORDS_PER_TURN;
    for (const feed of this.#ready) {
      // Who asks for more comes last, as a set goes by when its members were added.
      this.#ready.delete(feed);
      left -= Math.max(1, feed.step());
      if (left <= 0) break;
    }
    if (this.#ready.size > 0) this.#turn.pumpLater(this);
  }
}
