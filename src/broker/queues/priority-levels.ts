import type { ObjectCounter } from '../budget/object-counter.ts';
import type { PriorityLevel } from './priority-level.ts';

/** The levels of one queue: that of messages without priority, and one for each priority that was ever published. */
export class PriorityLevels {
  /** That of the messages without priority. */
  readonly base: PriorityLevel;
  /** The highest priority first. */
  readonly all: PriorityLevel[];
  readonly #open: (logId: number, priority: number) => PriorityLevel;
  /** Of the levels beside `base`; null where there are none, or nothing limits them. */
  readonly #counter: ObjectCounter | null;

  constructor(
    baseLogId: number,
    open: (logId: number, priority: number) => PriorityLevel,
    counter: ObjectCounter | null,
  ) {
    this.#open = open;
    this.#counter = counter;
    this.base = open(baseLogId, 0);
    this.all = [this.base];
  }

  /** The level of this priority; where there may be no more of them, the next lower one that is there. */
  of(priority: number, newLogId: (priority: number) => number): PriorityLevel {
    if (priority === 0) return this.base;
    const nearest = this.all.find((level) => level.priority <= priority) ?? this.base;
    if (nearest.priority === priority || this.#counter?.isFull === true) return nearest;
    return this.add(priority, newLogId(priority));
  }

  /** One more. */
  add(priority: number, logId: number): PriorityLevel {
    const level = this.#open(logId, priority);
    this.all.push(level);
    this.all.sort((a, b) => b.priority - a.priority);
    this.#counter?.set(this.all.length - 1);
    return level;
  }

  /** The level with the next message to deliver; null if none has one that may go out. */
  get top(): PriorityLevel | null {
    const { all } = this;
    for (let i = 0; i < all.length; i++) {
      const level = all[i];
      if (level.readyCount > 0 && level.peek() < level.undurableFrom) return level;
    }
    return null;
  }

  /** The queue was deleted: they do not count any more. */
  release(): void {
    this.#counter?.set(0);
  }
}
