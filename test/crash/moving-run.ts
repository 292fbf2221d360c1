import { inspect } from 'node:util';
import { Broker } from '../../src/broker/broker.ts';
import { Publisher } from '../../src/broker/publishing/publisher.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import type { VirtualHost } from '../../src/broker/topology/virtual-host.ts';
import type { CorruptionError } from '../../src/log/corruption.ts';
import { amqp091Codec } from '../../src/servers/amqp091/property-codec.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { SimulatedFileSystem } from '../support/simulated-filesystem/simulated-filesystem.ts';
import { HistoryError } from './expected-queue.ts';
import { fillView, type MovingMessage } from './moving-message.ts';
import { MovingReader } from './moving-reader.ts';
import { SimulatedTime } from './simulated-time.ts';

const DIRECTORY = '/data';
const TAIL_LINES = 60;
const PATIENCE_MS = 120_000;
const KIB = 1024;
export const DELAYED = 'later';

/** Where messages can go in: each goes on by itself to the next, and to the last in the end. */
export const QUEUES = ['waiting', 'short', 'ranks', 'end'] as const;
const ARGUMENTS: {
  readonly [queue in (typeof QUEUES)[number]]: { readonly [key: string]: string | number };
} = {
  waiting: { 'x-message-ttl': 80, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'short' },
  short: { 'x-max-length': 12, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'ranks' },
  ranks: {
    'x-max-priority': 3,
    'x-delivery-limit': 2,
    'x-message-ttl': 5000,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': 'end',
  },
  end: {},
};

export interface MovingLimits {
  readonly chunkBytes: number;
  readonly journalFileBytes: number;
  readonly journalLimitBytes: number;
  readonly memoryLimitBytes: number;
  readonly segmentBytes: number;
  readonly reclaimMs: number;
  readonly diskFreeLimitBytes: number;
}

/** What became of a message, as far as its publisher and its consumers know. */
export interface Fate {
  readonly message: MovingMessage;
  /** The life of the broker in which it was published. */
  readonly life: number;
  isConfirmed: boolean;
  /** `safe`: the acknowledgement is on the disk. `doubtful`: the broker ended before that was known. */
  ack: 'none' | 'sent' | 'safe' | 'doubtful';
  /** The queues that have delivered it. */
  readonly deliveredFrom: Set<string>;
}

/**
 * A broker over a simulated disk and clock, in which messages move by themselves: they expire, are too many, fail too
 * often, come due, and some have priorities. Each that was confirmed has to be in one place, or acknowledged.
 */
export class MovingRun {
  readonly random: () => number;
  readonly time: SimulatedTime;
  readonly limits: MovingLimits;
  readonly fates = new Map<number, Fate>();
  /** What the broker said of damage: paths of files. */
  readonly damaged: string[] = [];
  fs: SimulatedFileSystem;
  broker!: Broker;
  readers: MovingReader[] = [];
  /** Whether the disk is to fail. */
  mayFail = false;
  hasFailed = false;
  /** The file in which there is a wrong bit. */
  damagedPath: string | null = null;
  /** How many messages may be gone, as they were cut off. */
  lostMax = 0;
  #publisher!: Publisher;
  #error: unknown = null;
  #isAlive = true;
  #nextId = 1;
  #life = 1;
  readonly #history: string[] = [];

  constructor(seed: number, limits: Partial<MovingLimits> = {}) {
    this.random = seededRandom(seed);
    this.time = new SimulatedTime(this.random);
    this.fs = new SimulatedFileSystem({ schedule: (run) => this.time.operation(run) });
    this.limits = {
      chunkBytes: this.between(1, 4) * 4 * KIB,
      journalFileBytes: this.between(1, 4) * 8 * KIB,
      journalLimitBytes: this.between(4, 8) * 8 * KIB,
      memoryLimitBytes: this.between(2, 8) * 8 * KIB,
      segmentBytes: this.between(1, 2) * 8 * KIB,
      reclaimMs: this.pick([1, 10, 100, 2000]),
      diskFreeLimitBytes: 0,
      ...limits,
    };
  }

  get vhost(): VirtualHost<Queue> {
    return this.broker.vhosts.get('/') as VirtualHost<Queue>;
  }

  queue(name: string): Queue {
    const queue = this.vhost.findQueue(name);
    if (queue === undefined) throw new HistoryError(`queue ${name} is gone`);
    return queue;
  }

  /** Messages that are in the broker, wherever. */
  get count(): number {
    let count = this.broker.delays.of('/')?.waitingCount ?? 0;
    for (const queue of this.vhost.queues())
      count += queue.readyCount + queue.unacknowledgedCount + queue.leavingCount + queue.retryingCount;
    return count;
  }

