import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Table } from '../../src/base/value.ts';
import { Broker, type BrokerOptions } from '../../src/broker/broker.ts';
import { Publisher } from '../../src/broker/publishing/publisher.ts';
import { asLocal } from '../../src/broker/queues/any-queue.ts';
import type { Consumer, DeliverySink, Gate } from '../../src/broker/queues/consumer.ts';
import type { PriorityLevel } from '../../src/broker/queues/priority-level.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import { Unacknowledged } from '../../src/broker/queues/unacknowledged.ts';
import { bareMessage } from '../../src/broker/topology/routing.ts';
import type { Chunk } from '../../src/log/memory/chunks.ts';
import type { ContentView } from '../../src/records/record-content.ts';
import { amqp091Codec } from '../../src/servers/amqp091/property-codec.ts';

/** A broker on a directory of its own, that can be stopped and started again. */
export class TestBroker {
  readonly directory: string;
  readonly #options: Partial<BrokerOptions>;
  broker!: Broker;
  publisher!: Publisher;

  private constructor(directory: string, options: Partial<BrokerOptions>) {
    this.directory = directory;
    this.#options = options;
  }

  static async start(options: Partial<BrokerOptions> = {}): Promise<TestBroker> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-broker-'));
    const test = new TestBroker(join(directory, 'data'), options);
    await test.open();
    return test;
  }

  /** On a data directory that is there; whoever made it removes it. */
  static async on(directory: string, options: Partial<BrokerOptions> = {}): Promise<TestBroker> {
    const test = new TestBroker(directory, options);
    await test.open();
    return test;
  }

  async open(): Promise<void> {
    this.broker = await Broker.open({
      dataDirectory: this.directory,
      propertyCodecs: [amqp091Codec],
      ...this.#options,
    });
    this.publisher = new Publisher(this.broker.shard, this.broker.deadLettering);
  }

  async restart(): Promise<void> {
    await this.broker.close();
    await this.open();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
    await rm(join(this.directory, '..'), { recursive: true, force: true });
  }

  queue(name: string, settings: { durable?: boolean; autoDelete?: boolean; arguments?: Table } = {}): Queue {
    const vhost = this.broker.vhosts.get('/');
    if (vhost === undefined) throw new Error('no virtual host');
    const { durable = true, autoDelete = false, arguments: args = {} } = settings;
    const queue = asLocal(
      vhost.declareQueue({ name, durable, exclusive: false, autoDelete, arguments: args }, null),
    );
    if (queue === undefined) throw new Error(`queue '${name}' is in another shard`);
    return queue;
  }

  /** Publishes to the default exchange. Returns the block to wait for. */
  publish(key: string, body: string | Buffer, persistent = true): number {
    const vhost = this.broker.vhosts.get('/');
    if (vhost === undefined) throw new Error('no virtual host');
    this.broker.shard.turn.touch();
    fillView(this.publisher.messageView, key, body);
    return this.publisher.publish(vhost.route(vhost.defaultExchange, key, bareMessage), persistent);
  }

  async flush(): Promise<void> {
    await this.broker.shard.store.journal.flush();
  }
}

export function fillView(messageView: Publisher['messageView'], key: string, body: string | Buffer): void {
  messageView.key = Buffer.from(key);
  messageView.keyEnd = messageView.key.length;
  messageView.body = Buffer.from(body);
  messageView.bodyEnd = messageView.body.length;
  messageView.properties = Buffer.from([0, 0]);
  messageView.propertiesEnd = 2;
  messageView.protocol = 1;
}

export interface Delivered {
  readonly body: string;
  readonly offset: number;
  readonly redelivered: boolean;
  readonly tag: number;
}

/** A consumer that keeps what it gets, with a channel of its own. */
export class TestConsumer implements DeliverySink {
  readonly messages: Delivered[] = [];
  readonly unacknowledged = new Unacknowledged();
  readonly gate: Gate = { open: true };
  wasCancelled = false;
  readonly consumer: Consumer;
  #waiters: { count: number; resolve: () => void }[] = [];

  constructor(queue: Queue, settings: { prefetch?: number; noAck?: boolean; exclusive?: boolean } = {}) {
    this.consumer = queue.addConsumer({
      tag: 'test',
      sink: this,
      gate: this.gate,
      credit: settings.prefetch ?? Number.POSITIVE_INFINITY,
      noAck: settings.noAck ?? false,
      exclusive: settings.exclusive ?? false,
      arguments: {},
    });
  }

  get bodies(): string[] {
    return this.messages.map((message) => message.body);
  }

  deliver(
    consumer: Consumer,
    level: PriorityLevel,
    offset: number,
    chunk: Chunk,
    at: number,
    redelivered: boolean,
    content: ContentView,
  ): boolean {
    const body = chunk.buffer.toString('latin1', content.bodyStart, content.bodyEnd);
    const tag = consumer.noAck
      ? this.unacknowledged.addSettled()
      : this.unacknowledged.add(level, consumer, offset, chunk, at, content);
    this.messages.push({ body, offset, redelivered, tag });
    for (const waiter of this.#waiters) if (this.messages.length >= waiter.count) waiter.resolve();
    return true;
  }

  cancelled(): void {
    this.wasCancelled = true;
  }

  /** Resolves when this many messages came, in all. */
  async received(count: number): Promise<void> {
    if (this.messages.length >= count) return;
    await new Promise<void>((resolve) => this.#waiters.push({ count, resolve }));
  }

  /** The channel ends: what it had goes back. */
  close(): void {
    this.consumer.cancel();
    this.unacknowledged.requeueAll('lost');
  }
}

/** A few turns of the event loop: whatever can be delivered now has been. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise(setImmediate);
}

export function declare(test: TestBroker, name: string, args: Table, durable = true): Queue {
  return test.queue(name, { arguments: args, durable });
}
