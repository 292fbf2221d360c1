import { Broker } from '../../../../src/broker/broker.ts';
import { RecordMessage } from '../../../../src/broker/messages/message-from-record.ts';
import { Publisher } from '../../../../src/broker/publishing/publisher.ts';
import type { Queue } from '../../../../src/broker/queues/queue.ts';
import { PartitionReader } from '../../../../src/broker/streams/consumers/partition-reader.ts';
import type { Stream } from '../../../../src/broker/streams/stream.ts';
import { bareMessage } from '../../../../src/broker/topology/routing.ts';
import type { VirtualHost } from '../../../../src/broker/topology/virtual-host.ts';
import { amqp091Codec } from '../../../../src/servers/amqp091/property-codec.ts';
import { SimulatedTime } from '../../../crash/simulated-time.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { SimulatedFileSystem } from '../../../support/simulated-filesystem/simulated-filesystem.ts';
import { fillView, TestConsumer } from '../../test-broker.ts';
import { appendRecords, type TestRecord } from './records.ts';

const KIB = 1024;
const PATIENCE_MS = 120_000;
const PARTITIONS = 2;
const KEYS = ['a', 'b', 'a.b', 'c'] as const;

/** What a queue is bound with, and where it began: offsets by partition. */
interface Bound {
  readonly queue: string;
  readonly key: string;
  readonly from: readonly number[];
}

/**
 * A broker over a simulated disk, in which queues are bound to a stream at random times, some of them from the past.
 * Whatever happens to it, in the end each queue has what is in the stream from its beginning on, once and in order.
 */
