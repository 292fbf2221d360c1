/** Who waits for a turn. One of the two is called, once. */
export interface Waiter {
  /** It is its turn, which lasts until `done` is called. */
  begin(done: () => void): void;
  /** More wait than may, and most of them are of its kind. */
  refuse(): void;
}

export interface FairTurnsOptions {
  runningMax: number;
  readonly waitingMax: number;
}

/** Of one key: the newest last in each lane; the lane whose turn is next first. */
interface Line {
  readonly lanes: Map<number, Waiter[]>;
  count: number;
}

/**
 * A few at a time, and fair to those that wait: the keys have their turns one after the other, and within a key its lanes
 * have. However many of one key, or of one lane, wait, another one waits for one turn of each.
 *
 * Within a lane the newest goes first, and when too many wait, the oldest of the longest lane of the longest key is refused.
 * In a flood those who have waited longest are those who have given up.
 */
export class FairTurns {
  readonly #options: FairTurnsOptions;
  /** The key whose turn is next first. */
  readonly #lines = new Map<string, Line>();
  #running = 0;
  #waiting = 0;

  constructor(options: FairTurnsOptions) {
    this.#options = { ...options };
  }

  /** So many run at a time from now on. */
  set runningMax(runningMax: number) {
    this.#options.runningMax = runningMax;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** `waiter.begin` is called now, or when its turn comes. */
  enter(key: string, lane: number, waiter: Waiter): void {
    if (this.#running < this.#options.runningMax) {
      this.#begin(waiter);
      return;
    }
    const line = this.#lines.get(key) ?? this.#addLine(key);
    const waiters = line.lanes.get(lane);
    if (waiters === undefined) line.lanes.set(lane, [waiter]);
    else waiters.push(waiter);
    line.count++;
    this.#waiting++;
    if (this.#waiting > this.#options.waitingMax) this.#refuseOne();
  }

  /** Who has given up waiting; false if its turn has come, or it does not wait. */
  leave(key: string, lane: number, waiter: Waiter): boolean {
    const line = this.#lines.get(key);
    const waiters = line?.lanes.get(lane);
    const at = waiters?.indexOf(waiter) ?? -1;
    if (line === undefined || waiters === undefined || at < 0) return false;
    waiters.splice(at, 1);
    this.#removed(key, line, lane, waiters);
    return true;
  }

  #addLine(key: string): Line {
    const line: Line = { lanes: new Map(), count: 0 };
    this.#lines.set(key, line);
    return line;
  }

  #begin(waiter: Waiter): void {
    this.#running++;
    let isDone = false;
    waiter.begin(() => {
      if (isDone) return;
      isDone = true;
      this.#running--;
      this.#next();
    });
  }

  #next(): void {
    const [first] = this.#lines;
    if (first === undefined || this.#running >= this.#options.runningMax) return;
    const [key, line] = first;
    const [[lane, waiters]] = line.lanes;
    const waiter = waiters.pop() as Waiter;
    // Both go to the end of their lines.
    this.#lines.delete(key);
    this.#lines.set(key, line);
    line.lanes.delete(lane);
    line.lanes.set(lane, waiters);
    this.#removed(key, line, lane, waiters);
    this.#begin(waiter);
  }

  #removed(key: string, line: Line, lane: number, waiters: readonly Waiter[]): void {
    line.count--;
    this.#waiting--;
    if (waiters.length === 0) line.lanes.delete(lane);
    if (line.count === 0) this.#lines.delete(key);
  }

  #refuseOne(): void {
    const [key, line] = longest(this.#lines, ({ count }) => count);
    const [lane, waiters] = longest(line.lanes, ({ length }) => length);
    const oldest = waiters.shift() as Waiter;
    this.#removed(key, line, lane, waiters);
    oldest.refuse();
  }
}

function longest<K, V>(entries: Iterable<[K, V]>, lengthOf: (value: V) => number): [K, V] {
  let found: [K, V] | undefined;
  for (const entry of entries) {
    if (found === undefined || lengthOf(entry[1]) > lengthOf(found[1])) found = entry;
  }
  return found as [K, V];
}
