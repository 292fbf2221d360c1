import type { Consumer } from './consumer.ts';

/**
 * Consumers of one priority. Those that may take a message take turns; one that cannot is parked when it is found out,
 * and comes back when it is woken: however many there are, nobody looks through those that cannot.
 */
export class ConsumerLevel {
  readonly priority: number;
  readonly #able: Consumer[] = [];
  #cursor = 0;

  constructor(priority: number) {
    this.priority = priority;
  }

  next(): Consumer | null {
    const able = this.#able;
    let at = this.#cursor;
    while (able.length > 0) {
      if (at >= able.length) at = 0;
      const consumer = able[at] as Consumer;
      if (consumer.credit > 0 && consumer.gate.open) {
        this.#cursor = at + 1;
        return consumer;
      }
      consumer.parkedAt = this;
      able.splice(at, 1);
    }
    this.#cursor = 0;
    return null;
  }

  add(consumer: Consumer): void {
    this.#able.push(consumer);
  }

  unpark(consumer: Consumer): void {
    consumer.parkedAt = null;
    this.#able.push(consumer);
  }

  remove(consumer: Consumer): void {
    consumer.parkedAt = null;
    const at = this.#able.indexOf(consumer);
    if (at < 0) return;
    this.#able.splice(at, 1);
    if (this.#cursor > at) this.#cursor--;
  }
}

/** The consumers of a queue, and whose turn it is. */
export class ConsumerPriorities {
  /** In the order in which they came. */
  readonly all: Consumer[] = [];
  /** Whether only one at a time gets messages: the first, until it goes. */
  isSingle = false;
  /** The highest priority first. */
  readonly #levels: ConsumerLevel[] = [];

  /** The consumer that gets the next message; null if none can take one. */
  next(): Consumer | null {
    if (this.isSingle) return this.#nextSingle();
    const levels = this.#levels;
    for (let i = 0; i < levels.length; i++) {
      const consumer = (levels[i] as ConsumerLevel).next();
      if (consumer !== null) return consumer;
    }
    return null;
  }

  /** With a single active consumer: who that is. */
  get active(): Consumer | null {
    return this.isSingle ? (this.all[0] ?? null) : null;
  }

  add(consumer: Consumer): void {
    this.all.push(consumer);
    let level = this.#levels.find((each) => each.priority === consumer.priority);
    if (level === undefined) {
      level = new ConsumerLevel(consumer.priority);
      this.#levels.push(level);
      this.#levels.sort((a, b) => b.priority - a.priority);
    }
    level.add(consumer);
  }

  /** False if it is not here. */
  remove(consumer: Consumer): boolean {
    const at = this.all.indexOf(consumer);
    if (at < 0) return false;
    this.all.splice(at, 1);
    const levelAt = this.#levels.findIndex((each) => each.priority === consumer.priority);
    (this.#levels[levelAt] as ConsumerLevel).remove(consumer);
    if (!this.all.some((each) => each.priority === consumer.priority)) this.#levels.splice(levelAt, 1);
    return true;
  }

  /** Empties the set; returns who was in it. */
  clear(): Consumer[] {
    this.#levels.length = 0;
    return this.all.splice(0);
  }

  #nextSingle(): Consumer | null {
    const consumer = this.all[0];
    return consumer !== undefined && consumer.credit > 0 && consumer.gate.open ? consumer : null;
  }
}