  async start(): Promise<void> {
    this.broker = await this.until(this.#open(), 'the start');
    this.#publisher = new Publisher(this.broker.shard, this.broker.deadLettering);
    this.note(`started, with ${this.count} messages`);
    if (this.vhost.findExchange(DELAYED) === undefined) await this.#declare();
    if (this.damagedPath === null) this.#checkCount();
  }

  /** What clients do, at random. */
  async work(operations: number): Promise<void> {
    for (; operations > 0 && !this.hasFailed; operations--) {
      const share = this.random();
      if (share < 0.45) this.#publishSome();
      else if (share < 0.7) this.#settle();
      else if (share < 0.75) this.#read();
      else if (share < 0.8) this.#stopReading();
      else if (share < 0.9) await this.pass(this.pick([10, 100, 100, 1000, 4000]));
      await this.#steps(this.pick([0, 1, 3, 10, 40]));
      this.check();
    }
  }

  declare(name: string): void {
    const args = ARGUMENTS[name as (typeof QUEUES)[number]];
    const spec = { name, durable: true, autoDelete: false, exclusive: false, arguments: args };
    this.vhost.declareQueue(spec, null);
    this.vhost.bindQueue({ source: DELAYED, destination: name, routingKey: name, arguments: {} }, null);
  }

  /** One message to each queue, at once and delayed. */
  publishToAll(): void {
    for (const key of QUEUES) {
      this.publish('', key, { size: 10, priority: 2 });
      this.publish(DELAYED, key, { size: 10, delayMs: 5000 });
    }
  }

  /** Returns the message's number. */
  publish(
    exchange: string,
    key: string,
    {
      size,
      delayMs = -1,
      priority = 0,
      ttlMs = -1,
    }: { size: number; delayMs?: number; priority?: number; ttlMs?: number },
  ): number {
    const id = this.#nextId++;
    const message: MovingMessage = { id, exchange, key, size, delayMs, priority, ttlMs };
    const { broker, vhost } = this;
    broker.shard.turn.touch();
    fillView(this.#publisher.messageView, message);
    const headers = delayMs < 0 ? null : { 'x-delay': delayMs };
    const route = vhost.route(vhost.exchangeForPublish(exchange), key, {
      headers: () => headers,
      property: () => null,
    });
    const block = this.#publisher.publish(route, true);
    if (block <= 0) throw new HistoryError(`message ${id} is not journaled`);
    const fate: Fate = {
      message,
      life: this.#life,
      isConfirmed: false,
      ack: 'none',
      deliveredFrom: new Set(),
    };
    this.fates.set(id, fate);
    const isCurrent = (): boolean => this.#isAlive && this.broker === broker;
    broker.shard.whenDurable(block, {
      onDurable: () => {
        if (isCurrent()) fate.isConfirmed = true;
      },
    });
    return id;
  }

  get mustPause(): boolean {
    return this.broker.shard.alarms.isBlocking || this.#publisher.mustPause;
  }

  /** Lets time go by, with all that happens in it. */
  async pass(ms: number): Promise<void> {
    let rang = false;
    this.time.after(ms, () => {
      rang = true;
    });
    await this.time.runUntil(() => rang || this.#error !== null || this.hasFailed, ms + PATIENCE_MS);
    this.check();
  }

  /** What holds at any time. */
  check(): void {
    if (this.#error !== null) throw this.#error;
    if (this.hasFailed) return;
    const { journal, logs } = this.broker.shard.store;
    for (const queue of this.vhost.queues()) {
      if (!queue.isBalanced) throw new HistoryError(`the ledger of ${queue.name} does not balance`);
      if (this.damagedPath === null && queue.ledger.lost > 0)
        throw new HistoryError(`${queue.name} lost messages`);
    }
    if (!journal.isIdle || [...logs.values()].some((log) => log.pendingAcknowledgements.length > 0)) return;
    for (const fate of this.fates.values()) if (fate.ack === 'sent') fate.ack = 'safe';
  }

  /** The process ends: by a kill, or a power cut. */
  async end(how: 'kill' | 'crash'): Promise<void> {
    this.note(how);
    this.#isAlive = false;
    this.fs = this.fs[how](this.random);
    this.readers = [];
    await this.time.forget();
    this.#isAlive = true;
    this.#life++;
    for (const fate of this.fates.values()) if (fate.ack === 'sent') fate.ack = 'doubtful';
    this.mayFail = false;
    this.hasFailed = false;
  }

  async close(): Promise<void> {
    this.note('close');
    await this.until(this.broker.close(), 'the close');
    this.readers = [];
    await this.time.forget();
    for (const fate of this.fates.values()) {
      if (fate.life === this.#life) fate.isConfirmed = true;
      if (fate.ack === 'sent') fate.ack = 'safe';
    }
    this.#life++;
  }

  /**
   * Takes all that there is, and asks whether it is what has to be. With damage, queues give what they can: what is
   * missing then is not asked for.
   */
  async drain(): Promise<void> {
    for (const reader of this.readers.splice(0)) reader.close();
    for (const name of QUEUES) this.#addReader(this.queue(name), Number.POSITIVE_INFINITY);
    const isDone = (): boolean => {
      for (const reader of this.readers) reader.ackAll();
      const isEmpty = this.count === 0 || this.#isAllAcknowledged;
      return isEmpty || (this.damaged.length > 0 && this.broker.shard.store.journal.isIdle);
    };
    // The longest delay, and then some: damage is found when the messages come due.
    if (this.damagedPath !== null) await this.pass(100_000);
    const wasDone = await this.time.runUntil(() => isDone() || this.#error !== null, PATIENCE_MS);
    this.check();
    if (!wasDone) throw new HistoryError(`${this.count} messages are not delivered`);
    for (const reader of this.readers.splice(0)) reader.close();
    if (this.damaged.length > 0) return;
    const lost = [...this.fates].filter(([, { isConfirmed, ack }]) => isConfirmed && ack === 'none');
    if (lost.length > this.lostMax)
      throw new HistoryError(`messages ${lost.map(([id]) => id)} were confirmed and are lost`);
  }

  note(line: string): void {
    this.#history.push(`${this.time.nowMs.toFixed(1)} ${line}`);
    if (this.#history.length > 4 * TAIL_LINES) this.#history.splice(0, this.#history.length - TAIL_LINES);
  }

  tail(): string {
    return this.#history.slice(-TAIL_LINES).join('\n');
  }

  fail(error: unknown): void {
    if (this.#isAlive) this.#error ??= error;
  }

  between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)];
  }

  until<T>(promise: Promise<T>, what: string): Promise<T> {
    return this.time.outcomeOf(promise, what, PATIENCE_MS, () => this.#error);
  }

  #open(): Promise<Broker> {
    const { fs } = this;
    return Broker.open({
      dataDirectory: DIRECTORY,
      fileSystem: fs,
      propertyCodecs: [amqp091Codec],
      clock: this.time,
      scheduler: this.time,
      ...this.limits,
      onFailure: (error) => {
        // Of a process that is gone: some of its promises ended only now.
        if (fs !== this.fs) return;
        if (this.mayFail && this.#isAlive) this.hasFailed = true;
        else this.fail(error);
      },
      log: {
        info: () => undefined,
        warn: () => undefined,
        error: (fields, message) => {
          this.note(`${message}: ${inspect(fields, { breakLength: Number.POSITIVE_INFINITY })}`);
          if ('path' in fields) this.#heardOfDamage(fields as CorruptionError);
        },
      },
    });
  }

  get #isAllAcknowledged(): boolean {
    for (const { ack } of this.fates.values()) if (ack === 'none') return false;
    return true;
  }

  #heardOfDamage({ path }: CorruptionError): void {
    // The disk failed, not the file: this life ends as it would if any other operation had failed.
    if (this.mayFail && path !== this.damagedPath) {
      this.hasFailed = true;
      return;
    }
    this.damaged.push(path);
    if (path !== this.damagedPath) this.fail(new HistoryError(`${path} is said to be damaged, and is not`));
  }

  async #declare(): Promise<void> {
    const common = { durable: true, autoDelete: false };
    const kind = { type: 'x-delayed-message', internal: false, arguments: { 'x-delayed-type': 'direct' } };
    this.vhost.declareExchange({ name: DELAYED, ...kind, ...common });
    for (const name of QUEUES) this.declare(name);
    await this.until(this.broker.shard.store.journal.flush(), 'the declaration');
  }

  #checkCount(): void {
    let least = 0;
    let most = 0;
    for (const { isConfirmed, ack } of this.fates.values()) {
      if (isConfirmed && ack === 'none') least++;
      if (ack !== 'safe') most++;
    }
    if (this.count < least || this.count > most)
      throw new HistoryError(`there are ${this.count} messages, not between ${least} and ${most}`);
  }

  #publishSome(): void {
    const isDelayed = this.random() < 0.35;
    const key = this.pick(QUEUES);
    for (let count = this.pick([1, 1, 3, 10, 40]); count > 0; count--) {
      if (this.mustPause) return;
      this.publish(isDelayed ? DELAYED : '', key, {
        size: Math.floor(this.random() ** 3 * 3000),
        delayMs: isDelayed ? this.between(1, this.pick([100, 2000, 90_000])) : -1,
        priority: this.between(0, 4),
        // What expires in the last one is gone.
        ttlMs: key !== 'end' && this.random() < 0.2 ? this.between(1, 200) : -1,
      });
    }
  }

  #settle(): void {
    if (this.readers.length > 0) this.pick(this.readers).settleOne(this.random());
  }

  #read(): void {
    if (this.readers.length < 4)
      this.#addReader(this.queue(this.pick(['short', 'ranks', 'end'])), this.pick([1, 5, 20]));
  }

  #stopReading(): void {
    if (this.readers.length === 0) return;
    const [reader] = this.readers.splice(this.between(0, this.readers.length - 1), 1);
    reader?.close();
  }

  #addReader(queue: Queue, credit: number): void {
    if (queue.corruption === null) this.readers.push(new MovingReader(this, queue, credit));
  }

  async #steps(count: number): Promise<void> {
    while (count-- > 0 && (this.time.isBusy || this.random() < 0.1)) await this.time.step();
  }
}
