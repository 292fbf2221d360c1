import type { Consumer, Parking } from './consumer.ts';
import { SingleActiveConsumer } from './single-active-consumer.ts';

/**
 * The consumers of one priority, which take turns. One without credit, or whose gate is closed, is parked when its turn
 * comes, until it is woken: however many there are, nobody looks through those that cannot take a message.
 */
class RoundRobin implements Parking {
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
      const consumer = able[at];
      if (consumer.credit > 0 && consumer.gate.open) {
        this.#cursor = at + 1;
        return consumer;
      }
      this.#parkAt(at);
    }
    this.#cursor = 0;
    return null;
  }

  add(consumer: Consumer): void {
    this.#able.push(consumer);
  }

  /** It does not take what it is given. */
  park(consumer: Consumer): void {
    const at = this.#able.indexOf(consumer);
    if (at < 0) return;
    this.#parkAt(at);
    if (this.#cursor > at) this.#cursor--;
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

  #parkAt(at: number): void {
    const [consumer] = this.#able.splice(at, 1);
    consumer.parkedAt = this;
  }
}

/** The consumers of a queue by their priorities: those of a lower one get what none of a higher one can take. */
export class ConsumerPriorities {
  /** In the order in which they came. */
  readonly all: Consumer[] = [];
  /** Where there is one alone: most queues have no other, and it need not be searched for each message. */
  only: Consumer | null = null;
  /** Whether there is a single active consumer. */
  isSingle = false;
  readonly single = new SingleActiveConsumer();
  /** The highest priority first. */
  readonly #priorities: RoundRobin[] = [];

  /** The consumer that gets the next message; null if none can take one. */
  next(): Consumer | null {
    if (this.isSingle) return this.single.ready();
    const priorities = this.#priorities;
    for (let i = 0; i < priorities.length; i++) {
      const consumer = priorities[i].next();
      if (consumer !== null) return consumer;
    }
    return null;
  }

  /** With a single active consumer: who that is. */
  get active(): Consumer | null {
    return this.isSingle ? this.single.active : null;
  }

  add(consumer: Consumer): void {
    this.all.push(consumer);
    this.#noteAll();
    let equals = this.#equalsOf(consumer);
    if (equals === undefined) {
      equals = new RoundRobin(consumer.priority);
      this.#priorities.push(equals);
      this.#priorities.sort((a, b) => b.priority - a.priority);
    }
    equals.add(consumer);
  }

  /** The consumer refused a message: it is not asked again until it is woken. */
  park(consumer: Consumer): void {
    this.#equalsOf(consumer)?.park(consumer);
  }

  /** False if it is not here. */
  remove(consumer: Consumer): boolean {
    const at = this.all.indexOf(consumer);
    if (at < 0) return false;
    this.all.splice(at, 1);
    this.#noteAll();
    const equals = this.#equalsOf(consumer) as RoundRobin;
    equals.remove(consumer);
    if (!this.all.some((each) => each.priority === consumer.priority))
      this.#priorities.splice(this.#priorities.indexOf(equals), 1);
    return true;
  }

  /** Removes all of them; returns who they were. */
  clear(): Consumer[] {
    this.#priorities.length = 0;
    const all = this.all.splice(0);
    this.#noteAll();
    return all;
  }

  #noteAll(): void {
    const { all } = this;
    this.only = all.length === 1 ? all[0] : null;
    if (this.isSingle) this.single.changed(all);
  }

  #equalsOf({ priority }: Consumer): RoundRobin | undefined {
    return this.#priorities.find((each) => each.priority === priority);
  }
}
