import type { Broker } from '../../src/broker/broker.ts';
import { BrokerError } from '../../src/broker/errors.ts';
import { Publisher, REFUSED } from '../../src/broker/publishing/publisher.ts';
import { Tx } from '../../src/broker/publishing/tx.ts';
import type { AnyQueue } from '../../src/broker/queues/any-queue.ts';
import type { Consumer } from '../../src/broker/queues/consumer.ts';
import type { Outcome } from '../../src/broker/queues/delivery-outcome.ts';
import type { PriorityLevel } from '../../src/broker/queues/priority-level.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import { Unacknowledged } from '../../src/broker/queues/unacknowledged.ts';
import type { Route } from '../../src/broker/topology/route.ts';
import { bareMessage } from '../../src/broker/topology/routing.ts';
import type { MessageMemory } from '../../src/log/memory/chunks.ts';
import type { ContentView } from '../../src/records/record-content.ts';
import { Difference, type Entry, type ModelConsumer, type Verdict } from './entry.ts';
import { fillView, type Message, readFrame } from './message.ts';
import type { Model } from './model.ts';
import type { ModelQueue } from './model-queue.ts';

export type { Outcome };

/** What a channel works on. */
export interface ChannelHost {
  readonly broker: Broker;
  readonly model: Model;
  /** Notes what the model throws, as it may not be thrown through the broker. */
  check<T>(what: () => T): T | undefined;
  note(line: string): void;
}

export interface ConsumeRequest {
  readonly prefetch: number;
  readonly noAck: boolean;
  readonly exclusive: boolean;
  readonly priority: number;
}

interface Delivery {
  readonly queue: ModelQueue;
  readonly entry: Entry;
  readonly consumer: ModelConsumer | null;
}

interface OpenTransaction {
  readonly transaction: Tx;
  readonly publications: { readonly message: Message; readonly queues: readonly ModelQueue[] }[];
  readonly settlements: { readonly tags: readonly number[]; readonly outcome: Outcome }[];
  readonly settled: Set<number>;
}

/** A client's channel, without the protocol: does the same to the broker and to the model. */
export class Channel {
  readonly gate = { open: true };
  readonly consumers: { readonly real: Consumer; readonly model: ModelConsumer }[] = [];
  /** What has to be true as soon as nothing more happens. */
  readonly afterRest: (() => void)[] = [];
  readonly #host: ChannelHost;
  readonly #publisher: Publisher;
  readonly #unacknowledged = new Unacknowledged();
  readonly #outstanding = new Map<number, Delivery>();
  #tx: OpenTransaction | null = null;

  constructor(host: ChannelHost) {
    this.#host = host;
    this.#publisher = new Publisher(host.broker.shard, host.broker.deadLettering);
  }

  get isTransactional(): boolean {
    return this.#tx !== null;
  }

