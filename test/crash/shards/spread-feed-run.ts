import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import type { Stream } from '../../../src/broker/streams/stream.ts';
import type { Durability } from '../../../src/log/journal/journal-files.ts';
import { batchOf } from '../../broker/streams/bindings/records.ts';
import { TestConsumer } from '../../broker/test-broker.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { HistoryError } from '../expected-queue.ts';
import { SimulatedTime } from '../simulated-time.ts';
import { valuesIn } from '../stream-values.ts';
import { SimulatedShards } from './simulated-shards.ts';

const PATIENCE_MS = 120_000;
const KIB = 1024;
const TOPIC = 'topic';

/** A queue that is bound to the stream, and which records it has to have. */
interface Bound {
  readonly name: string;
  readonly isFromFirst: boolean;
  /** The last record that was confirmed before it was bound: it must not come, unless all do. */
  readonly before: number;
  /** Records from here on were appended when it was bound. */
  readonly from: number;
}

/**
 * A stream with partitions in all shards, which shard 0 feeds into queues of all shards while the power is cut: each queue has what is in
 * the stream from where it was bound, once and in order.
 */
export class SpreadFeedRun {
  readonly random: () => number;
  readonly #time: SimulatedTime;
  readonly #shards: SimulatedShards;
  readonly #durability: Durability;
  readonly #bound: Bound[] = [];
  /** By partition, the last that was confirmed. */
  readonly #confirmedIn = new Map<number, number>();
  #next = 1;
  /** The first record of the present life. */
  #lifeFrom = 1;
  #error: Error | null = null;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.#time = new SimulatedTime(this.random);
    this.#durability = seed % 4 === 0 ? { mode: 'interval', intervalMs: 50 } : { mode: 'sync' };
    this.#shards = new SimulatedShards(this.#time, {
      count: this.#between(2, 3),
      ringBytes: 64 * KIB,
      options: {
        chunkBytes: this.#between(1, 4) * 4 * KIB,
        journalFileBytes: this.#between(1, 4) * 8 * KIB,
        journalLimitBytes: this.#between(4, 8) * 8 * KIB,
        memoryLimitBytes: this.#between(2, 8) * 8 * KIB,
        segmentBytes: this.#between(1, 2) * 8 * KIB,
        reclaimMs: this.#pick([1, 10, 100]),
        durability: this.#durability,
        diskFreeLimitBytes: 0,
      },
      onFailure: (_shard, error) => {
        this.#error ??= error;
      },
      note: () => undefined,
    });
  }

  async run(): Promise<void> {
    await this.#start();
    const [home] = this.#shards.brokers;
    const shards = [...this.#shards.disks.keys(), ...this.#shards.disks.keys()];
    home.streams.create({ vhost: '/', name: TOPIC, partitions: shards.length, configs: new Map(), shards });
    await this.#until(home.metadataIsSafe());
    for (let lives = this.#between(2, 4); lives > 0; lives--) {
      await this.#work(this.#between(5, 40));
      await this.#end();
      await this.#start();
      this.#lifeFrom = this.#next;
    }
    await this.#work(this.#between(5, 20));
    await this.#settle();
    await this.#compare();
    await this.#until(this.#shards.close());
    await this.#time.forget();
  }

  async #start(): Promise<void> {
    await this.#until(this.#shards.open());
  }

  async #end(): Promise<void> {
    const share = this.random();
    if (share < 0.15) {
      await this.#until(this.#shards.close());
      await this.#time.forget();
    } else if (share < 0.4) await this.#shards.end((disk) => disk.kill(this.random));
    else await this.#shards.end((disk) => disk.crash(this.random));
  }

  async #work(operations: number): Promise<void> {
    for (; operations > 0; operations--) {
      if (this.random() < 0.12 && this.#bound.length < 6) await this.#bind();
      else this.#append();
      for (let steps = this.#pick([0, 3, 30, 200]); steps > 0; steps--) await this.#time.step();
      if (this.#error !== null) throw this.#error;
    }
  }

  #append(): void {
    const shard = this.#between(0, this.#shards.count - 1);
    const { streams, shard: own } = this.#shards.brokers[shard];
    own.turn.touch();
    const partition = this.#pick((streams.get('/', TOPIC) as Stream).ownPartitions);
    const ids = Array.from({ length: this.#pick([1, 1, 5, 20]) }, () => this.#next++);
    const batch = batchOf(ids.map((id) => ({ key: 'k', value: `${id}`.padEnd(this.#pick([10, 10, 500])) })));
    partition.append(batch, 0, batch.length);
    const last = ids.at(-1) as number;
    own.whenDurable(own.currentBlock, { onDurable: () => this.#confirmedUpTo(partition, last) });
  }

  #confirmedUpTo({ index }: Partition, id: number): void {
    this.#confirmedIn.set(index, Math.max(id, this.#confirmedIn.get(index) ?? 0));
  }

  async #bind(): Promise<void> {
    const name = `q${this.#bound.length}`;
    const shard = this.#between(0, this.#shards.count - 1);
    const [home] = this.#shards.brokers;
    const vhost = this.#shards.vhost(0);
    const declaration = { name, durable: true, exclusive: false, autoDelete: false, arguments: {}, shard };
    await this.#until(home.shard.turnTime.run(home.commands.declareQueue(vhost, declaration, null)));
    const isFromFirst = this.random() < 0.4;
    const args = isFromFirst ? { 'x-replay-from': 'first' } : {};
    const request = { source: TOPIC, destination: name, routingKey: '#', arguments: args };
    // What is on its way may come before or behind it.
    const before = Math.min(...this.#partitions().map(({ index }) => this.#confirmedIn.get(index) ?? 0));
    await this.#until(home.shard.turnTime.run(home.commands.bindQueue(vhost, request, null)));
    await this.#until(home.metadataIsSafe());
    this.#bound.push({ name, isFromFirst, before, from: this.#next });
  }

  #partitions(): Partition[] {
    return this.#shards.brokers.flatMap(({ streams }) => streams.get('/', TOPIC)?.ownPartitions ?? []);
  }

  async #settle(): Promise<void> {
    const [home] = this.#shards.brokers;
    let quietMs = 0;
    const isSettled = (): boolean => {
      if (this.#error !== null) throw this.#error;
      const isFed = home.streamExchanges.unfedCount(home.streams.get('/', TOPIC) as Stream) === 0;
      if (!isFed || !this.#shards.isIdle) quietMs = this.#time.nowMs;
      return this.#time.nowMs - quietMs > 3000;
    };
    quietMs = this.#time.nowMs;
    if (!(await this.#time.runUntil(isSettled, PATIENCE_MS)))
      throw new HistoryError('the queues are not fed');
  }

  async #compare(): Promise<void> {
    const values: number[][] = [];
    for (const partition of this.#partitions())
      values[partition.index] = (await this.#until(valuesIn(partition))).map(Number);
    for (const bound of this.#bound) {
      const queue = this.#queue(bound.name);
      const consumer = new TestConsumer(queue);
      const isEmpty = (): boolean => queue.readyCount === 0;
      if (!(await this.#time.runUntil(isEmpty, PATIENCE_MS)))
        throw new HistoryError(`${bound.name} gives nothing`);
      const got = consumer.bodies.map(Number);
      for (const [index, ids] of values.entries()) this.#compareOne(bound, index, ids, got);
    }
  }

  #compareOne(
    { name, isFromFirst, before, from }: Bound,
    index: number,
    ids: readonly number[],
    got: readonly number[],
  ): void {
    const known = new Set(ids);
    const own = got.filter((id) => known.has(id));
    const isForgetful = this.#durability.mode !== 'sync';
    // What the disks of two shards forgot is not the same.
    const first = isForgetful ? Math.max(from, this.#lifeFrom) : from;
    const wanted = ids.filter((id) => id >= first || (isFromFirst && !isForgetful));
    const counted = isForgetful ? own.filter((id) => id >= first) : own;
    const tail = counted.slice(counted.length - wanted.length);
    const what = `${name} has ${counted} of partition ${index}, which has ${ids}`;
    if (tail.length !== wanted.length || tail.some((id, at) => id !== wanted[at]))
      throw new HistoryError(what);
    if (isForgetful) return;
    const suffix = ids.slice(ids.length - own.length);
    if (suffix.some((id, at) => id !== own[at])) throw new HistoryError(`${what}: not one after the other`);
    if (!isFromFirst && own.some((id) => id <= before))
      throw new HistoryError(`${what}: bound behind ${before}`);
  }

  #queue(name: string): Queue {
    for (let shard = 0; shard < this.#shards.count; shard++) {
      const queue = asLocal(this.#shards.vhost(shard).findQueue(name));
      if (queue !== undefined) return queue;
    }
    throw new HistoryError(`${name} is gone`);
  }

  #until<T>(promise: T | Promise<T>): Promise<T> {
    return this.#time.outcomeOf(Promise.resolve(promise), 'what is awaited', PATIENCE_MS, () => this.#error);
  }

  #between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)];
  }
}
