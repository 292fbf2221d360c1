import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { HistoryError } from '../expected-queue.ts';
import type { ShardChannel } from './shard-channel.ts';
import type { ShardsRun } from './shards-run.ts';
import { bind, declareQueue, deleteQueue } from './topology-commands.ts';

export const QUEUE_NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const KEYS = ['red', 'green'];
const EXCHANGES = ['amq.direct', 'amq.fanout'];
const KIB = 1024;

/** What clients of all shards do, in no order. */
export class ShardOperations {
  readonly #run: ShardsRun;
  #nextMessage = 1;

  constructor(run: ShardsRun) {
    this.#run = run;
  }

  /** One of them, whichever it is. */
  next(): void {
    const run = this.#run;
    const share = run.random();
    const channel = run.pick(run.channels);
    if (run.history.topology.queues.size < 3 && share < 0.5) this.#declare();
    else if (share < 0.5) this.#publish(channel);
    else if (share < 0.72) this.#settle(channel);
    else if (share < 0.79) this.#consume(channel);
    else if (share < 0.83) this.#get(channel);
    else if (share < 0.89) this.#declare();
    else if (share < 0.95) this.#bind();
    else if (share < 0.96) this.#cancel(channel);
    else if (share < 0.97) this.#reopen(channel);
    else if (share < 0.975) this.#purge(channel);
    else if (share < 0.99) this.#delete();
    else run.time.nowMs += run.pick([100, 1000, 3000]);
  }

  /** A small persistent message for this queue; returns its number. */
  publishTo(channel: ShardChannel, key: string): number {
    const vhost = this.#run.shards.vhost(channel.shard);
    const id = this.#nextMessage++;
    const route = vhost.route(vhost.defaultExchange, key, bareMessage);
    channel.publish(route, { id, exchange: '', key, size: 100, persistent: true, isKept: true });
    return id;
  }

  #publish(channel: ShardChannel): void {
    const run = this.#run;
    const count = run.pick([1, 1, 1, 3, 10, 30]);
    const persistent = run.random() < 0.75;
    const exchange = run.random() < 0.5 ? '' : run.pick(EXCHANGES);
    const names = run.random() < 0.9 ? [...run.history.topology.queues.keys(), 'nowhere'] : QUEUE_NAMES;
    const key = exchange === '' ? run.pick(names) : run.pick(KEYS);
    const vhost = run.shards.vhost(channel.shard);
    const { shard } = run.shards.brokers[channel.shard];
    for (let i = 0; i < count; i++) {
      // Some insist.
      if (channel.mustPause || (shard.alarms.isBlocking && run.random() < 0.8)) return;
      const route = vhost.route(vhost.exchangeForPublish(exchange), key, bareMessage);
      this.#assertRoute(channel.shard, exchange, key, route.queues);
      const size = run.random() < 0.97 ? Math.floor(run.random() ** 3 * 3000) : run.between(4, 30) * KIB;
      const id = this.#nextMessage++;
      channel.publish(route, { id, exchange, key, size, persistent, isKept: persistent });
      shard.turn.touch();
    }
  }

  /** The route is what the bindings say that this shard knows. */
  #assertRoute(
    shard: number,
    exchange: string,
    key: string,
    queues: readonly { readonly name: string }[],
  ): void {
    const names = new Set<string>();
    for (const { source, routingKey, destination } of this.#run.shards.vhost(shard).listBindings()) {
      if (source === exchange && (source === 'amq.fanout' || routingKey === key)) names.add(destination);
    }
    if (names.size !== queues.length || queues.some(({ name }) => !names.has(name))) {
      throw new HistoryError(`a message to '${exchange}' with key ${key} goes elsewhere in shard ${shard}`);
    }
  }

  #settle(channel: ShardChannel): void {
    const { tags } = channel;
    if (tags.length === 0) return;
    const tag = this.#run.random() < 0.5 ? tags[0] : this.#run.pick(tags);
    const share = this.#run.random();
    const outcome = share < 0.75 ? 'ack' : share < 0.9 ? 'requeue' : 'drop';
    channel.settle(tag, this.#run.random() < 0.3, outcome);
  }

  #consume(channel: ShardChannel): void {
    const queue = this.#queueOf(channel);
    // A read that failed has stopped it.
    if (queue === undefined || queue.corruption !== null || queue.consumerCount > 2) return;
    channel.consume(queue, this.#run.pick([1, 5, 20, Number.POSITIVE_INFINITY]), this.#run.random() < 0.15);
  }

  #get(channel: ShardChannel): void {
    const queue = this.#queueOf(channel);
    if (queue !== undefined && queue.corruption === null) channel.get(queue, this.#run.random() < 0.3);
  }

  #declare(): void {
    const run = this.#run;
    const shard = run.anyShard();
    if (run.shards.brokers[0].shard.alarms.isBlocking) return;
    const where = run.random() < 0.7 ? run.anyShard() : null;
    declareQueue(run, shard, run.pick(QUEUE_NAMES), run.random() < 0.8, where);
  }

  #delete(): void {
    deleteQueue(this.#run, this.#run.anyShard(), this.#run.pick(QUEUE_NAMES));
  }

  #bind(): void {
    const run = this.#run;
    const shard = run.anyShard();
    const request = {
      source: run.pick(EXCHANGES),
      destination: run.pick(QUEUE_NAMES),
      routingKey: run.pick(KEYS),
      arguments: {},
    };
    bind(run, shard, request, run.random() < 0.7);
  }

  #cancel(channel: ShardChannel): void {
    if (channel.consumers.length > 0) channel.cancel(this.#run.between(0, channel.consumers.length - 1));
  }

  #reopen(channel: ShardChannel): void {
    channel.close();
    this.#run.channels.splice(this.#run.channels.indexOf(channel), 1);
    this.#run.openChannel(this.#run.anyShard());
  }

  #purge(channel: ShardChannel): void {
    const queue = this.#queueOf(channel);
    if (queue === undefined) return;
    this.#run.note(`purge ${queue.name}`);
    const expected = this.#run.history.expectedOf(queue);
    const ready = expected.readyCount;
    const count = queue.purge();
    expected.purged(this.#run.shards.brokers[channel.shard].shard.currentBlock);
    if (count !== ready) throw new HistoryError(`${queue.name} purged ${count} messages, not ${ready}`);
  }

  /** One of the queues that are in the shard of the channel. */
  #queueOf(channel: ShardChannel): Queue | undefined {
    const local = [...this.#run.shards.vhost(channel.shard).queues()]
      .map(asLocal)
      .filter((queue): queue is Queue => queue !== undefined);
    return local.length === 0 ? undefined : this.#run.pick(local);
  }
}