  /** Tags that can be settled. */
  get tags(): number[] {
    return [...this.#outstanding.keys()].filter((tag) => this.#tx?.settled.has(tag) !== true);
  }

  /** `from`: the broker that the publisher is connected to, which may be another shard than that of the queues. */
  publish(message: Message, from: Broker = this.#host.broker): void {
    const { broker, model } = this.#host;
    const vhost = from.vhosts.get('/')!;
    const route = vhost.route(vhost.exchangeForPublish(message.exchange), message.key, bareMessage);
    const expected = model.route(message.exchange, message.key);
    const names = (some: readonly { readonly name: string }[]): string =>
      some
        .map((q) => q.name)
        .sort()
        .join();
    if (names(expected) !== names(route.queues)) {
      throw new Difference(`a message goes to [${names(route.queues)}], not [${names(expected)}]`);
    }
    // In this order the broker asks them.
    const queues = route.queues.map((queue) => model.queueOf(queue.name));
    fillView(this.#publisher.messageView, message);
    if (this.#tx !== null) {
      this.#tx.transaction.publish(route, message.isPersistent, this.#publisher.messageView);
      this.#tx.publications.push({ message, queues });
      return;
    }
    model.publish(message, queues);
    if (from !== broker) {
      this.#publishFar(from, route, message, queues);
      return;
    }
    const block = this.#publisher.publish(route, message.isPersistent);
    const verdicts = model.published();
    const taken = queues.filter((_, i) => verdicts[i] === 'taken');
    this.#checkConfirm(message, block, taken, verdicts);
  }

  /** It arrives later at this instant, and its publisher hears of it then. */
  #publishFar(
    { shard, deadLettering }: Broker,
    route: Route<AnyQueue>,
    message: Message,
    queues: readonly ModelQueue[],
  ): void {
    const verdicts = this.#host.model.published();
    const publisher = new Publisher(shard, deadLettering);
    fillView(publisher.messageView, message);
    const wait = publisher.publish(route, message.isPersistent);
    let answer: boolean | null = null;
    shard.whenSafe(wait, {
      onSafe: (_wait, isRefused) => {
        answer = isRefused;
      },
    });
    const taken = queues.filter((_, i) => verdicts[i] === 'taken');
    this.afterRest.push(() => {
      if (answer === null) throw new Difference(`message ${message.id} is not confirmed`);
      if (answer !== verdicts.includes('refused')) {
        throw new Difference(`message ${message.id} is ${answer ? '' : 'not '}refused`);
      }
      // What others have of a message that one refused is not certain yet.
      if (!answer)
        for (const queue of taken) if (message.isPersistent && queue.isDurable) queue.confirmed(message);
    });
  }

  consume(queue: Queue, request: ConsumeRequest): void {
    const model = this.#host.model.queueOf(queue.name);
    const { exclusive, noAck, priority, prefetch } = request;
    const isRefused = exclusive
      ? model.consumers.length > 0 || model.settings.isSingleActive
      : model.consumers.some((each) => each.exclusive);
    const consumer: ModelConsumer = {
      ...request,
      queue: model,
      gate: this.gate,
      holding: 0,
      prefetch: noAck ? Infinity : prefetch,
    };
    let real: Consumer;
    try {
      real = queue.addConsumer({
        tag: 'c',
        sink: {
          deliver: (real, level, offset, chunk, at, redelivered, content) => {
            this.#take(
              level as PriorityLevel,
              real,
              consumer,
              noAck,
              offset,
              chunk,
              at,
              redelivered,
              content,
            );
            return true;
          },
          cancelled: (cancelled) => {
            this.consumers.splice(
              this.consumers.findIndex((each) => each.real === cancelled),
              1,
            );
          },
        },
        gate: this.gate,
        credit: prefetch,
        noAck,
        exclusive,
        priority,
        arguments: {},
      });
    } catch (error) {
      if (isRefused) return;
      throw error;
    }
    if (isRefused) throw new Difference(`${queue.name} takes a consumer beside an exclusive one`);
    model.addConsumer(consumer);
    this.consumers.push({ real, model: consumer });
  }

  cancel(index: number): void {
    const [consumer] = this.consumers.splice(index, 1);
    if (consumer === undefined) return;
    const { queue } = consumer.model;
    queue.removeConsumer(consumer.model);
    if (queue.spec.autoDelete && queue.consumers.length === 0) this.#host.model.remove(queue);
    consumer.real.cancel();
  }

