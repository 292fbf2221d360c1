import type { Broker } from '../../src/broker/broker.ts';
import { Publisher } from '../../src/broker/publishing/publisher.ts';
import { Tx } from '../../src/broker/publishing/tx.ts';
import type { AnyQueue } from '../../src/broker/queues/any-queue.ts';
import type { Consumer } from '../../src/broker/queues/consumer.ts';
import type { PriorityLevel } from '../../src/broker/queues/priority-level.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import { Unacknowledged } from '../../src/broker/queues/unacknowledged.ts';
import type { Route } from '../../src/broker/topology/route.ts';
import type { MessageMemory } from '../../src/log/memory/chunks.ts';
import type { ContentView } from '../../src/records/record-content.ts';
import { type Entry, type ExpectedQueue, HistoryError, NO_BLOCK } from './expected-queue.ts';
import { fillView, idInFrame, isFrameOf, type TestMessage } from './test-message.ts';

export type Outcome = 'ack' | 'drop' | 'requeue';

interface Delivery {
  readonly queue: ExpectedQueue;
  readonly entry: Entry;
}

/** What a channel needs of the run that it is part of. */
export interface ChannelHost {
  readonly broker: Broker;
  expectedOf(queue: Pick<Queue, 'name'>): ExpectedQueue;
  note(line: string): void;
  fail(error: unknown): void;
  confirmed(block: number): void;
}

interface PendingTransaction {
  readonly transaction: Tx;
  readonly publications: { readonly message: TestMessage; readonly queues: readonly ExpectedQueue[] }[];
  readonly outcomes: { readonly tag: number; readonly multiple: boolean; readonly outcome: Outcome }[];
}

/** A client's channel, without the protocol: does what a server does for it, and tells the history. */
export class TestChannel {
  readonly id: number;
  readonly gate = { open: true };
  readonly consumers: Consumer[] = [];
  readonly #host: ChannelHost;
  readonly #publisher: Publisher;
  readonly #unacknowledged = new Unacknowledged();
  readonly #outstanding = new Map<number, Delivery>();
  #tx: PendingTransaction | null = null;
  #isClosed = false;
  /** Settled in the open transaction: not to be settled a second time. */
  #settledInTx = new Set<number>();

  constructor(id: number, host: ChannelHost) {
    this.id = id;
    this.#host = host;
    this.#publisher = new Publisher(host.broker.shard, host.broker.deadLettering);
  }

  get mustPause(): boolean {
    return this.#publisher.mustPause;
  }

  get isTransactional(): boolean {
    return this.#tx !== null;
  }

