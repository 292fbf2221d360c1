import { asLocal } from '../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import { bareMessage } from '../../src/broker/topology/routing.ts';
import { ExpectedQueue, HistoryError } from './expected-queue.ts';
import type { PowerCutRun } from './power-cut-run.ts';
import type { TestChannel } from './test-channel.ts';

const QUEUE_NAMES = ['a', 'b', 'c', 'd', 'e'];
const KEYS = ['red', 'green'];
const EXCHANGES = ['amq.direct', 'amq.fanout'];
const KIB = 1024;

/** What clients do to a broker, in no order. */
export class RandomOperations {
  readonly #run: PowerCutRun;
  #nextMessage = 1;

  constructor(run: PowerCutRun) {
    this.#run = run;
  }

  /** One of them, whichever it is. */
  next(): void {
    const share = this.#run.random();
    const channel = this.#run.pick(this.#run.channels);
    if (this.#run.state.queues.size < 2 && share < 0.5) this.#declare();
    else if (share < 0.5) this.#publish(channel);
    else if (share < 0.72) this.#settle(channel);
    else if (share < 0.8) this.#consume(channel);
    else if (share < 0.84) this.#get(channel);
    else if (share < 0.9) this.#declare();
    else if (share < 0.93) this.#bind();
    else if (share < 0.95) this.#commit(channel);
    else if (share < 0.965) this.#cancel(channel);
    else if (share < 0.975) this.#reopen(channel);
    else if (share < 0.982) this.#purge();
    else if (share < 0.99) this.#delete();
    else this.#run.time.nowMs += this.#run.pick([100, 1000, 3000]);
  }

  #publish(channel: TestChannel): void {
    const count = this.#run.pick([1, 1, 1, 3, 10, 30]);
    const persistent = this.#run.random() < 0.75;
    const exchange = this.#run.random() < 0.6 ? '' : this.#run.pick(EXCHANGES);
    const names = this.#run.random() < 0.9 ? [...this.#run.state.queues.keys(), 'nowhere'] : QUEUE_NAMES;
    const key = exchange === '' ? this.#run.pick(names) : this.#run.pick(KEYS);
    for (let i = 0; i < count; i++) {
      if (channel.mustPause) return;
      // Some insist.
      if (this.#run.broker.shard.alarms.isBlocking && this.#run.random() < 0.8) return;
      const vhost = this.#run.broker.vhosts.get('/')!;
      const route = vhost.route(vhost.exchangeForPublish(exchange), key, bareMessage);
      const expected = this.#run.state.route(exchange, key);
      if (
        expected.size !== route.queues.length ||
        route.queues.some((q) => !expected.has(this.#run.expectedOf(q)))
      ) {
        throw new HistoryError(`a message to '${exchange}' with key ${key} goes elsewhere`);
      }
      const size =
        this.#run.random() < 0.97
          ? Math.floor(this.#run.random() ** 3 * 3000)
          : this.#run.between(4, 30) * KIB;
      const message = {
        id: this.#nextMessage++,
        exchange,
        key,
        size,
        persistent,
        isKept: persistent || this.#run.keepsAll,
      };
      this.#run.messages.set(message.id, message);
      channel.publish(route, message);
      this.#run.broker.shard.turn.touch();
    }
  }

  #settle(channel: TestChannel): void {
    const { tags } = channel;
    if (tags.length === 0) return;
    const tag = this.#run.random() < 0.5 ? tags[0] : this.#run.pick(tags);
    const share = this.#run.random();
    const outcome = share < 0.75 ? 'ack' : share < 0.9 ? 'requeue' : 'drop';
    channel.settle(tag, this.#run.random() < 0.3, outcome);
  }

  #consume(channel: TestChannel): void {
    const queue = this.#anyQueue();
    // A read that failed has stopped it.
    if (queue === undefined || queue.corruption !== null || queue.consumerCount > 2) return;
    channel.consume(queue, this.#run.pick([1, 5, 20, Number.POSITIVE_INFINITY]), this.#run.random() < 0.15);
  }

  #get(channel: TestChannel): void {
    const queue = this.#anyQueue();
    if (queue !== undefined && queue.corruption === null) channel.get(queue, this.#run.random() < 0.3);
  }

  /** Then nothing is made. */
  get #isShort(): boolean {
    return this.#run.broker.shard.alarms.isBlocking;
  }

  #declare(): void {
    const name = this.#run.pick(QUEUE_NAMES);
    if (this.#run.state.queues.has(name) || this.#isShort) return;
    const durable = this.#run.random() < 0.75;
    const queue = asLocal(
      this.#run.broker.vhosts
        .get('/')!
        .declareQueue({ name, durable, exclusive: false, autoDelete: false, arguments: {} }, null),
    )!;
    const block = durable ? this.#run.broker.shard.metadataBlock : 0;
    this.#run.note(`declare ${durable ? '' : 'transient '}queue ${name}, id ${queue.id}, in block ${block}`);
    const expected = new ExpectedQueue(name, durable, queue.id, block);
    this.#run.state.queues.set(name, expected);
    this.#run.known.set(queue, expected);
    this.#confirmMetadata();
  }

  #delete(): void {
    const queue = this.#anyQueue();
    if (queue === undefined) return;
    const expected = this.#run.expectedOf(queue);
    this.#run.broker.vhosts.get('/')!.deleteQueue(queue.name, { ifUnused: false, ifEmpty: false }, null);
    this.#run.note(`delete queue ${queue.name}, in block ${this.#run.broker.shard.metadataBlock}`);
    this.#run.known.delete(queue);
    this.#run.state.deleted(expected, this.#run.broker.shard.metadataBlock);
    this.#confirmMetadata();
  }

  #bind(): void {
    const queue = this.#anyQueue();
    if (queue === undefined) return;
    const expected = this.#run.expectedOf(queue);
    const exchange = this.#run.pick(EXCHANGES);
    const key = this.#run.pick(KEYS);
    const request = { source: exchange, destination: queue.name, routingKey: key, arguments: {} };
    const existing = this.#run.state.bindingsOf(exchange).find((b) => b.queue === expected && b.key === key);
    if (existing === undefined) {
      if (this.#isShort) return;
      this.#run.broker.vhosts.get('/')!.bindQueue(request, null);
      const addedBlock = this.#run.broker.shard.metadataBlock;
      this.#run.note(`bind ${queue.name} to ${exchange} with ${key}, in block ${addedBlock}`);
      const removedBlock = Number.POSITIVE_INFINITY;
      this.#run.state.bindings.push({ exchange, key, queue: expected, addedBlock, removedBlock });
    } else {
      this.#run.broker.vhosts.get('/')!.unbindQueue(request, null);
      existing.removedBlock = this.#run.broker.shard.metadataBlock;
      this.#run.note(`unbind ${queue.name} from ${exchange} with ${key}, in block ${existing.removedBlock}`);
    }
    this.#confirmMetadata();
  }

  #confirmMetadata(): void {
    const block = this.#run.broker.shard.metadataBlock;
    if (!this.#run.broker.shard.isDurable(block)) {
      this.#run.broker.shard.whenDurable(block, { onDurable: (b) => this.#run.confirmed(b) });
    }
  }

  #commit(channel: TestChannel): void {
    if (!channel.isTransactional) channel.select();
    else if (this.#run.random() < 0.8) channel.commit();
    else channel.rollback();
  }

  #cancel(channel: TestChannel): void {
    if (channel.consumers.length > 0) channel.cancel(this.#run.between(0, channel.consumers.length - 1));
  }

  #reopen(channel: TestChannel): void {
    channel.close();
    this.#run.channels.splice(this.#run.channels.indexOf(channel), 1);
    this.#run.openChannel();
  }

  #purge(): void {
    const queue = this.#anyQueue();
    if (queue === undefined) return;
    this.#run.note(`purge ${queue.name}`);
    const expected = this.#run.expectedOf(queue);
    const ready = expected.readyCount;
    const count = queue.purge();
    expected.purged(this.#run.broker.shard.currentBlock);
    if (count !== ready) throw new HistoryError(`${queue.name} purged ${count} messages, not ${ready}`);
  }

  #anyQueue(): Queue | undefined {
    const names = [...this.#run.state.queues.keys()];
    return names.length === 0
      ? undefined
      : asLocal(this.#run.broker.vhosts.get('/')!.findQueue(this.#run.pick(names)));
  }
}