export class FeedRun {
  readonly random: () => number;
  readonly time: SimulatedTime;
  fs: SimulatedFileSystem;
  broker!: Broker;
  #publisher!: Publisher;
  readonly #bound = new Map<string, Bound>();
  readonly #limits: { readonly [name: string]: number };
  #nextBody = 0;
  #nextQueue = 0;
  #error: unknown = null;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.time = new SimulatedTime(this.random);
    this.fs = new SimulatedFileSystem({ schedule: (run) => this.time.operation(run) });
    this.#limits = {
      chunkBytes: this.#between(1, 4) * 4 * KIB,
      journalFileBytes: this.#between(1, 4) * 8 * KIB,
      journalLimitBytes: this.#between(4, 8) * 8 * KIB,
      memoryLimitBytes: this.#between(2, 8) * 8 * KIB,
      segmentBytes: this.#between(1, 2) * 8 * KIB,
      diskFreeLimitBytes: 0,
    };
  }

  get #vhost(): VirtualHost<Queue> {
    return this.broker.vhosts.get('/') as VirtualHost<Queue>;
  }

  get #stream(): Stream {
    return this.broker.streams.get('/', 's') as Stream;
  }

  async start(): Promise<void> {
    this.broker = await this.#until(
      Broker.open({
        dataDirectory: '/data',
        fileSystem: this.fs,
        propertyCodecs: [amqp091Codec],
        clock: this.time,
        scheduler: this.time,
        ...this.#limits,
        onFailure: (error) => {
          this.#error ??= error;
        },
      }),
    );
    this.#publisher = new Publisher(this.broker.shard, this.broker.deadLettering);
    if (this.#stream !== undefined) return;
    this.broker.streams.create({ vhost: '/', name: 's', partitions: PARTITIONS, configs: new Map() });
    await this.#until(this.broker.shard.store.journal.flush());
  }

  async work(operations: number): Promise<void> {
    for (; operations > 0; operations--) {
      const share = this.random();
      if (share < 0.4) this.#publish();
      else if (share < 0.7) this.#append();
      else if (share < 0.8) this.#bind();
      else if (share < 0.83) this.#unbind();
      else await this.#pass(this.#between(1, 50));
      for (let steps = this.#between(0, 20); steps > 0 && this.time.isBusy; steps--) await this.time.step();
      if (this.#error !== null) throw this.#error;
    }
  }

  async end(how: 'kill' | 'crash' | 'close'): Promise<void> {
    if (how === 'close') await this.#until(this.broker.close());
    else this.fs = this.fs[how](this.random);
    await this.time.forget();
  }

  /** What is wrong in the end; null if nothing is. */
  async findFault(): Promise<string | null> {
    await this.#pass(5000);
    const records = await this.#records();
    for (const { queue: name, key, from } of this.#bound.values()) {
      const queue = this.#vhost.findQueue(name);
      // The queue, or its binding, was lost with the block that it was in.
      if (queue === undefined || !this.#isBound(name)) continue;
      const expected = records.filter(
        (record) => record.offset >= from[record.partition] && matches(key, record.key),
      );
      const found = await this.#take(queue, expected.length);
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const mine = expected.filter((record) => record.partition === partition).map(({ body }) => body);
        const theirs = found.filter((body) => body.startsWith(`${partition}:`) || mine.includes(body));
        const bodies = theirs.filter((body) => mine.includes(body));
        if (bodies.join() !== mine.join()) {
          return `queue ${name}, partition ${partition}, key ${key} from ${from}: ${bodies}\n  instead of ${mine}`;
        }
      }
      if (found.length !== expected.length) {
        const all = new Set(expected.map(({ body }) => body));
        const odd = found.filter((body, i) => !all.has(body) || found.indexOf(body) !== i);
        return `queue ${name}, key ${key} from ${from}: ${found.length} messages instead of ${expected.length}: ${odd}`;
      }
    }
    return null;
  }

  #publish(): void {
    for (let count = this.#between(1, 10); count > 0; count--) {
      const key = this.#pick(KEYS);
      this.broker.shard.turn.touch();
      fillView(this.#publisher.messageView, key, this.#body());
      this.#publisher.messageView.exchange = Buffer.from('s');
      this.#publisher.messageView.exchangeEnd = 1;
      const vhost = this.#vhost;
      this.#publisher.publish(vhost.route(vhost.exchangeForPublish('s'), key, bareMessage), true);
    }
  }

  #append(): void {
    const records = Array.from(
      { length: this.#between(1, 12) },
      (): TestRecord => ({
        key: this.#pick(KEYS),
        value: this.#body(),
        headers: [],
        timestampMs: this.time.now(),
      }),
    );
    const codec = this.#pick(['none', 'none', 'lz4', 'snappy'] as const);
    appendRecords(this.#stream, records, { codec, partition: this.#between(0, PARTITIONS - 1) });
  }

  #bind(): void {
    const vhost = this.#vhost;
    const name = `q${this.#nextQueue++}`;
    const key = this.#pick(['#', 'a.#', '*']);
    vhost.declareQueue({ name, durable: true, exclusive: false, autoDelete: false, arguments: {} }, null);
    this.broker.shard.store.flushAccumulator();
    const { ownPartitions: partitions } = this.#stream;
    const kind = this.#pick(['next', 'first', 'offset', 'time'] as const);
    const offset = this.#between(0, partitions[0]?.endOffset ?? 0);
    const args =
      kind === 'next'
        ? {}
        : { 'x-replay-from': kind === 'offset' ? offset : kind === 'time' ? '1Y' : 'first' };
    const from = partitions.map(({ endOffset }) =>
      kind === 'next' ? endOffset : kind === 'offset' ? offset : 0,
    );
    vhost.bindQueue({ source: 's', destination: name, routingKey: key, arguments: args }, null);
    this.#bound.set(name, { queue: name, key, from });
  }

  #unbind(): void {
    const vhost = this.#vhost;
    const queues = [...vhost.queues()];
    if (queues.length < 3) return;
    const { name } = this.#pick(queues);
    vhost.deleteQueue(name, { ifUnused: false, ifEmpty: false }, null);
  }

  #isBound(name: string): boolean {
    return this.#vhost.listBindings({ source: 's', destination: name }).length > 0;
  }

  async #records(): Promise<{ partition: number; offset: number; key: string; body: string }[]> {
    const found: { partition: number; offset: number; key: string; body: string }[] = [];
    const message = new RecordMessage(this.broker.shard.codecs);
    for (const partition of this.#stream.ownPartitions) {
      const reader = new PartitionReader(partition, 0, {
        onReady: () => undefined,
        onUnreadable: (offset) => {
          this.#error ??= new Error(`unreadable at ${offset}`);
        },
      });
      const visit = (): 'on' => {
        if (!message.read(reader.cursor, 's', partition.index)) throw new Error('an unreadable record');
        found.push({
          partition: partition.index,
          offset: reader.cursor.offset,
          key: message.key.toString('utf8', message.keyStart, message.keyEnd),
          body: message.body.toString('utf8', message.bodyStart, message.bodyEnd),
        });
        return 'on';
      };
      while (reader.next < partition.highWatermark) {
        reader.read(visit);
        await this.time.step();
        if (this.#error !== null) throw this.#error;
      }
    }
    return found;
  }

  async #take(queue: Queue, expected: number): Promise<string[]> {
    const consumer = new TestConsumer(queue, { noAck: true });
    await this.time.runUntil(
      () => consumer.messages.length >= expected && queue.readyCount === 0,
      PATIENCE_MS,
    );
    await this.#pass(10);
    consumer.close();
    return consumer.bodies;
  }

  #body(): string {
    const size = Math.floor(this.random() ** 3 * 1500);
    return `${this.#nextBody++}|${'x'.repeat(size)}`;
  }

  #between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)];
  }

  async #pass(ms: number): Promise<void> {
    let rang = false;
    this.time.after(ms, () => {
      rang = true;
    });
    await this.time.runUntil(() => rang || this.#error !== null, ms + PATIENCE_MS);
    if (this.#error !== null) throw this.#error;
  }

  #until<T>(promise: Promise<T>): Promise<T> {
    return this.time.outcomeOf(promise, 'what is awaited', PATIENCE_MS, () => this.#error);
  }
}

function matches(pattern: string, key: string): boolean {
  if (pattern === '#') return true;
  if (pattern === '*') return !key.includes('.');
  return key === 'a' || key.startsWith('a.');
}
