import type { Broker } from '../../../src/broker/broker.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import type { Durability } from '../../../src/log/journal/journal-files.ts';
import { batchBytes } from '../../../src/records/batch-view.ts';
import { isControl, isTransactional, producerIdOf } from '../../../src/records/producer-fields.ts';
import { RecordCursor } from '../../../src/records/record-cursor.ts';
import { isAbort } from '../../../src/records/transaction-marker.ts';
import { ShardProducer } from '../../broker/shards/shard-producer.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { HistoryError } from '../expected-queue.ts';
import { SimulatedTime } from '../simulated-time.ts';
import { compareTransactions } from './kafka-transaction.ts';
import { SimulatedShards } from './simulated-shards.ts';
import { type ClientWorld, TransactionalClient } from './transactional-client.ts';

const KIB = 1024;
const SHARDS = 3;
const PARTITIONS = 6;
/** Simulated. */
const PATIENCE_MS = 120_000;
const READ_BYTES = 16 * KIB;
const NOT_ANSWERED = Symbol('not answered');

/**
 * Producers with transactions over partitions of three shards, two of which have the same transactional id; all shards lose their power at
 * once, again and again. What was answered as committed is there as a whole, what was aborted is not, and nothing is left open.
 */
export class TransactionsRun implements ClientWorld {
  readonly random: () => number;
  readonly partitionCount = PARTITIONS;
  isEnding = false;
  readonly isSynced: boolean;
  readonly #time: SimulatedTime;
  readonly #shards: SimulatedShards;
  readonly #lines: string[] = [];
  #clients: TransactionalClient[] = [];
  #error: unknown = null;
  #isOpen = false;
  #waitingForStart: (() => void)[] = [];
  #endLife: () => void = () => undefined;
  #ended: Promise<typeof NOT_ANSWERED> = new Promise(() => undefined);

