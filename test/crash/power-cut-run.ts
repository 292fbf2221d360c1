import { Broker, type BrokerOptions } from '../../src/broker/broker.ts';
import { type AnyQueue, asLocal, localOf } from '../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import type { Durability } from '../../src/log/journal/journal-files.ts';
import { amqp091Codec } from '../../src/servers/amqp091/property-codec.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { SimulatedFileSystem } from '../support/simulated-filesystem/simulated-filesystem.ts';
import { type ExpectedQueue, HistoryError } from './expected-queue.ts';
import { ExpectedState } from './expected-state.ts';
import { type ComparisonHost, compareQueue } from './queue-comparison.ts';
import { RandomOperations } from './random-operations.ts';
import { SimulatedTime } from './simulated-time.ts';
import { type ChannelHost, TestChannel } from './test-channel.ts';
import type { TestMessage } from './test-message.ts';

const DIRECTORY = '/data';
const TAIL_LINES = 60;
/** Simulated time within which the broker must have done whatever it was asked for. */
const PATIENCE_MS = 120_000;
const KIB = 1024;

/**
 * One seeded schedule: random operations on a broker over a simulated disk, power cuts at random instants, restarts,
 * and after each the question whether what is there is what the history says.
 */
export class PowerCutRun implements ChannelHost, ComparisonHost {
  readonly time: SimulatedTime;
  readonly state = new ExpectedState();
  readonly messages = new Map<number, TestMessage>();
  readonly history: string[] = [];
  /** The queues that are there. */
  readonly known = new Map<Queue, ExpectedQueue>();
  readonly random: () => number;
  broker!: Broker;
  fs: SimulatedFileSystem;
  channels: TestChannel[] = [];
  readonly limits: {
    readonly chunkBytes: number;
    readonly journalFileBytes: number;
    readonly journalLimitBytes: number;
    readonly memoryLimitBytes: number;
    readonly segmentBytes: number;
    readonly durability: Durability;
    readonly reclaimMs: number;
    readonly diskFreeLimitBytes: number;
  };
  /** Transient messages are journaled too. */
  readonly keepsAll: boolean = false;
  /** A file in which there is a wrong bit: queues may say so. */
  damagedPath: string | null = null;
  /** The journal's end that the last restart found. */
  lastBlock = 0;
  #error: unknown = null;
  /** The journal's end that the first of several starts found, the others of which did not come to their end. */
  #foundBlock: number | null = null;
  /** False while the remains of a process that ended come to rest. */
  #isAlive = true;
  #mayFail = false;
  #hasFailed = false;
  #nextChannel = 1;
  readonly #operations = new RandomOperations(this);
  /** How much happens between two operations. */
  readonly #pace: number;

  constructor(
    seed: number,
    {
      durability = null,
      diskFreeLimitBytes = 0,
    }: { durability?: Durability | null; diskFreeLimitBytes?: number } = {},
  ) {
    this.random = seededRandom(seed);
    this.time = new SimulatedTime(this.random);
    this.fs = new SimulatedFileSystem({ schedule: (run) => this.time.operation(run) });
    this.limits = {
      chunkBytes: this.between(1, 4) * 4 * KIB,
      journalFileBytes: this.between(1, 4) * 8 * KIB,
      journalLimitBytes: this.between(4, 8) * 8 * KIB,
      memoryLimitBytes: this.between(2, 8) * 8 * KIB,
      segmentBytes: this.between(1, 2) * 8 * KIB,
      durability:
        durability ??
        this.pick<Durability>([
          { mode: 'sync' },
          { mode: 'sync' },
          { mode: 'sync' },
          { mode: 'interval', intervalMs: 20 },
          { mode: 'os' },
        ]),
      reclaimMs: this.pick([1, 10, 100, 2000]),
      diskFreeLimitBytes,
    };
    this.#pace = this.pick([0, 1, 3, 10, 40]);
  }

  /** The whole of it. Throws what it found, as HistoryError or as the broker threw it. */
  async run(): Promise<void> {
    const lives = this.between(2, 5);
    for (let life = 0; life < lives; life++) {
      await this.startUntilItLives();
      const mayFail = this.random() < 0.08;
      if (mayFail) this.#letTheDiskFail();
      await this.work(this.between(5, 120));
      const end = this.random();
      if (mayFail) await this.cutPower();
      else if (end < 0.25) await this.stop();
      else if (end < 0.45) await this.kill();
      else await this.cutPower();
    }
    await this.startUntilItLives();
    await this.drain();
    await this.closeCleanly();
    if (this.random() < 0.5) await this.cutPower();
    await this.start();
    for (const queue of localOf(this.broker.vhosts.get('/')!.queues())) {
      if (queue.readyCount > 0) throw new HistoryError(`${queue.name} was drained, but has messages again`);
    }
  }

