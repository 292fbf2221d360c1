import type { Consumer, Parking } from './consumer.ts';
import { SingleActiveConsumer } from './single-active-consumer.ts';

/**
 * The consumers of one priority, which take turns: a ring, in which each points to the next and the one before. One without credit, or whose gate is
 * closed, is parked when its turn comes, until it is woken: however many there are, nobody looks through those that cannot
 * take a message, or for one that goes.
 */
class RoundRobin implements Parking {
  readonly priority: number;
  /** Parked ones too, in the order in which they came. */
  readonly all = new Set<Consumer>();
  /** Whose turn is next; null if all are parked. Who comes, or is woken, is the last before it. */
  #cursor: Consumer | null = null;

  constructor(priority: number) {
    this.priority = priority;
  }

  get first(): Consumer | null {
    return this.all.values().next().value ?? null;
  }

  next(): Consumer | null {
    let consumer = this.#cursor;
    while (consumer !== null) {
      if (consumer.credit > 0 && consumer.gate.open) {
        this.#cursor = consumer.nextInTurn;
        return consumer;
      }
      this.park(consumer);
      consumer = this.#cursor;
    }
    return null;
  }

  add(consumer: Consumer): void {
    this.all.add(consumer);
    this.#link(consumer);
  }

  /** It does not take what it is given. */
  park(consumer: Consumer): void {
    if (consumer.nextInTurn === null) return;
    this.#unlink(consumer);
    consumer.parkedAt = this;
  }

  unpark(consumer: Consumer): void {
    consumer.parkedAt = null;
    this.#link(consumer);
  }

  remove(consumer: Consumer): void {
    this.all.delete(consumer);
    this.leave(consumer);
  }

  /** It takes no turn any more. */
  leave(consumer: Consumer): void {
    consumer.parkedAt = null;
    if (consumer.nextInTurn !== null) this.#unlink(consumer);
  }

  #link(consumer: Consumer): void {
    const next = this.#cursor;
    if (next === null) {
      consumer.nextInTurn = consumer;
      consumer.previousInTurn = consumer;
      this.#cursor = consumer;
      return;
    }
    const previous = next.previousInTurn as Consumer;
    consumer.nextInTurn = next;
    consumer.previousInTurn = previous;
    previous.nextInTurn = consumer;
    next.previousInTurn = consumer;
  }

  #unlink(consumer: Consumer): void {
    const next = consumer.nextInTurn as Consumer;
    const previous = consumer.previousInTurn as Consumer;
    if (this.#cursor === consumer) this.#cursor = next === consumer ? null : next;
    previous.nextInTurn = next;
    next.previousInTurn = previous;
    // One that is kept must not keep the others.
    consumer.nextInTurn = null;
    consumer.previousInTurn = null;
  }
}

/** The consumers of a queue by their priorities: those of a lower one get what none of a higher one can take. */
export class ConsumerPriorities {
  count = 0;
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
    let equals = this.#equalsOf(consumer);
    if (equals === undefined) {
      equals = new RoundRobin(consumer.priority);
      this.#priorities.push(equals);
      this.#priorities.sort((a, b) => b.priority - a.priority);
    }
    equals.add(consumer);
    this.count++;
    this.#changed(null);
  }

  /** The consumer refused a message: it is not asked again until it is woken. */
  park(consumer: Consumer): void {
    this.#equalsOf(consumer)?.park(consumer);
  }

  /** False if it is not here. */
  remove(consumer: Consumer): boolean {
    const equals = this.#equalsOf(consumer);
    if (equals?.all.has(consumer) !== true) return false;
    equals.remove(consumer);
    if (equals.all.size === 0) this.#priorities.splice(this.#priorities.indexOf(equals), 1);
    this.count--;
    this.#changed(consumer);
    return true;
  }

  /** Removes all of them; returns who they were. */
  clear(): Consumer[] {
    const cleared: Consumer[] = [];
    for (const equals of this.#priorities) {
      for (const consumer of equals.all) {
        equals.leave(consumer);
        cleared.push(consumer);
      }
    }
    this.#priorities.length = 0;
    this.count = 0;
    this.#changed(this.active);
    return cleared;
  }

  #changed(gone: Consumer | null): void {
    this.only = this.count === 1 ? this.#priorities[0].first : null;
    if (this.isSingle) this.single.changed(this.#priorities[0]?.first ?? null, gone);
  }

  #equalsOf({ priority }: Consumer): RoundRobin | undefined {
    return this.#priorities.find((each) => each.priority === priority);
  }
}
