import type { Table } from '../../src/base/value.ts';
import { adopt } from './after-restart.ts';
import {
  Difference,
  type Entry,
  type Instant,
  type QueueSpec,
  type Recovered,
  type Verdict,
} from './entry.ts';
import type { Death, Found, Message } from './message.ts';
import { ModelQueue } from './model-queue.ts';

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

  /** What a publisher publishes, where it goes, and what became of it: queue after queue. */
  #publishing: { readonly message: Message; readonly queues: readonly ModelQueue[] } | null = null;
  #verdicts: Verdict[] = [];
  /** What full queues have to send on next. */
  #toSendOn: string[] = [];

  /** The broker begins to hand a message to these queues, in this order. */
  publish(message: Message, queues: readonly ModelQueue[]): void {
    this.#publishing = { message, queues };
    this.#verdicts = [];
  }

  /** It is done: what became of it in each of the queues. */
  published(): readonly Verdict[] {
    const { message, queues } = this.#publishing as { message: Message; queues: readonly ModelQueue[] };
    this.#judge(queues.length);
    this.#publishing = null;
    queues.forEach((queue, i) => {
      if (this.#verdicts[i] === 'taken') this.take(queue, message, false);
    });
    return this.#verdicts;
  }

  /** A full queue does not take a message. */
  refuse(queue: ModelQueue, message: Message): void {
    if (queue.settings.overflow !== 'reject-publish-dlx') return;
    this.#toSendOn.push(`${message.id} ${queue.name}`);
    const { exchange, key, ttlMs } = message;
    this.#deadLetter(queue, message, { exchange, key, deaths: [], first: '', ttlMs }, null, 'maxlen');
  }

  /** The broker sends on what a full queue does not take. */
  sendsOn(queue: ModelQueue, copy: string): void {
    if (this.#publishing !== null) this.#judge(this.#publishing.queues.indexOf(queue) + 1);
    if (this.#toSendOn.shift() !== `${copy} ${queue.name}`) {
      throw new Difference(`${queue.name} sends ${copy} on`);
    }
  }

  #judge(count: number): void {
    const { message, queues } = this.#publishing as { message: Message; queues: readonly ModelQueue[] };
    while (this.#verdicts.length < count) {
      const queue = queues[this.#verdicts.length];
      const verdict = queue.judge(message, []);
      this.#verdicts.push(verdict);
      if (verdict === 'refused') this.refuse(queue, message);
    }
  }

  moved(nowMs: number): void {
    this.nowMs = nowMs;
    this.step++;
    for (const queue of this.queues.values()) queue.moved();
  }

  rested(mayWait: boolean): void {
    const [unsent] = this.#toSendOn;
    if (unsent !== undefined) throw new Difference(`${unsent} is refused, but not sent on`);
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
    for (const [name, entries] of found) adopt(this.queueOf(name), entries, isClean);
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