  note(line: string): void {
    this.history.push(`${this.time.nowMs.toFixed(1)} ${line}`);
    if (this.history.length > 4 * TAIL_LINES) this.history.splice(0, this.history.length - TAIL_LINES);
  }

  tail(): string {
    return this.history.slice(-TAIL_LINES).join('\n');
  }

  get fault(): unknown {
    return this.#error;
  }

  fail(error: unknown): void {
    if (this.#isAlive) this.#error ??= error;
  }

  confirmed(block: number): void {
    // Without `sync`, confirmed does not mean on disk.
    if (this.#isAlive && this.limits.durability.mode === 'sync') this.state.confirmed(block);
  }

  expectedOf(queue: AnyQueue): ExpectedQueue {
    const expected = this.known.get(queue as Queue);
    if (expected === undefined) throw new HistoryError(`queue ${queue.name} is not known to the history`);
    return expected;
  }

  between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)];
  }

  /** Starts, though the power may be cut while it does. */
  async startUntilItLives(): Promise<void> {
    while (this.random() < 0.1) {
      this.note('start, and the power is cut meanwhile');
      let isOpen = false;
      this.#open().then(
        () => {
          isOpen = true;
        },
        () => undefined,
      );
      // Not beyond the start itself: what it journals afterwards is not in the history.
      for (let steps = this.between(0, 60); steps > 0 && !isOpen; steps--) await this.time.step();
      await this.cutPower();
    }
    await this.start();
  }

  async start(): Promise<void> {
    const broker = await this.until(this.#open(), 'the start');
    const lastBlock = this.#foundBlock as number;
    this.#foundBlock = null;
    await this.hasStarted(broker, lastBlock);
  }

  protected async hasStarted(broker: Broker, lastBlock: number): Promise<void> {
    this.broker = broker;
    this.lastBlock = lastBlock;
    this.note(`started; the journal ends at block ${lastBlock}`);
    await this.#compare(lastBlock);
  }

  async work(operations: number): Promise<void> {
    for (const channel of this.channels.splice(0)) channel.close();
    for (let i = this.between(1, 3); i > 0; i--) this.openChannel();
    while (operations-- > 0 && !this.#hasFailed) {
      this.#operations.next();
      this.check();
      this.beside();
      await this.#steps(this.between(0, this.#pace));
    }
  }

  /** What goes on beside the broker, with each operation. */
  protected beside(): void {}

  /** Closes the broker, unless the power is cut meanwhile. */
  async stop(): Promise<void> {
    if (this.random() < 0.3) {
      this.note('close, and the power is cut meanwhile');
      this.broker.close().catch(() => undefined);
      await this.#steps(this.between(0, 60));
      await this.cutPower();
      return;
    }
    await this.closeCleanly();
    if (this.random() < 0.5) await this.cutPower();
  }

  async closeCleanly(): Promise<void> {
    this.note('close');
    await this.until(this.broker.close(), 'the close');
    this.channels = [];
    await this.time.forget();
    this.state.closed(this.broker.shard.currentBlock - 1);
  }

  /** The process ends at once; what it wrote is in the system's cache. */
  async kill(): Promise<void> {
    this.note('the process is killed');
    await this.#end(() => this.fs.kill(this.random));
  }

  async cutPower(): Promise<void> {
    this.note('the power is cut');
    await this.#end(() => this.fs.crash(this.random));
  }

  /** Takes and acknowledges everything. */
  async drain(): Promise<void> {
    for (const channel of this.channels.splice(0)) channel.close();
    for (const queue of localOf(this.broker.vhosts.get('/')!.queues())) {
      const channel = this.openChannel();
      channel.consume(queue, 10, false);
      const isEmpty = (): boolean => {
        this.check();
        if (channel.tags.length > 0) channel.settle(channel.tags.at(-1)!, true, 'ack');
        return queue.readyCount === 0 && queue.unacknowledgedCount === 0;
      };
      if (!(await this.time.runUntil(isEmpty, PATIENCE_MS))) {
        throw new HistoryError(`${queue.name} does not give its last ${queue.readyCount} messages`);
      }
      channel.close();
    }
    this.check();
  }

  /** What holds at any time. */
  check(): void {
    if (this.#error !== null) throw this.#error;
    const { journal } = this.broker.shard.store;
    const isAllSafe = journal.isIdle && this.limits.durability.mode === 'sync';
    for (const [queue, expected] of this.known) {
      if (queue.isRemoved) continue;
      const { lost } = queue.ledger;
      if (!queue.isBalanced) {
        throw new HistoryError(`the ledger of ${queue.name} does not balance`);
      }
      if (lost > 0) throw new HistoryError(`${queue.name} lost ${lost} messages`);
      if (
        queue.readyCount !== expected.readyCount ||
        queue.unacknowledgedCount !== expected.unacknowledgedCount
      ) {
        throw new HistoryError(
          `${queue.name} has ${queue.readyCount} ready and ${queue.unacknowledgedCount} unacknowledged messages, ` +
            `not ${expected.readyCount} and ${expected.unacknowledgedCount}`,
        );
      }
      if (queue.log.pendingAcknowledgements.length > 0) continue;
      expected.settlementsAreIn(journal.blockNumber);
      if (isAllSafe) expected.settlementsAreSafe();
    }
  }

  /** One of the next operations: the broker has to end, and not to confirm what it does not know to be safe. */
  #letTheDiskFail(): void {
    const operation = this.pick([
      'write',
      'writeback',
      'sync',
      'syncDirectory',
      'open',
      'rename',
      'truncate',
      'read',
    ] as const);
    this.#mayFail = true;
    this.note(`the next ${operation} fails`);
    this.fs.failNext(operation, 'EIO');
  }

  async #end(how: () => SimulatedFileSystem): Promise<void> {
    this.#isAlive = false;
    this.fs = how();
    this.channels = [];
    await this.time.forget();
    this.#isAlive = true;
    this.#mayFail = false;
    this.#hasFailed = false;
  }

  /** What every broker of the run is opened with. */
  protected get options(): BrokerOptions {
    const { fs, limits, time } = this;
    const propertyCodecs = [amqp091Codec];
    return {
      dataDirectory: DIRECTORY,
      fileSystem: fs,
      propertyCodecs,
      clock: time,
      scheduler: time,
      ...limits,
    };
  }

  #open(): Promise<Broker> {
    const { fs } = this;
    return Broker.open({
      ...this.options,
      onFailure: (error) => {
        // Of a process that is gone: some of its promises ended only now.
        if (fs !== this.fs) return;
        if (this.#mayFail && this.#isAlive) this.#hasFailed = true;
        else this.fail(error);
      },
      log: {
        info: (fields) => {
          if ('lastBlock' in fields) this.#foundBlock ??= fields.lastBlock as number;
        },
        warn: () => undefined,
        error: (fields, message) => this.note(`${message}: ${JSON.stringify(fields)}`),
      },
    });
  }

  protected until<T>(promise: Promise<T>, what: string): Promise<T> {
    return this.time.outcomeOf(promise, what, PATIENCE_MS, () => this.#error);
  }

  async #steps(count: number): Promise<void> {
    while (count-- > 0 && (this.time.isBusy || this.random() < 0.1)) await this.time.step();
    this.check();
  }

  /** After a start: what is there against what has to be. Afterwards the history goes on from what was found. */
  async #compare(last: number): Promise<void> {
    const vhost = this.broker.vhosts.get('/')!;
    const expected = this.state.restarted(last);
    this.known.clear();
    for (const queue of localOf(vhost.queues())) {
      const known = expected.get(queue.name);
      if (known === undefined) throw new HistoryError(`queue ${queue.name} should not be there`);
      if (known.id !== queue.id)
        throw new HistoryError(`queue ${queue.name} has id ${queue.id}, not ${known.id}`);
      this.known.set(queue, known);
    }
    for (const name of expected.keys()) {
      if (asLocal(vhost.findQueue(name)) === undefined) throw new HistoryError(`queue ${name} is gone`);
    }
    const bindings = vhost
      .listBindings()
      .filter((binding) => binding.source !== '')
      .map((binding) => `${binding.source} ${binding.routingKey} ${binding.destination}`);
    const wanted = this.state.bindings.map(({ exchange, key, queue }) => `${exchange} ${key} ${queue.name}`);
    if (bindings.sort().join() !== wanted.sort().join()) {
      throw new HistoryError(`the bindings are [${bindings}], not [${wanted}]`);
    }
    for (const [queue, known] of this.known) await compareQueue(queue, known, last, PATIENCE_MS, this);
  }

  /** Whom channels tell. */
  protected get host(): ChannelHost {
    return this;
  }

  openChannel(): TestChannel {
    const channel = new TestChannel(this.#nextChannel++, this.host);
    this.channels.push(channel);
    return channel;
  }
}
