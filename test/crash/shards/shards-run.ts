import type { AnyQueue } from '../../../src/broker/queues/any-queue.ts';
import { localOf } from '../../../src/broker/queues/any-queue.ts';
import type { Durability } from '../../../src/log/journal/journal-files.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import type { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { type ExpectedQueue, HistoryError } from '../expected-queue.ts';
import type { ComparisonHost } from '../queue-comparison.ts';
import { SimulatedTime } from '../simulated-time.ts';
import type { TestMessage } from '../test-message.ts';
import { assertAlike, compareShards } from './compare-shards.ts';
import { ShardChannel, type ShardChannelHost } from './shard-channel.ts';
import { ShardOperations } from './shard-operations.ts';
import { ShardsHistory } from './shards-history.ts';
import { SimulatedShards } from './simulated-shards.ts';

const TAIL_LINES = 80;
/** Simulated time within which the broker must have done whatever it was asked for. */
const PATIENCE_MS = 120_000;
const KIB = 1024;

export interface ShardsRunOptions {
  readonly shards?: number;
  readonly durability?: Durability | null;
  readonly diskFreeLimitBytes?: number;
}

/**
 * One seeded schedule, as PowerCutRun, for a process with several shards: clients in all of them publish to queues of any, consume, and
 * change the topology; all shards end at the same instant, and each disk forgets something else.
 */
export class ShardsRun implements ComparisonHost {
  readonly time: SimulatedTime;
  readonly shards: SimulatedShards;
  readonly history: ShardsHistory;
  readonly random: () => number;
  readonly damagedPath = null;
  channels: ShardChannel[] = [];
  /** Counts starts and ends: what belongs to one of them tells nothing to the next. */
  life = 0;
  readonly #durability: Durability;
  readonly #lines: string[] = [];
  readonly #operations = new ShardOperations(this);
  /** How much happens between two operations. */
  readonly #pace: number;
  #error: unknown = null;
  #isAlive = true;
  #mayFail = false;
  #hasFailed = false;
  #nextChannel = 1;

