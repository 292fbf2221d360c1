import { Broker } from '../../../src/broker/broker.ts';
import type { DelayStore } from '../../../src/broker/delays/delay-store.ts';
import type { RoutedMessage } from '../../../src/broker/messages/property-codec.ts';
import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import type { Route } from '../../../src/broker/topology/route.ts';
import type { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import type { Durability } from '../../../src/log/journal/journal-files.ts';
import { frameContentBytes, frameTimestampMs } from '../../../src/log/memory/chunks.ts';
import { MessageView } from '../../../src/records/message-view.ts';
import { ContentView } from '../../../src/records/record-content.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { SimulatedTime } from '../../crash/simulated-time.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';

export const EXCHANGE = 'later';
const PATIENCE_MS = 600_000;

export interface Limits {
  readonly chunkBytes: number;
  readonly journalFileBytes: number;
  readonly journalLimitBytes: number;
  readonly memoryLimitBytes: number;
  readonly segmentBytes: number;
  readonly reclaimMs: number;
  readonly durability: Durability;
}

/** A message as it came to its queue. */
export interface Arrival {
  readonly id: number;
  readonly routedMs: number;
  readonly delayHeader: unknown;
}

/** A broker with a delayed exchange over a simulated disk and clock, which can lose its power. */
export class DelayedBroker {
  readonly random: () => number;
  readonly time: SimulatedTime;
  readonly limits: Partial<Limits>;
  fs: SimulatedFileSystem;
  broker!: Broker;
  publisher!: Publisher;
  error: Error | null = null;
  readonly #view = new ContentView();

  constructor(seed: number, limits: Partial<Limits> = {}) {
    this.random = seededRandom(seed);
    this.time = new SimulatedTime(this.random);
    this.fs = new SimulatedFileSystem({ schedule: (run) => this.time.operation(run) });
    this.limits = limits;
  }

  get vhost(): VirtualHost<Queue> {
    return this.broker.vhosts.get('/') as VirtualHost<Queue>;
  }

  get delays(): DelayStore {
    return this.broker.delays.of('/') as DelayStore;
  }

  async start(): Promise<void> {
    this.broker = await this.until(
      Broker.open({
        dataDirectory: '/data',
        fileSystem: this.fs,
        clock: this.time,
        scheduler: this.time,
        diskFreeLimitBytes: 0,
        propertyCodecs: [amqp091Codec],
        onFailure: (error) => {
          this.error ??= error;
        },
        ...this.limits,
      }),
    );
    this.publisher = new Publisher(this.broker.shard, this.broker.deadLettering);
  }

  /** The delayed exchange, and queues bound to it with these keys. */
  async declare(
    bindings: readonly (readonly [queue: string, key: string])[],
    type = 'direct',
  ): Promise<void> {
    const args = { 'x-delayed-type': type };
    const common = { durable: true, autoDelete: false };
    this.vhost.declareExchange({
      name: EXCHANGE,
      type: 'x-delayed-message',
      internal: false,
      arguments: args,
      ...common,
    });
    for (const [name, routingKey] of bindings) {
      this.vhost.declareQueue({ name, exclusive: false, arguments: {}, ...common }, null);
      this.vhost.bindQueue({ source: EXCHANGE, destination: name, routingKey, arguments: {} }, null);
    }
    await this.until(this.broker.shard.store.journal.flush());
  }

  async stop(): Promise<void> {
    await this.until(this.broker.close());
    await this.time.forget();
  }

  async kill(): Promise<void> {
    this.fs = this.fs.kill(this.random);
    await this.time.forget();
  }

  async cutPower(): Promise<void> {
    this.fs = this.fs.crash(this.random);
    await this.time.forget();
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    const end = this.time.nowMs + ms;
    let rang = false;
    this.time.after(ms, () => {
      rang = true;
    });
    while (!rang && this.time.nowMs < end + PATIENCE_MS) await this.step();
  }

  /** Lets much time pass, most of it while the broker is down: each time half of the rest. */
  async jump(ms: number): Promise<void> {
    const end = this.time.nowMs + ms;
    for (let rest = ms; rest > 60_000; rest = end - this.time.nowMs) {
      await this.stop();
      this.time.nowMs += rest / 2;
      await this.start();
      await this.pass(1000);
    }
    await this.pass(Math.max(0, end - this.time.nowMs));
  }

  async step(): Promise<void> {
    await this.time.step();
    if (this.error !== null) throw this.error;
  }

  async until<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const settle = () => {
      isDone = true;
    };
    promise.then(settle, settle);
    const wasDone = await this.time.runUntil(() => isDone || this.error !== null, PATIENCE_MS);
    if (this.error !== null) throw this.error;
    if (!wasDone) throw new Error('it does not end');
    return promise;
  }

  route(key: string, delayMs: number | null): Route<Queue> {
    return this.vhost.route(this.vhost.exchangeForPublish(EXCHANGE), key, delayed(delayMs));
  }

  /** Returns the block to wait for; 0 for none. */
  publish(id: number, key: string, delayMs: number | null, persistent = true, bodyBytes = 8): number {
    this.broker.shard.turn.touch();
    const route = this.route(key, delayMs);
    fill(this.publisher.messageView, id, key, delayMs, bodyBytes);
    const block = this.publisher.publish(route, persistent);
    this.broker.shard.turn.schedule();
    return block;
  }

  /** For a publisher that is not the test's own. */
  messageView(id: number, key: string, delayMs: number | null, bodyBytes: number): MessageView {
    const messageView = new MessageView();
    fill(messageView, id, key, delayMs, bodyBytes);
    return messageView;
  }

  /** All that is in the queue, which is taken out of it. */
  async drain(name: string): Promise<Arrival[]> {
    const queue = this.vhost.findQueue(name) as Queue;
    const arrivals: Arrival[] = [];
    const consumer = queue.addConsumer({
      tag: 'drain',
      sink: {
        deliver: (_consumer, _level, _offset, chunk, at) => {
          const view = this.#view;
          view.parse(chunk.buffer, at + 12, frameContentBytes(chunk, at));
          const headers = amqp091Codec.headers(chunk.buffer, view.propertiesStart, view.propertiesEnd);
          arrivals.push({
            id: chunk.buffer.readUInt32BE(view.bodyStart),
            routedMs: frameTimestampMs(chunk, at),
            delayHeader: headers?.['x-delay'],
          });
          return true;
        },
        cancelled: () => undefined,
      },
      gate: { open: true },
      credit: Number.POSITIVE_INFINITY,
      noAck: true,
      exclusive: false,
      arguments: {},
    });
    await this.time.runUntil(() => queue.readyCount === 0 || this.error !== null, PATIENCE_MS);
    if (this.error !== null) throw this.error;
    consumer.cancel();
    return arrivals;
  }

  /** Null if the ledger balances; otherwise what is wrong with it. */
  imbalance(): string | null {
    const { ledger, waitingCount } = this.delays;
    const { accepted, recovered, routed, unroutable, dropped, lost } = ledger;
    if (accepted + recovered === routed + unroutable + dropped + lost + waitingCount) return null;
    return `${JSON.stringify({ ...ledger, lateness: null })} with ${waitingCount} waiting`;
  }
}

function delayed(delayMs: number | null): RoutedMessage {
  return { headers: () => (delayMs === null ? null : { 'x-delay': delayMs }), property: () => null };
}

function fill(
  messageView: MessageView,
  id: number,
  key: string,
  delayMs: number | null,
  bodyBytes: number,
): void {
  messageView.key = Buffer.from(key);
  messageView.keyEnd = messageView.key.length;
  messageView.exchange = Buffer.from(EXCHANGE);
  messageView.exchangeEnd = messageView.exchange.length;
  messageView.body = Buffer.alloc(Math.max(4, bodyBytes));
  messageView.body.writeUInt32BE(id);
  messageView.bodyEnd = messageView.body.length;
  const headers = delayMs === null ? {} : { 'x-delay': delayMs, other: 'kept' };
  messageView.properties = amqp091Codec.encode({ headers, persistent: true });
  messageView.propertiesEnd = messageView.properties.length;
  messageView.protocol = amqp091Codec.source;
  messageView.delayMs = delayMs ?? -1;
}
