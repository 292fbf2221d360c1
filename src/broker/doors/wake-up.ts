import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';

/** The owner looks at everything before it sleeps: nobody has to wake it. */
const AWAKE = 0;
const ASLEEP = 1;
/** The owner has left: nobody wakes it any more. */
const CLOSED = 2;

/** A bell has a cache line of its own. */
const WORDS_PER_BELL = 16;
/** What all sources of a shard may take together in one iteration of the event loop. */
const ATTEND_MS = 2;

/** The memory of the bells of so many shards, for all of them. */
export function createBells(shards: number): SharedArrayBuffer {
  return new SharedArrayBuffer(shards * WORDS_PER_BELL * 4);
}

/** How the owner of a bell waits for it, and how others end that. */
export interface BellWaits {
  /** `woken` is called once, when the word was notified; false if the word has another value than this. */
  wait(words: Int32Array, word: number, value: number, woken: () => void): boolean;
  notify(words: Int32Array, word: number): void;
}

/** Between threads. A simulation has another one, as these promises are no part of its time. */
const threadWaits: BellWaits = {
  wait(words, word, value, woken) {
    const wait = Atomics.waitAsync(words, word, value);
    if (!wait.async) return false;
    void wait.value.then(woken);
    return true;
  },
  notify(words, word) {
    Atomics.notify(words, word);
  },
};

/** The bell of another shard, to wake it with. */
export class Bell {
  readonly #words: Int32Array;
  readonly #word: number;
  readonly #waits: BellWaits;

  constructor(bells: SharedArrayBuffer, shard: number, waits = threadWaits) {
    this.#words = new Int32Array(bells);
    this.#word = shard * WORDS_PER_BELL;
    this.#waits = waits;
  }

  /**
   * To be called after something was written to shared memory for the owner: wakes it if it sleeps. Costs one load otherwise,
   * and of many that ring at once only one notifies.
   */
  ring(): void {
    if (Atomics.load(this.#words, this.#word) !== ASLEEP) return;
    if (Atomics.compareExchange(this.#words, this.#word, ASLEEP, AWAKE) !== ASLEEP) return;
    this.#waits.notify(this.#words, this.#word);
  }
}

/** Something in shared memory that others write to, and that its owner has to look at. */
export interface WakeUpSource {
  /** Whether there is something to do, as of now: asked again after the bell is armed. */
  readonly isPending: boolean;
  /** Does it, until there is nothing more or the monotonic clock says `untilMs`; what is left stays pending. */
  attend(untilMs: number): void;
}

/** How whoever belongs to a shard asks to be looked at in the next iteration of its event loop. */
export interface Attention {
  soon(): void;
}

/**
 * How a shard is woken by others. All its sources share one bell, a word in shared memory:
 *
 *     owner:   ASLEEP -> bell;  anything pending? (then AWAKE -> bell, and no sleep);  waitAsync(bell, ASLEEP)
 *     others:  write;  bell == ASLEEP?  ASLEEP -> AWAKE by compareExchange;  notify
 *
 * No wake-up is lost: either the others see the owner asleep, or the owner, which looks after it said so, sees what they wrote
 * (atomics are in one order for all threads), and waitAsync does not wait if the bell rang in between. There is never more
 * than one wait outstanding. One that is left from before is used again: it is on the word, whatever has become of its value.
 *
 * After there was something to do, the sources are looked at once more, in the next iteration of the event loop, before the owner
 * sleeps: under load others then need not notify at all. A wait that is outstanding keeps neither a process nor a worker alive.
 * What a source throws ends the process, as everything that is not caught.
 */
export class WakeUp implements Attention {
  readonly #words: Int32Array;
  readonly #word: number;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #onWake: () => void;
  readonly #waits: BellWaits;
  /** Replaced and never changed, as sources may come and go while they are attended. */
  #sources: readonly WakeUpSource[] = [];
  /** Whose turn is first: where the time ran out. */
  #first = 0;
  #isScheduled = false;
  #isWaiting = false;
  #isClosed = false;
  readonly #run = (): void => {
    this.#isScheduled = false;
    this.#attend();
  };
  readonly #woken = (): void => {
    this.#isWaiting = false;
    this.#attend();
  };

  /** `onWake` is called before sources are attended, as a turn's `touch`. */
  constructor(
    bells: SharedArrayBuffer,
    shard: number,
    clock: Clock,
    scheduler: Scheduler,
    onWake: () => void = () => undefined,
    waits = threadWaits,
  ) {
    this.#words = new Int32Array(bells);
    this.#word = shard * WORDS_PER_BELL;
    this.#clock = clock;
    this.#scheduler = scheduler;
    this.#onWake = onWake;
    this.#waits = waits;
  }

  add(source: WakeUpSource): void {
    this.#sources = [...this.#sources, source];
    this.soon();
  }

  remove(source: WakeUpSource): void {
    this.#sources = this.#sources.filter((each) => each !== source);
    this.#first = 0;
  }

  /** Looks at the sources in the next iteration of the event loop; asking again before changes nothing. */
  soon(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    this.#scheduler.soon(this.#run);
  }

  /** Nothing is attended any more, and a wait that is outstanding ends without effect. */
  close(): void {
    this.#isClosed = true;
    this.#sources = [];
    Atomics.store(this.#words, this.#word, CLOSED);
    this.#waits.notify(this.#words, this.#word);
  }

  #attend(): void {
    if (this.#isClosed) return;
    Atomics.store(this.#words, this.#word, AWAKE);
    if (!this.#anyPending()) {
      this.#sleep();
      return;
    }
    this.#onWake();
    const sources = this.#sources;
    const untilMs = this.#clock.monotonicMs() + ATTEND_MS;
    for (let i = 0; i < sources.length && !this.#isClosed; i++) {
      const at = (this.#first + i) % sources.length;
      if (!sources[at].isPending) continue;
      sources[at].attend(untilMs);
      if (this.#clock.monotonicMs() < untilMs) continue;
      this.#first = (at + 1) % sources.length;
      break;
    }
    this.soon();
  }

  #sleep(): void {
    if (this.#isScheduled) return;
    Atomics.store(this.#words, this.#word, ASLEEP);
    if (this.#anyPending()) {
      Atomics.store(this.#words, this.#word, AWAKE);
      this.soon();
      return;
    }
    if (this.#isWaiting) return;
    this.#isWaiting = this.#waits.wait(this.#words, this.#word, ASLEEP, this.#woken);
    if (!this.#isWaiting) this.soon();
  }

  #anyPending(): boolean {
    const sources = this.#sources;
    for (let i = 0; i < sources.length; i++) if (sources[i].isPending) return true;
    return false;
  }
}