  constructor(
    seed: number,
    { shards = 3, durability = null, diskFreeLimitBytes = 0 }: ShardsRunOptions = {},
  ) {
    this.random = seededRandom(seed);
    this.time = new SimulatedTime(this.random);
    this.#durability =
      durability ??
      this.pick<Durability>([
        { mode: 'sync' },
        { mode: 'sync' },
        { mode: 'sync' },
        { mode: 'interval', intervalMs: 20 },
        { mode: 'os' },
      ]);
    this.#pace = this.pick([0, 1, 3, 10, 40]);
    this.history = new ShardsHistory(shards, (line) => this.note(line));
    this.shards = new SimulatedShards(this.time, {
      count: shards,
      ringBytes: 64 * KIB,
      options: {
        chunkBytes: this.between(1, 4) * 4 * KIB,
        journalFileBytes: this.between(1, 4) * 8 * KIB,
        journalLimitBytes: this.between(4, 8) * 8 * KIB,
        memoryLimitBytes: this.between(2, 8) * 8 * KIB,
        segmentBytes: this.between(1, 2) * 8 * KIB,
        reclaimMs: this.pick([1, 10, 100, 2000]),
        durability: this.#durability,
        diskFreeLimitBytes,
      },
      onFailure: (_shard, error) => {
        if (this.#mayFail && this.#isAlive) this.#hasFailed = true;
        else this.fail(error);
      },
      note: (line) => this.note(line),
    });
  }

  /** Without `sync`, confirmed does not mean on disk. */
  get isSynced(): boolean {
    return this.#durability.mode === 'sync';
  }

  get messages(): ReadonlyMap<number, TestMessage> {
    return this.history.messages;
  }

  get fault(): unknown {
    return this.#error;
  }

  /** The whole of it. Throws what it found, as HistoryError or as the broker threw it. */
  async run(): Promise<void> {
    const lives = this.between(2, 5);
    for (let life = 0; life < lives; life++) {
      await this.startUntilItLives();
      const mayFail = this.random() < 0.06;
      if (mayFail) this.#letADiskFail();
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
    for (const queue of this.#localQueues()) {
      if (queue.readyCount > 0) throw new HistoryError(`${queue.name} was drained, but has messages again`);
    }
  }

  note(line: string): void {
    this.#lines.push(`${this.time.nowMs.toFixed(1)} ${line}`);
    if (this.#lines.length > 4 * TAIL_LINES) this.#lines.splice(0, this.#lines.length - TAIL_LINES);
  }

  /** What happened last, one a line. */
  tail(): string {
    return this.#lines.slice(-TAIL_LINES).join('\n');
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

  anyShard(): number {
    return this.between(0, this.shards.count - 1);
  }

  /** Starts, though the power may be cut while it does. */
  async startUntilItLives(): Promise<void> {
    while (this.random() < 0.1) {
      this.note('start, and the power is cut meanwhile');
      let isOpen = false;
      this.shards.open().then(
        () => {
          isOpen = true;
        },
        () => undefined,
      );
      // Not beyond the start itself: what it journals afterwards is not in the history.
      for (let steps = this.between(0, 200); steps > 0 && !isOpen; steps--) await this.time.step();
      await this.cutPower();
    }
    await this.start();
  }

  async start(): Promise<void> {
    this.life++;
    await this.until(this.shards.open(), 'the start');
    const lasts = this.shards.takeFound();
    this.note(`started; the journals end at blocks ${lasts.join(', ')}`);
    for (const [shard, broker] of this.shards.brokers.entries()) {
      this.history.watch(shard, broker, (error) => this.fail(error));
    }
    await compareShards(this, lasts, PATIENCE_MS);
  }

  async work(operations: number): Promise<void> {
    for (const channel of this.channels.splice(0)) channel.close();
    for (let i = this.between(1, 5); i > 0; i--) this.openChannel(this.anyShard());
    while (operations-- > 0 && !this.#hasFailed) {
      this.#operations.next();
      this.check();
      await this.#steps(this.between(0, this.#pace));
    }
  }

  publishTo(channel: ShardChannel, queue: string): number {
    return this.#operations.publishTo(channel, queue);
  }

  openChannel(shard: number): ShardChannel {
    const channel = new ShardChannel(this.#nextChannel++, this.#hostOf(shard));
    this.channels.push(channel);
    return channel;
  }

  /** Closes the broker, unless the power is cut meanwhile. */
  async stop(): Promise<void> {
    if (this.random() < 0.3) {
      this.note('close, and the power is cut meanwhile');
      this.shards.close().catch(() => undefined);
      await this.#steps(this.between(0, 200));
      await this.cutPower();
      return;
    }
    await this.closeCleanly();
    if (this.random() < 0.5) await this.cutPower();
  }

  async closeCleanly(): Promise<void> {
    this.note('close');
    const lasts = await this.until(this.shards.close(), 'the close');
    this.check();
    this.channels = [];
    this.life++;
    await this.time.forget();
    this.history.closed(lasts);
  }

  /** The process ends at once; what it wrote is in the system's cache. */
  async kill(): Promise<void> {
    this.note('the process is killed');
    await this.#end((disk) => disk.kill(this.random));
  }

  async cutPower(): Promise<void> {
    this.note('the power is cut');
    await this.#end((disk) => disk.crash(this.random));
  }

  /** Takes and acknowledges everything, and nothing is on its way any more. */
  async drain(): Promise<void> {
    for (const channel of this.channels.splice(0)) channel.close();
    const isQuiet = (): boolean => {
      this.check();
      return this.history.waiting === 0 && this.shards.isIdle && !this.time.isBusy;
    };
    if (!(await this.time.runUntil(isQuiet, PATIENCE_MS))) {
      throw new HistoryError(`publishers still wait for ${this.history.waiting} messages`);
    }
    assertAlike(this.shards);
    for (const queue of this.#localQueues()) {
      const channel = this.openChannel(queue.shard);
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
    for (const queue of this.#localQueues()) {
      const expected = this.history.expectedOf(queue);
      const { journal } = this.shards.brokers[queue.shard].shard.store;
      if (!queue.isBalanced) throw new HistoryError(`the ledger of ${queue.name} does not balance`);
      if (queue.ledger.lost > 0) throw new HistoryError(`${queue.name} lost ${queue.ledger.lost} messages`);
      const { readyCount: ready, unacknowledgedCount: unacknowledged } = queue;
      if (ready !== expected.readyCount || unacknowledged !== expected.unacknowledgedCount) {
        throw new HistoryError(
          `${queue.name} has ${ready} ready and ${unacknowledged} unacknowledged messages, ` +
            `not ${expected.readyCount} and ${expected.unacknowledgedCount}`,
        );
      }
      if (queue.log.pendingAcknowledgements.length > 0) continue;
      expected.settlementsAreIn(journal.blockNumber);
      if (journal.isIdle && this.isSynced) expected.settlementsAreSafe();
    }
  }

  until<T>(promise: Promise<T>, what: string): Promise<T> {
    return this.time.outcomeOf(promise, what, PATIENCE_MS, () => this.#error);
  }

  #localQueues() {
    return this.shards.brokers.flatMap((_, shard) => [...localOf(this.shards.vhost(shard).queues())]);
  }

  #hostOf(shard: number): ShardChannelHost {
    const { history, isSynced } = this;
    return {
      shard,
      history,
      isSynced,
      broker: this.shards.brokers[shard],
      expectedOf: (queue): ExpectedQueue => history.expectedOf(queue as AnyQueue),
      note: (line) => this.note(line),
      fail: (error) => this.fail(error),
      confirmed: (block) => {
        if (this.isSynced) history.confirm(shard, block);
      },
    };
  }

  /** One of the next operations of one of them: the process has to end, and to confirm nothing that it does not know to be safe. */
  #letADiskFail(): void {
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
    const shard = this.anyShard();
    this.#mayFail = true;
    this.note(`the next ${operation} of shard ${shard} fails`);
    this.shards.disks[shard].failNext(operation, 'EIO');
  }

  async #end(how: (disk: SimulatedFileSystem) => SimulatedFileSystem): Promise<void> {
    this.#isAlive = false;
    this.life++;
    await this.shards.end(how);
    this.channels = [];
    this.history.ended();
    this.#isAlive = true;
    this.#mayFail = false;
    this.#hasFailed = false;
  }

  async #steps(count: number): Promise<void> {
    while (count-- > 0 && (this.time.isBusy || this.random() < 0.1)) await this.time.step();
    this.check();
  }
}
