import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { AmqpServer } from '../../../src/servers/amqp091/server.ts';
import { fillView } from '../../broker/test-broker.ts';
import { RawClient } from '../../servers/amqp091/raw-client.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { HistoryError } from '../expected-queue.ts';
import { microtasks, SimulatedTime } from '../simulated-time.ts';
import { valuesIn } from '../stream-values.ts';
import { SimulatedShards } from './simulated-shards.ts';
import { TxMover } from './tx-mover.ts';

const KIB = 1024;
const SHARDS = 3;
const SOURCE = 'source';
const SOURCE_SHARD = 1;
const TARGET = 'target';
const TARGET_SHARD = 2;
/** Leads to the queue and to a stream, which is in shard 0. */
const EXCHANGE = 'copies';
const STREAM = 'log';
/** Of the real clock, as sockets are real. */
const PATIENCE_MS = 30_000;
/** Turns of the event loop in which nothing happens in simulated time, until its next timer rings. */
const IDLE_TURNS = 10;

/**
 * Clients of all shards move messages from a queue of one shard to one of another and to a stream, in transactions, over real sockets; the disks and the
 * time of the shards are simulated, and all shards lose their power at once, again and again. In the end each message was moved once.
 */
export class TxRun {
  readonly #random: () => number;
  readonly #time: SimulatedTime;
  readonly #shards: SimulatedShards;
  readonly #committed = new Set<string>();
  readonly #bodies: string[] = [];
  readonly #lines: string[] = [];
  #servers: AmqpServer[] = [];
  #clients: RawClient[] = [];
  #error: Error | null = null;
  #life = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#time = new SimulatedTime(this.#random);
    this.#shards = new SimulatedShards(this.#time, {
      count: SHARDS,
      ringBytes: 64 * KIB,
      options: {
        chunkBytes: this.#between(1, 4) * 4 * KIB,
        journalFileBytes: this.#between(1, 4) * 8 * KIB,
        journalLimitBytes: this.#between(4, 8) * 8 * KIB,
        memoryLimitBytes: this.#between(2, 8) * 8 * KIB,
        segmentBytes: this.#between(1, 2) * 8 * KIB,
        reclaimMs: this.#between(1, 100),
        durability: { mode: 'sync' },
        diskFreeLimitBytes: 0,
      },
      onFailure: (shard, error) => {
        this.#error ??= new Error(`shard ${shard} fails`, { cause: error });
      },
      note: (line) => void this.#lines.push(line),
    });
  }

  tail(): string {
    return this.#lines.slice(-40).join('\n');
  }

  async run(): Promise<void> {
    try {
      await this.#start();
      await this.#fill(this.#between(20, 150));
      for (let crashes = this.#between(1, 4); crashes > 0; crashes--) {
        this.#move();
        await this.#turns(this.#between(0, 1500));
        await this.#crash();
        await this.#start();
      }
      this.#move();
      await this.#until(() => this.#isMoved(), 'the queue does not become empty');
      await this.#check();
    } finally {
      await this.#hangUp();
    }
  }

  #between(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  async #start(): Promise<void> {
    this.#life++;
    await this.#done(this.#shards.open());
    for (const broker of this.#shards.brokers) {
      const on = { host: '127.0.0.1', port: 0, closeTimeoutMs: 50 };
      this.#servers.push(await AmqpServer.listen(broker, on));
    }
  }

  async #client(shard: number): Promise<RawClient> {
    const client = await RawClient.connect(this.#servers[shard].port);
    client.patienceMs = PATIENCE_MS;
    this.#clients.push(client);
    await this.#done(client.handshake());
    return client;
  }

  async #fill(count: number): Promise<void> {
    const [first] = this.#shards.brokers;
    const common = { durable: true, exclusive: false, autoDelete: false };
    const owner = this.#shards.vhost(0);
    owner.declareQueue({ name: SOURCE, ...common, arguments: { 'x-shard': SOURCE_SHARD } }, null);
    owner.declareQueue({ name: TARGET, ...common, arguments: { 'x-shard': TARGET_SHARD } }, null);
    owner.declareExchange({
      name: EXCHANGE,
      type: 'fanout',
      durable: true,
      autoDelete: false,
      internal: false,
      arguments: {},
    });
    first.streams.create({ vhost: '/', name: STREAM, partitions: 2, configs: new Map() });
    const binding = { source: EXCHANGE, routingKey: '', arguments: {} };
    owner.bindQueue({ ...binding, destination: TARGET }, null);
    owner.bindExchange({ ...binding, destination: STREAM });
    await this.#done(first.metadataIsSafe());
    const { shard, deadLettering } = this.#shards.brokers[SOURCE_SHARD];
    const publisher = new Publisher(shard, deadLettering);
    const vhost = this.#shards.vhost(SOURCE_SHARD);
    for (let i = 0; i < count; i++) {
      const body = `${i}`.padEnd(this.#random() < 0.2 ? this.#between(100, 2000) : 12, '.');
      this.#bodies.push(body);
      shard.turn.touch();
      fillView(publisher.messageView, SOURCE, body);
      publisher.publish(vhost.route(vhost.defaultExchange, SOURCE, bareMessage), true);
      if (i % 20 === 19) await this.#turns(20);
    }
    shard.turn.schedule();
    await this.#until(() => shard.store.journal.isIdle, 'the queue is not filled');
  }

  /** Clients in all shards. */
  #move(): void {
    for (let shard = 0; shard < SHARDS; shard++) {
      for (let clients = this.#between(shard === 0 ? 1 : 0, 2); clients > 0; clients--) {
        const gets = this.#random() < 0.3;
        const prefetch = this.#between(1, 20);
        const life = this.#life;
        this.#moveIn(shard, gets, prefetch).catch((error: Error) => {
          if (life === this.#life) this.#error ??= error;
        });
      }
    }
  }

  async #moveIn(shard: number, gets: boolean, prefetch: number): Promise<void> {
    const client = await RawClient.connect(this.#servers[shard].port);
    this.#clients.push(client);
    client.patienceMs = PATIENCE_MS;
    await client.handshake();
    const mover = new TxMover(client, {
      source: SOURCE,
      target: EXCHANGE,
      prefetch,
      gets,
      between: (low, high) => this.#between(low, high),
      committed: (bodies) => {
        this.#lines.push(
          `shard ${shard} ${gets ? 'gets' : 'consumes'}, and commits ${bodies.map((body) => Number.parseInt(body, 10))}`,
        );
        for (const body of bodies) this.#commit(body);
      },
    });
    await mover.run();
  }

  #commit(body: string): void {
    if (this.#committed.has(body)) this.#error ??= new HistoryError(`${body} was moved twice`);
    this.#committed.add(body);
  }

  async #crash(): Promise<void> {
    this.#lines.push('the power is cut');
    this.#life++;
    await this.#shards.end((disk) => disk.crash(this.#random));
    await this.#hangUp();
    await this.#time.forget();
  }

  async #hangUp(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.socket.destroy();
    for (const server of this.#servers.splice(0)) await server.close();
  }

  #queue(name: string, shard: number): Queue {
    const queue = asLocal(this.#shards.vhost(shard).findQueue(name));
    if (queue === undefined) throw new HistoryError(`there is no queue '${name}'`);
    return queue;
  }

  #isMoved(): boolean {
    const source = this.#queue(SOURCE, SOURCE_SHARD);
    const target = this.#queue(TARGET, TARGET_SHARD);
    const here = source.readyCount + source.unacknowledgedCount;
    return here === 0 && target.readyCount >= this.#bodies.length && this.#logged >= this.#bodies.length;
  }

  /** How many records the stream has. */
  get #logged(): number {
    return this.#partitions.reduce(
      (sum, { highWatermark, startOffset }) => sum + highWatermark - startOffset,
      0,
    );
  }

  get #partitions(): readonly Partition[] {
    return this.#shards.brokers[0].streams.get('/', STREAM)?.ownPartitions ?? [];
  }

  async #checkStream(): Promise<void> {
    const values: string[] = [];
    for (const partition of this.#partitions) values.push(...(await this.#done(valuesIn(partition))));
    if (values.length !== this.#bodies.length || new Set(values).size !== values.length)
      throw new HistoryError(`the stream has ${values.length} records, of ${this.#bodies.length} messages`);
  }

  async #check(): Promise<void> {
    await this.#checkStream();
    const client = await this.#client(TARGET_SHARD);
    client.method(1, { name: 'channel.open' });
    await this.#done(client.expect('channel.open-ok'));
    const counts = new Map<string, number>();
    const queue = this.#queue(TARGET, TARGET_SHARD);
    while (queue.readyCount > 0) {
      client.method(1, { name: 'basic.get', queue: TARGET, noAck: true });
      await this.#done(client.expect('basic.get-ok'));
      await this.#done(client.next());
      const { payload } = await this.#done(client.next());
      counts.set(payload.toString(), (counts.get(payload.toString()) ?? 0) + 1);
    }
    for (const body of this.#bodies) {
      const count = counts.get(body) ?? 0;
      if (count !== 1) throw new HistoryError(`message ${body} was moved ${count} times`);
    }
    for (const each of [this.#queue(SOURCE, SOURCE_SHARD), queue]) {
      if (!each.isBalanced) throw new HistoryError(`the ledger of ${each.name} does not balance`);
    }
  }

  async #done<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    promise.then(done, done);
    await this.#until(() => isDone, 'what is awaited does not come');
    return promise;
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!condition()) {
      await this.#turns(1);
      if (performance.now() > deadline) throw new HistoryError(what);
    }
  }

  /** Of the event loop: sockets go on between them. */
  async #turns(count: number): Promise<void> {
    for (let idle = 0; count > 0; count--) {
      if (this.#error !== null) throw this.#error;
      idle = this.#time.isBusy ? 0 : idle + 1;
      if (idle === 0 || idle % IDLE_TURNS === 0 || count === 1) await this.#time.step();
      else await microtasks();
    }
  }
}