  constructor(seed: number, durability: Durability = { mode: 'sync' }) {
    this.random = seededRandom(seed);
    this.isSynced = durability.mode === 'sync';
    this.#time = new SimulatedTime(this.random);
    this.#shards = new SimulatedShards(this.#time, {
      count: SHARDS,
      ringBytes: 64 * KIB,
      options: {
        chunkBytes: this.between(1, 4) * 4 * KIB,
        journalFileBytes: this.between(1, 4) * 8 * KIB,
        journalLimitBytes: this.between(4, 8) * 8 * KIB,
        memoryLimitBytes: this.between(2, 8) * 8 * KIB,
        segmentBytes: this.between(1, 2) * 8 * KIB,
        reclaimMs: this.between(1, 100),
        durability,
        diskFreeLimitBytes: 0,
      },
      onFailure: (shard, error) => this.#fail(new Error(`shard ${shard} fails`, { cause: error })),
      note: (line) => this.note(line),
    });
  }

  get brokers(): readonly Broker[] {
    return this.#shards.brokers;
  }

  partition(index: number): Partition {
    const shard = index % SHARDS;
    return this.brokers[shard].streams.get('/', 's')!.own(index);
  }

  between = (low: number, high: number): number => low + Math.floor(this.random() * (high - low + 1));

  sleep = (ms: number): Promise<void> => this.#sleepUntil(this.#time.nowMs + ms);

  note(line: string): void {
    this.#lines.push(`${this.#time.nowMs.toFixed(1)} ${line}`);
    if (this.isSynced && line.includes('a transaction is aborted in a partition'))
      this.#fail(new HistoryError('shard 0 does not know a transaction, which cannot be'));
  }

  tail(): string {
    return this.#lines.slice(-60).join('\n');
  }

  async run(): Promise<void> {
    await this.#start();
    const [first] = this.brokers;
    first.streams.create({
      vhost: '/',
      name: 's',
      partitions: PARTITIONS,
      configs: new Map(),
      shards: 'spread',
    });
    await this.#done(first.metadataIsSafe());
    this.#clients = ['a', 'a', 'b', 'c'].map(
      (id, index) => new TransactionalClient(`${id}${index}`, id, this),
    );
    for (const client of this.#clients) client.run().catch((error) => this.#fail(error));
    for (let lives = this.between(1, 4); lives > 0; lives--) {
      await this.#steps(this.between(0, 3000));
      await this.#end();
      await this.#start();
    }
    await this.#steps(this.between(0, 1000));
    this.isEnding = true;
    await this.#until(
      () => this.#clients.every(({ isDone }) => isDone),
      'the clients do not come to their end',
    );
    await this.#abortAll();
    await this.#check();
    if (!this.isSynced) return;
    await this.#end();
    await this.#start();
    await this.#check();
  }

  async untilAnswered<T>(run: () => Promise<T>): Promise<T> {
    for (;;) {
      if (!this.#isOpen) await new Promise<void>((resolve) => this.#waitingForStart.push(resolve));
      const ended = this.#ended;
      try {
        const answer = await Promise.race([run(), ended]);
        if (answer !== NOT_ANSWERED) return answer as T;
      } catch (error) {
        // What ends has not said it to anybody.
        if (this.#isOpen && ended === this.#ended) throw error;
        await ended;
      }
    }
  }

  async #start(): Promise<void> {
    await this.#done(this.#shards.open());
    this.#ended = new Promise((resolve) => {
      this.#endLife = () => resolve(NOT_ANSWERED);
    });
    this.#isOpen = true;
    this.note('started');
    for (const resume of this.#waitingForStart.splice(0)) resume();
  }

  async #end(): Promise<void> {
    const how = this.random();
    this.#isOpen = false;
    if (how < 0.2) {
      this.note('stop');
      await this.#done(this.#shards.close());
      await this.#shards.end((disk) => disk);
    } else {
      this.note(how < 0.4 ? 'kill' : 'power cut');
      await this.#shards.end((disk) => (how < 0.4 ? disk.kill(this.random) : disk.crash(this.random)));
    }
    this.#endLife();
  }

  /** As whoever takes all transactional ids. */
  async #abortAll(): Promise<void> {
    for (const id of ['a', 'b', 'c']) {
      const producer = new ShardProducer(id, () => this.brokers);
      if (!(await this.#done(producer.initialize())))
        throw new HistoryError(`the last transaction of ${id} has no end`);
    }
  }

  async #check(): Promise<void> {
    await this.#until(() => this.#shards.isIdle, 'the disks are not idle');
    await this.#until(() => !this.#hangs(), 'a transaction hangs');
    if (!this.isSynced) return;
    const visible: string[][] = [];
    for (let index = 0; index < PARTITIONS; index++) {
      const partition = this.partition(index);
      visible.push(await this.#committedIn(partition));
    }
    const [{ groups, streams }] = this.brokers;
    const streamId = streams.get('/', 's')!.id;
    for (const { transactions, group } of this.#clients) {
      const committed = groups.find('/', group)?.offsets.get(streamId, 0)?.offset ?? null;
      compareTransactions(transactions, visible, committed);
    }
  }

  #hangs(): boolean {
    for (let index = 0; index < PARTITIONS; index++) {
      const { lastStableOffset, highWatermark } = this.partition(index);
      if (lastStableOffset !== highWatermark) return true;
    }
    return false;
  }

  /** What a reader of what is committed gets. */
  async #committedIn(partition: Partition): Promise<string[]> {
    const { highWatermark } = partition;
    const open = new Map<number, string[]>();
    const committed: string[] = [];
    for (let from = partition.startOffset; from < highWatermark; ) {
      const { bytes, nextOffset } = await this.#done(partition.read(from, highWatermark, READ_BYTES));
      for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) {
        const producerId = producerIdOf(bytes, at);
        if (isControl(bytes, at)) {
          const values = open.get(producerId);
          if (values === undefined)
            throw new HistoryError(`partition ${partition.index} has the end of nothing`);
          if (!isAbort(bytes, at)) committed.push(...values);
          open.delete(producerId);
        } else if (isTransactional(bytes, at)) {
          open.set(producerId, [...(open.get(producerId) ?? []), ...valuesOf(bytes, at)]);
        }
      }
      from = nextOffset;
    }
    return committed;
  }

  #fail(error: unknown): void {
    this.#error ??= error;
  }

  /** Not by a timer of the broker's process, which goes with it. */
  #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];

  #sleepUntil(atMs: number): Promise<void> {
    return new Promise((wake) => this.#sleepers.push({ atMs, wake }));
  }

  #wake(): void {
    const due = this.#sleepers.filter(({ atMs }) => atMs <= this.#time.nowMs);
    if (due.length === 0) return;
    this.#sleepers = this.#sleepers.filter(({ atMs }) => atMs > this.#time.nowMs);
    for (const { wake } of due) wake();
  }

  #done<T>(promise: Promise<T>): Promise<T> {
    return this.#time.outcomeOf(promise, 'what is awaited', PATIENCE_MS, () => this.#error);
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    const limitMs = this.#time.nowMs + PATIENCE_MS;
    while (!condition()) {
      await this.#steps(1);
      if (this.#time.nowMs > limitMs) throw new HistoryError(what);
    }
  }

  async #steps(count: number): Promise<void> {
    for (; count > 0; count--) {
      this.#wake();
      if (this.#error !== null) throw this.#error;
      await this.#time.step();
    }
    if (this.#error !== null) throw this.#error;
  }
}

function valuesOf(bytes: Buffer, at: number): string[] {
  const values: string[] = [];
  const cursor = new RecordCursor().open(bytes, at);
  while (cursor.next()) {
    cursor.readContent();
    const { valueStart, valueLength } = cursor;
    values.push(cursor.bytes.toString('latin1', valueStart, valueStart + valueLength));
  }
  return values;
}
