import type { Table } from '../../src/base/value.ts';
import { copyName, type Death, type Found, type Message } from './message.ts';
import {
  Difference,
  type Entry,
  type Instant,
  ModelQueue,
  type QueueSpec,
  type Recovered,
} from './model-queue.ts';

/** The broker as its users may think of it: queues by name, one exchange that reaches several of them, and policies. */
export class Model implements Instant {
  nowMs = 0;
  step = 0;
  readonly queues = new Map<string, ModelQueue>();
  /** Bindings of `amq.fanout`: names of queues. */
  readonly fanout = new Set<string>();
  /** One for each queue at most, by its name. */
  readonly policies = new Map<string, Table>();
  /** Whether the broker still has a queue that has to go at this instant: asked where both are right. */
  readonly #isThere: (name: string) => boolean;

  constructor(isThere: (name: string) => boolean) {
    this.#isThere = isThere;
  }

  declare(spec: QueueSpec): ModelQueue {
    const queue = new ModelQueue(spec, this.policies.get(spec.name) ?? {}, this);
    this.queues.set(spec.name, queue);
    return queue;
  }

  remove(queue: ModelQueue): void {
    queue.remove();
    if (this.queues.get(queue.name) === queue) this.queues.delete(queue.name);
    this.fanout.delete(queue.name);
  }

  setPolicy(name: string, definition: Table | null): void {
    if (definition === null) this.policies.delete(name);
    else this.policies.set(name, definition);
    this.queues.get(name)?.configure(definition ?? {});
  }

  route(exchange: string, key: string): ModelQueue[] {
    const names = exchange === '' ? [key] : exchange === 'amq.fanout' ? [...this.fanout] : [];
    const queues = names.map((name) => this.queues.get(name)).filter((queue) => queue !== undefined);
    return queues.filter((queue) => !queue.isUnused || this.#isThere(queue.name));
  }

  /** A queue takes a new message. */
  take(queue: ModelQueue, message: Message, isHeld: boolean): void {
    const { exchange, key, ttlMs } = message;
    queue.remember(message);
    queue.add(message, { exchange, key, deaths: [], first: '', last: '', ttlMs, from: null }, isHeld);
  }

  departed(queue: ModelQueue, found: Found, reason: string): void {
    const entry = queue.departed(found, reason);
    this.#deadLetter(queue, entry.message, entry, entry, reason);
  }

  /** The next messages that come in: what a queue may say that it does not take. */
  coming: readonly Message[] = [];
  readonly #sentOn: string[] = [];

  /** A full queue sends a message on that it does not take. */
  sendsOn(queue: ModelQueue, copy: string): void {
    const message = this.coming.find((each) => copyName(each.id, []) === copy);
    if (message === undefined) throw new Difference(`${queue.name} sends ${copy} on, which nobody publishes`);
    if (queue.settings.overflow !== 'reject-publish-dlx')
      throw new Difference(`${queue.name} sends ${copy} on`);
    const { exchange, key, ttlMs } = message;
    this.#sentOn.push(`${copy} ${queue.name}`);
    this.#deadLetter(queue, message, { exchange, key, deaths: [], first: '', ttlMs }, null, 'maxlen');
  }

  /** A full queue did not take a message: it was sent on if that was to be done. */
  refused(queue: ModelQueue, message: Message): void {
    const at = this.#sentOn.indexOf(`${copyName(message.id, [])} ${queue.name}`);
    if (at >= 0 !== (queue.settings.overflow === 'reject-publish-dlx')) {
      throw new Difference(`${queue.name} does not send on ${message.id}, which it refuses`);
    }
    if (at >= 0) this.#sentOn.splice(at, 1);
  }

  moved(nowMs: number): void {
    this.nowMs = nowMs;
    this.step++;
    for (const queue of this.queues.values()) queue.moved();
  }

  rested(mayWait: boolean): void {
    const [sentOn] = this.#sentOn;
    if (sentOn !== undefined) throw new Difference(`${sentOn} was sent on, but not refused`);
    for (const queue of [...this.queues.values()]) {
      if (queue.isUnused) this.remove(queue);
      else queue.rested(mayWait);
    }
  }

  synced(): void {
    for (const queue of this.queues.values()) queue.synced();
  }

  /** The broker was started again, and has this. */
  restarted(found: ReadonlyMap<string, readonly Recovered[]>, isClean: boolean): void {
    for (const queue of [...this.queues.values()]) if (!queue.isDurable) this.remove(queue);
    if ([...found.keys()].sort().join() !== [...this.queues.keys()].sort().join()) {
      throw new Difference(`there are [${[...found.keys()]}], not [${[...this.queues.keys()]}]`);
    }
    const before = [...this.queues.values()].flatMap((queue) => queue.entries);
    for (const [name, entries] of found) this.queueOf(name).restarted(entries, isClean);
    const there = new Set([...this.queues.values()].flatMap((queue) => queue.entries));
    for (const entry of before) checkWay(entry, there);
    for (const entry of there) checkWay(entry, there);
  }

  queueOf(name: string): ModelQueue {
    const queue = this.queues.get(name);
    if (queue === undefined) throw new Difference(`${name} should not be there any more`);
    return queue;
  }

  #deadLetter(
    { name, settings }: ModelQueue,
    message: Message,
    { exchange, key, deaths, first, ttlMs }: Pick<Entry, 'exchange' | 'key' | 'deaths' | 'first' | 'ttlMs'>,
    from: Entry | null,
    reason: string,
  ): void {
    const to = settings.deadLetterExchange ?? '';
    const newKey = settings.deadLetterRoutingKey ?? key;
    const known = deaths.find((each) => each.queue === name && each.reason === reason);
    const death: Death = {
      queue: name,
      reason,
      count: (known?.count ?? 0) + 1,
      exchange: known?.exchange ?? exchange,
      keys: known?.keys ?? [key],
      expiration: known === undefined ? (ttlMs === Infinity ? null : String(ttlMs)) : known.expiration,
      time: known?.time ?? Math.floor((1_700_000_000_000 + this.nowMs) / 1000),
    };
    const history = [death, ...deaths.filter((each) => each !== known)];
    const last = `${exchange} ${name} ${reason}`;
    for (const target of this.route(to, newKey)) {
      if (reason !== 'rejected' && isCycle(history, target.name)) continue;
      target.add(message, {
        exchange: to,
        key: newKey,
        deaths: history,
        first: first === '' ? last : first,
        last,
        ttlMs: Infinity,
        from,
      });
    }
  }
}

/** It was in this queue before, and nobody rejected it since: it would go round for ever. */
function isCycle(history: readonly Death[], target: string): boolean {
  const at = history.findIndex((death) => death.queue === target);
  return at >= 0 && history.slice(0, at + 1).every((death) => death.reason !== 'rejected');
}

/** Whatever a crash leaves of the way of a dead letter: it is in one place. */
function checkWay(entry: Entry, there: ReadonlySet<Entry>): void {
  let places = 0;
  let isSafe = false;
  for (let at: Entry | null = entry; at !== null; at = at.from) {
    if (there.has(at)) places++;
    if (at.isSafe) isSafe = true;
  }
  if (places > 1) throw new Difference(`${entry.copy} is there ${places} times after a crash`);
  if (places === 0 && isSafe) throw new Difference(`${entry.copy} is lost on its way`);
}
