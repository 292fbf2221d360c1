import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Broker } from '../../../src/broker/broker.ts';
import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import { Tx } from '../../../src/broker/publishing/tx.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { Unacknowledged } from '../../../src/broker/queues/unacknowledged.ts';
import type { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { SimulatedTime } from '../../crash/simulated-time.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { fillView, TestConsumer } from '../test-broker.ts';

const SEEDS = 12;
const LIVES = 4;
const MESSAGES = 12;
const PATIENCE_MS = 60_000;
const TARGET = 'target';

/** A broker on a simulated disk, which ends at any instant. */
class Run {
  readonly random: () => number;
  readonly time: SimulatedTime;
  fs: SimulatedFileSystem;
  broker!: Broker;
  publisher!: Publisher;
  readonly #delivered = new Set<string>();
  #consumer: TestConsumer | null = null;
  #seen = 0;
  #nextBody = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.time = new SimulatedTime(this.random);
    this.fs = new SimulatedFileSystem({ schedule: (run) => this.time.operation(run) });
  }

  get vhost(): VirtualHost<Queue> {
    return this.broker.vhosts.get('/') as VirtualHost<Queue>;
  }

  async start(): Promise<void> {
    this.broker = await this.#until(
      Broker.open({
        dataDirectory: '/data',
        fileSystem: this.fs,
        propertyCodecs: [amqp091Codec],
        clock: this.time,
        scheduler: this.time,
        diskFreeLimitBytes: 0,
        onFailure: (error) => assert.fail(error),
      }),
    );
    this.publisher = new Publisher(this.broker.shard, this.broker.deadLettering);
  }

  declare(name: string, args: { readonly [key: string]: string | number } = {}): Queue {
    const spec = { name, durable: true, exclusive: false, autoDelete: false, arguments: args };
    return this.vhost.declareQueue(spec, null);
  }

  flush(): Promise<void> {
    return this.#until(this.broker.shard.store.journal.flush());
  }

  body(): string {
    return `${this.#nextBody++}`;
  }

  publish(exchange: string, key: string, delayMs = -1): void {
    const { messageView } = this.publisher;
    this.broker.shard.turn.touch();
    fillView(messageView, key, this.body());
    messageView.exchange = Buffer.from(exchange);
    messageView.exchangeEnd = messageView.exchange.length;
    messageView.delayMs = delayMs;
    const headers = delayMs < 0 ? null : { 'x-delay': delayMs };
    const route = this.vhost.route(this.vhost.exchangeForPublish(exchange), key, {
      headers: () => headers,
      property: () => null,
    });
    this.publisher.publish(route, true);
  }

  /** Lets some of what can happen happen, and looks at what is delivered. */
  async someSteps(): Promise<void> {
    this.#consumer ??= new TestConsumer(this.declare(TARGET));
    for (let steps = Math.floor(this.random() * 30); steps > 0; steps--) {
      await this.time.step();
      this.#look();
    }
  }

  async end(): Promise<void> {
    this.#look();
    this.#consumer = null;
    this.#seen = 0;
    this.fs = this.random() < 0.7 ? this.fs.kill(this.random) : this.fs.crash(this.random);
    await this.time.forget();
  }

  #look(): void {
    const { messages } = this.#consumer as TestConsumer;
    for (; this.#seen < messages.length; this.#seen++) {
      const { body, redelivered } = messages[this.#seen];
      if (this.#delivered.has(body)) assert.ok(redelivered, `message ${body} comes again as if it were new`);
      this.#delivered.add(body);
    }
  }

  async #until<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    promise.then(done, done);
    assert.ok(await this.time.runUntil(() => isDone, PATIENCE_MS), 'something does not end');
    return promise;
  }
}

/** Ways into the queue `target` for messages that are in the broker already. */
const WAYS: Readonly<Record<string, { declare(run: Run): void; work(run: Run): void | Promise<void> }>> = {
  'from a stream that it is bound to': {
    declare: (run) => {
      run.broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
      run.vhost.bindQueue({ source: 's', destination: TARGET, routingKey: '#', arguments: {} }, null);
    },
    work: (run) => run.publish('s', 'k'),
  },
  'from a stream, as a replay': {
    declare: (run) => {
      run.broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
      for (let i = 0; i < 5 * MESSAGES; i++) run.publish('s', 'k');
      const replay = { 'x-replay-from': 'first' };
      run.vhost.bindQueue({ source: 's', destination: TARGET, routingKey: '#', arguments: replay }, null);
    },
    work: (run) => run.publish('s', 'k'),
  },
  'from an exchange that remembers': {
    declare: (run) => {
      const { vhost } = run;
      const kind = { durable: true, autoDelete: false, internal: false, arguments: {} };
      vhost.declareExchange({ name: 'x', type: 'topic', ...kind });
      vhost.setPolicy({ name: 'x', pattern: '^x$', definition: { remember: true } });
      vhost.bindQueue({ source: 'x', destination: TARGET, routingKey: '#', arguments: {} }, null);
    },
    work: (run) => run.publish('x', 'k'),
  },
  'as a dead letter that expired': {
    declare: (run) => {
      const dead = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': TARGET };
      run.declare('source', { 'x-message-ttl': 1, ...dead });
    },
    work: (run) => run.publish('', 'source'),
  },
  'as a dead letter that was one too many': {
    declare: (run) => {
      const dead = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': TARGET };
      run.declare('source', { 'x-max-length': 1, ...dead });
    },
    work: (run) => run.publish('', 'source'),
  },
  'as a dead letter that was rejected': {
    declare: (run) => {
      const dead = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': TARGET };
      run.declare('source', dead);
    },
    work: async (run) => {
      run.publish('', 'source');
      await run.flush();
      const consumer = new TestConsumer(
        run.declare('source', {
          'x-dead-letter-exchange': '',
          'x-dead-letter-routing-key': TARGET,
        }),
      );
      await run.someSteps();
      consumer.unacknowledged.reject(0, true, false);
      consumer.close();
    },
  },
  'when a delay is over': {
    declare: (run) => {
      const kind = { durable: true, autoDelete: false, internal: false };
      run.vhost.declareExchange({
        name: 'later',
        type: 'x-delayed-message',
        ...kind,
        arguments: { 'x-delayed-type': 'direct' },
      });
      run.vhost.bindQueue({ source: 'later', destination: TARGET, routingKey: 'k', arguments: {} }, null);
    },
    work: (run) => run.publish('later', 'k', 1),
  },
  'in a tx': {
    declare: () => undefined,
    work: (run) => {
      const { broker, vhost } = run;
      const tx = new Tx(broker.shard, broker.deadLettering, new Unacknowledged());
      const { messageView } = new Publisher(broker.shard, broker.deadLettering);
      fillView(messageView, TARGET, run.body());
      const route = vhost.route(vhost.defaultExchange, TARGET, { headers: () => null, property: () => null });
      tx.publish(route, true, messageView);
      tx.commit(() => undefined);
    },
  },
};

describe('a message that comes into a queue', () => {
  for (const [way, { declare, work }] of Object.entries(WAYS)) {
    it(`${way} comes again with the redelivered flag, wherever the broker is killed`, async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const run = new Run(seed);
        await run.start();
        run.declare(TARGET);
        declare(run);
        await run.flush();
        for (let life = 0; life < LIVES; life++) {
          for (let i = 0; i < MESSAGES; i++) {
            await work(run);
            await run.someSteps();
          }
          await run.end();
          await run.start();
        }
      }
    });
  }
});