  get(queue: Queue, noAck: boolean): void {
    const model = this.#host.model.queueOf(queue.name);
    model.touch();
    let answers = 0;
    queue.get(noAck, {
      message: (level, offset, chunk, at, redelivered, remaining, content) => {
        answers++;
        this.#take(level as PriorityLevel, null, null, noAck, offset, chunk, at, redelivered, content);
        this.#host.check(() => {
          if (remaining !== model.count('ready')) throw new Difference(`${remaining} messages remain`);
        });
        return true;
      },
      failed: (error) => {
        throw error;
      },
      empty: () => {
        answers++;
        this.#host.check(() => {
          const next = model.next();
          if (!model.isRemoved && next !== undefined) throw new Difference(`empty, but has ${next.copy}`);
        });
      },
    });
    this.afterRest.push(() => {
      if (answers !== 1) throw new Difference(`a get has ${answers} answers`);
    });
  }

  settle(tag: number, multiple: boolean, outcome: Outcome): void {
    const tags = multiple ? this.tags.filter((each) => each <= tag) : [tag];
    if (this.#tx !== null) {
      this.#tx.transaction.acknowledge(tag, multiple, outcome);
      this.#tx.settlements.push({ tags, outcome });
      for (const each of tags) this.#tx.settled.add(each);
      return;
    }
    this.#modelSettles(tags, outcome);
    const count = this.#unacknowledged.settle(tag, multiple, outcome);
    if (count !== tags.length) throw new Difference(`${count} messages were settled, not ${tags.length}`);
  }

  /** Everything comes again; what happens when the channel ends, too. */
  recover(reason: 'lost' | 'recovered' = 'recovered'): void {
    if (this.#tx !== null) this.rollback();
    this.#modelSettles([...this.#outstanding.keys()], reason === 'lost' ? 'requeue' : 'return');
    this.#unacknowledged.requeueAll(reason);
  }

  setGate(open: boolean): void {
    if (this.gate.open === open) return;
    this.gate.open = open;
    if (open) for (const { real } of this.consumers) real.wake();
  }

  close(): void {
    while (this.consumers.length > 0) this.cancel(0);
    this.recover('lost');
  }

  select(): void {
    const transaction = new Tx(
      this.#host.broker.shard,
      this.#host.broker.deadLettering,
      this.#unacknowledged,
    );
    this.#tx = { transaction, publications: [], settlements: [], settled: new Set() };
  }

  rollback(): void {
    this.#tx?.transaction.rollback();
    this.#tx = null;
  }

  commit(): void {
    const { transaction, publications, settlements } = this.#tx as OpenTransaction;
    this.#tx = null;
    const { model } = this.#host;
    const coming = new Map<ModelQueue, Message[]>();
    for (const { message, queues } of publications) {
      for (const queue of queues) {
        if (queue.isRemoved) continue;
        const before = coming.get(queue) ?? [];
        const verdict = queue.judge(message, before);
        if (verdict === 'taken') coming.set(queue, [...before, message]);
        else if (verdict === 'refused') {
          this.#expectRefusal(transaction, queue);
          return;
        }
      }
    }
    let isDone = false;
    const held: Entry[] = [];
    transaction.commit(() => {
      isDone = true;
      for (const entry of held) entry.isHeld = false;
    });
    for (const { tags, outcome } of settlements) this.#modelSettles(tags, outcome);
    for (const [queue, messages] of coming) {
      if (queue.isRemoved) continue;
      for (const message of messages) {
        model.take(queue, message, !isDone);
        held.push(...queue.entries.filter((entry) => entry.isHeld && entry.message === message));
      }
    }
    this.afterRest.push(() => {
      if (!isDone) throw new Difference('a transaction does not come to its end');
    });
  }

  /** A transaction of which a queue refuses a message does not happen. */
  #expectRefusal(transaction: Tx, { name }: ModelQueue): void {
    try {
      transaction.commit(() => undefined);
    } catch (error) {
      if (error instanceof BrokerError && error.kind === 'precondition-failed') return;
      throw error;
    }
    throw new Difference(`${name} is too full for a transaction, which is committed`);
  }

  #checkConfirm(
    message: Message,
    block: number,
    taken: readonly ModelQueue[],
    verdicts: readonly Verdict[],
  ): void {
    const isRefused = verdicts.includes('refused');
    const { broker } = this.#host;
    if ((block === REFUSED) !== isRefused) {
      throw new Difference(`message ${message.id} is ${isRefused ? 'not ' : ''}refused`);
    }
    if (isRefused) {
      // Others have it nevertheless; what became of it is to be certain.
      const { blockNumber, isIdle } = broker.shard.store.journal;
      if (!isIdle) broker.shard.whenDurable(blockNumber, { onDurable: () => undefined });
      return;
    }
    const isJournaled = message.isPersistent && taken.some((queue) => queue.isDurable);
    // A duplicate may have to wait for what it repeats.
    if (block > 0 !== isJournaled && !(block > 0 && verdicts.includes('duplicate')))
      throw new Difference(`message ${message.id} has to wait for block ${block}`);
    if (block === 0) return;
    let isDurable = broker.shard.isDurable(block);
    if (!isDurable) {
      broker.shard.whenDurable(block, {
        onDurable: () => {
          isDurable = true;
        },
      });
    }
    this.afterRest.push(() => {
      if (!isDurable) throw new Difference(`message ${message.id} is not confirmed`);
      for (const queue of taken) queue.confirmed(message);
    });
  }

  #modelSettles(tags: readonly number[], outcome: Outcome): void {
    // The newest first, if they go back; that makes a difference only to those that are counted out.
    const ordered = outcome === 'requeue' || outcome === 'return' ? [...tags].reverse() : tags;
    for (const tag of ordered) {
      const { queue, entry, consumer } = this.#outstanding.get(tag) as Delivery;
      this.#outstanding.delete(tag);
      if (consumer !== null) consumer.holding--;
      if (outcome === 'ack') queue.acknowledge(entry);
      else if (outcome === 'drop') queue.reject(entry);
      else queue.requeue(entry, outcome === 'requeue');
    }
  }

  #take(
    level: PriorityLevel,
    real: Consumer | null,
    consumer: ModelConsumer | null,
    noAck: boolean,
    offset: number,
    chunk: MessageMemory,
    at: number,
    redelivered: boolean,
    content: ContentView,
  ): void {
    const found = readFrame(chunk, at);
    const { queue } = level;
    const tag = noAck
      ? this.#unacknowledged.addSettled()
      : this.#unacknowledged.add(level, real, offset, chunk, at, content);
    this.#host.note(`  ${queue.name} delivers ${found.copy}${redelivered ? ' again' : ''}`);
    this.#host.check(() => {
      const model = this.#host.model.queueOf(queue.name);
      const entry = model.delivered(found, redelivered, level.failuresOf(offset), consumer);
      if (noAck) model.acknowledge(entry);
      else this.#outstanding.set(tag, { queue: model, entry, consumer });
    });
  }
}