  /** Tags that can be settled. */
  get tags(): number[] {
    return [...this.#outstanding.keys()].filter((tag) => !this.#settledInTx.has(tag));
  }

  select(): void {
    this.#tx = {
      transaction: new Tx(this.#host.broker.shard, this.#host.broker.deadLettering, this.#unacknowledged),
      publications: [],
      outcomes: [],
    };
  }

  publish(route: Route<AnyQueue>, message: TestMessage): void {
    const queues = route.queues.map((queue) => this.#host.expectedOf(queue));
    this.#host.note(
      `channel ${this.id}: publish ${message.id} to ${queues.map((queue) => queue.name).join(' ')}` +
        `${message.persistent ? '' : ', transient'}, ${message.size} bytes${this.#tx === null ? '' : ', in tx'}`,
    );
    if (this.#tx !== null) {
      const messageView = this.#publisher.messageView;
      fillView(messageView, message);
      this.#tx.transaction.publish(route, message.persistent, messageView);
      this.#tx.publications.push({ message, queues });
      return;
    }
    fillView(this.#publisher.messageView, message);
    const block = this.#publisher.publish(route, message.persistent);
    for (const queue of queues) queue.published(message, block, () => true);
    const isJournaled = message.isKept && queues.some((queue) => queue.durable);
    if (isJournaled !== block > 0)
      throw new HistoryError(`message ${message.id} has to wait for block ${block}`);
    if (block > 0) this.#host.broker.shard.whenDurable(block, { onDurable: (b) => this.#host.confirmed(b) });
  }

  consume(queue: Queue, credit: number, noAck: boolean): void {
    this.#host.note(`channel ${this.id}: consume ${queue.name}, credit ${credit}${noAck ? ', no ack' : ''}`);
    this.consumers.push(
      queue.addConsumer({
        tag: `${this.id}.${this.consumers.length}`,
        sink: {
          deliver: (consumer, level, offset, chunk, at, redelivered, content) => {
            this.#take(level as PriorityLevel, consumer, noAck, offset, chunk, at, redelivered, content);
            return true;
          },
          cancelled: (consumer) => {
            this.consumers.splice(this.consumers.indexOf(consumer), 1);
          },
        },
        gate: this.gate,
        credit,
        noAck,
        exclusive: false,
        arguments: {},
      }),
    );
  }

  cancel(index: number): void {
    const [consumer] = this.consumers.splice(index, 1);
    this.#host.note(`channel ${this.id}: cancel a consumer of ${consumer.queue.name}`);
    consumer.cancel();
  }

  get(queue: Queue, noAck: boolean): void {
    this.#host.note(`channel ${this.id}: get from ${queue.name}${noAck ? ', no ack' : ''}`);
    const expected = this.#host.expectedOf(queue);
    queue.get(noAck, {
      message: (level, offset, chunk, at, redelivered, remaining, content) => {
        this.#take(level as PriorityLevel, null, noAck, offset, chunk, at, redelivered, content);
        if (!this.#isClosed && remaining !== expected.readyCount) {
          this.#host.fail(new HistoryError(`${remaining} messages remain, not ${expected.readyCount}`));
        }
        return true;
      },
      failed: (error) => this.#host.fail(error),
      empty: () => {
        const first = expected.firstReady();
        // What comes after an undecided transaction has to wait for it.
        if (queue.isRemoved || expected.undecided > 0 || first === undefined || !first.isVisible()) return;
        this.#host.fail(new HistoryError(`${queue.name} is said to be empty, but has ${first.message.id}`));
      },
    });
  }

  settle(tag: number, multiple: boolean, outcome: Outcome): void {
    this.#host.note(
      `channel ${this.id}: ${outcome} ${tag}${multiple ? ' and before' : ''}${this.#tx ? ', in tx' : ''}`,
    );
    const tags = multiple ? this.tags.filter((each) => each <= tag) : [tag];
    if (this.#tx !== null) {
      this.#tx.transaction.acknowledge(tag, multiple, outcome);
      this.#tx.outcomes.push({ tag, multiple, outcome });
      for (const each of tags) this.#settledInTx.add(each);
      return;
    }
    const count =
      outcome === 'ack'
        ? this.#unacknowledged.ack(tag, multiple)
        : this.#unacknowledged.reject(tag, multiple, outcome === 'requeue');
    if (count !== tags.length) throw new HistoryError(`${count} messages were settled, not ${tags.length}`);
    for (const each of tags) this.#settled(each, outcome);
  }

  commit(): void {
    const tx = this.#tx as PendingTransaction;
    const { broker } = this.#host;
    let isDone = false;
    let block = NO_BLOCK;
    const held = new Set<ExpectedQueue>();
    tx.transaction.commit(() => {
      isDone = true;
      for (const queue of held) queue.undecided--;
      this.#host.note(`channel ${this.id}: commit of block ${block} is done`);
      this.#host.confirmed(block);
    });
    if (!isDone) {
      block = broker.shard.currentBlock;
      for (const { queues } of tx.publications) for (const queue of queues) held.add(queue);
      for (const queue of held) queue.undecided++;
    }
    this.#host.note(`channel ${this.id}: commit in block ${block}`);
    for (const { tag, multiple, outcome } of tx.outcomes) {
      const tags = multiple ? [...this.#outstanding.keys()].filter((each) => each <= tag) : [tag];
      for (const each of tags) this.#settled(each, outcome);
    }
    if (!isDone) {
      for (const queue of broker.vhosts.get('/')!.queues())
        this.#host.expectedOf(queue).settlementsAreIn(block);
    }
    for (const { message, queues } of tx.publications) {
      for (const queue of queues) if (!queue.isDeleted) queue.published(message, block, () => isDone);
    }
    this.#settledInTx.clear();
    this.select();
  }

  rollback(): void {
    this.#host.note(`channel ${this.id}: rollback`);
    this.#tx?.transaction.rollback();
    this.#settledInTx.clear();
    this.select();
  }

  close(): void {
    this.#host.note(`channel ${this.id}: close`);
    this.#isClosed = true;
    for (const consumer of this.consumers.splice(0)) consumer.cancel();
    this.#giveBack();
  }

  #giveBack(): void {
    for (const tag of this.#outstanding.keys()) this.#settled(tag, 'requeue');
    this.#unacknowledged.requeueAll('lost');
  }

  #settled(tag: number, outcome: Outcome): void {
    const { queue, entry } = this.#outstanding.get(tag) as Delivery;
    this.#outstanding.delete(tag);
    if (outcome === 'requeue') queue.requeued(entry);
    else queue.settled(entry, this.#host.broker.shard.currentBlock);
  }

  #take(
    level: PriorityLevel,
    consumer: Consumer | null,
    noAck: boolean,
    offset: number,
    chunk: MessageMemory,
    at: number,
    redelivered: boolean,
    content: ContentView,
  ): void {
    const { queue } = level;
    const expected = this.#host.expectedOf(queue);
    try {
      const id = idInFrame(chunk.buffer, at);
      const entry = expected.delivered(id, redelivered);
      this.#host.note(
        `channel ${this.id}: gets ${id} from ${queue.name}${redelivered ? ', redelivered' : ''}`,
      );
      if (!isFrameOf(entry.message, chunk.buffer, at))
        throw new HistoryError(`message ${id} has other bytes`);
      if (noAck) {
        this.#unacknowledged.addSettled();
        expected.settled(entry, this.#host.broker.shard.currentBlock);
      } else {
        const tag = this.#unacknowledged.add(level, consumer, offset, chunk, at, content);
        this.#outstanding.set(tag, { queue: expected, entry });
        // An answer to a `get` from before.
        if (this.#isClosed) this.#giveBack();
      }
    } catch (error) {
      this.#host.fail(error);
    }
  }
}
