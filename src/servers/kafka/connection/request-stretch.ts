import type { WorkOwner } from '../../../base/turn-time.ts';
import type { ReadTurns } from '../../../broker/budget/read-turns.ts';
import type { Shard } from '../../../broker/shard/shard.ts';

/** Light requests that are begun between two looks at the clock. */
const REQUESTS_PER_LOOK = 8;
/** How long those of one connection may take in one iteration of the event loop. */
const STRETCH_MS_MAX = 1;
/** What all that is read may take together, beyond which each connection still has its least. */
const ALL_MS_MAX = 2;
const STRETCH_MS_MIN = 0.5;

/**
 * One read can have a thousand requests in it, and a socket that always has more is read dozens of times in one iteration of
 * the event loop: those that take long together are begun in turns with others.
 */
export class RequestStretch {
  /** No request begins before `goOn` is called. */
  isOver = false;
  readonly #shard: Shard;
  readonly #all: ReadTurns;
  readonly #goOn: () => void;
  #lookedMs = 0;
  #untilLook = REQUESTS_PER_LOOK;
  #iteration = -1;
  /** Of this connection, in that iteration. */
  #ms = 0;

  constructor(shard: Shard, all: ReadTurns, goOn: () => void) {
    this.#shard = shard;
    this.#all = all;
    this.#goOn = goOn;
  }

  /** Requests may begin now. */
  begin(nowMs = this.#shard.clock.monotonicMs()): void {
    this.#lookedMs = nowMs;
  }

  /** A request was begun. `isLight`: of those with records, which come by thousands, and are works if they take long. */
  count(isLight: boolean, owner: () => WorkOwner): void {
    if (isLight && --this.#untilLook > 0) return;
    this.#untilLook = REQUESTS_PER_LOOK;
    const { clock, turn, turnTime } = this.#shard;
    const nowMs = clock.monotonicMs();
    const all = this.#all;
    all.add(nowMs - this.#lookedMs);
    if (this.#iteration !== all.iteration) {
      this.#iteration = all.iteration;
      this.#ms = 0;
    }
    this.#ms += nowMs - this.#lookedMs;
    this.#lookedMs = nowMs;
    if (this.isOver || this.#ms < (all.ms < ALL_MS_MAX ? STRETCH_MS_MAX : STRETCH_MS_MIN)) return;
    this.isOver = true;
    void turnTime.next(owner()).then(() => {
      this.isOver = false;
      turn.touch();
      this.#goOn();
    });
  }
}
