import { Broker } from '../../src/broker/broker.ts';
import type { Partition } from '../../src/broker/streams/partition.ts';
import { Inspector } from '../../src/cli/doctor/inspection.ts';
import { CorruptionError } from '../../src/log/corruption.ts';
import type { Durability } from '../../src/log/journal/journal-files.ts';
import { verifyBatch } from '../../src/records/batch-checksum.ts';
import { BatchView } from '../../src/records/batch-view.ts';
import { MessageView } from '../../src/records/message-view.ts';
import { RecordCursor } from '../../src/records/record-cursor.ts';
import { transactionEndBatch } from '../../src/records/transaction-marker.ts';
import { fillView } from '../broker/test-broker.ts';
import { producedBatch } from '../log/compaction/produced-batch.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { SimulatedFileSystem } from '../support/simulated-filesystem/simulated-filesystem.ts';
import { HistoryError } from './expected-queue.ts';
import { type ExpectedRecord, ExpectedStream, type FoundBatch, type StreamKind } from './expected-stream.ts';
import { SimulatedTime } from './simulated-time.ts';

const DIRECTORY = '/data';
const PATIENCE_MS = 120_000;
const KIB = 1024;
const TAIL_LINES = 60;
const KEYS = 25;
const BODY_AT = 21;

/**
 * One seeded schedule: random batches, transactions and deletions on streams over a simulated disk, while old segments
 * leave and are compacted; power cuts at random instants, restarts, and after each the question whether every batch of
 * every block that the journal has is there, byte for byte, and none of any other.
 */
export class StreamRun {
  readonly time: SimulatedTime;
  readonly random: () => number;
  readonly history: string[] = [];
  fs: SimulatedFileSystem;
  broker!: Broker;
  /** A file in which there is a wrong bit: streams may say so. */
  damagedPath: string | null = null;
  wasReported = false;
  #streams = new Map<string, ExpectedStream>();
  /** What was said to be safe. */
  #confirmed = 0;
  #foundBlock: number | null = null;
  #isAlive = true;
  #mayFail = false;
  #hasFailed = false;
  #error: unknown = null;
  #nextName = 1;
  readonly #limits: {
    readonly chunkBytes: number;
    readonly journalFileBytes: number;
    readonly journalLimitBytes: number;
    readonly memoryLimitBytes: number;
    readonly durability: Durability;
    readonly reclaimMs: number;
    readonly diskFreeLimitBytes: number;
  };
  readonly #pace: number;
  readonly #messageView = new MessageView();

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
    this.#limits = {
      chunkBytes: this.between(1, 4) * 4 * KIB,
      journalFileBytes: this.between(1, 4) * 8 * KIB,
      journalLimitBytes: this.between(4, 8) * 8 * KIB,
      memoryLimitBytes: this.between(2, 8) * 8 * KIB,
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

  between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)];
  }

  note(line: string): void {
    this.history.push(`${this.time.nowMs.toFixed(1)} ${line}`);
    if (this.history.length > 4 * TAIL_LINES) this.history.splice(0, this.history.length - TAIL_LINES);
  }

  tail(): string {
    return this.history.slice(-TAIL_LINES).join('\n');
  }

  async run(): Promise<void> {
    for (let life = this.between(2, 5); life > 0; life--) {
      await this.start();
      const mayFail = this.random() < 0.1;
      if (mayFail) this.#letTheDiskFail();
      await this.work(this.between(5, 120));
      const end = this.random();
      if (mayFail) await this.cutPower();
      else if (end < 0.25) await this.close();
      else if (end < 0.45) await this.kill();
      else await this.cutPower();
    }
    await this.start();
    await this.close();
    await this.start();
  }

  async start(): Promise<void> {
    while (this.random() < 0.1) {
      this.note('start, and the power is cut meanwhile');
      let isOpen = false;
      this.#open().then(
        () => {
          isOpen = true;
        },
        () => undefined,
      );
      for (let steps = this.between(0, 60); steps > 0 && !isOpen; steps--) await this.time.step();
      await this.cutPower();
    }
    if (this.damagedPath === null && this.random() < 0.3) await this.#inspect();
    this.broker = await this.#until(this.#open(), 'the start');
    const last = this.#foundBlock as number;
    this.#foundBlock = null;
    this.note(`started; the journal ends at block ${last}`);
    if (last < this.#confirmed)
      throw new HistoryError(`block ${this.#confirmed} was safe; ${last} is the last`);
    await this.#compare(last);
  }

  /** Whatever happened, the doctor finds no damage where there is none. */
  async #inspect(): Promise<void> {
    const { findings } = await this.#until(new Inspector(this.fs, DIRECTORY).inspect(), 'the inspection');
    for (const { path, what } of findings) throw new HistoryError(`the doctor says of ${path}: ${what}`);
  }

  async work(operations: number): Promise<void> {
    while (operations-- > 0 && !this.#hasFailed) {
      this.#operate();
      this.broker.shard.whenDurable(this.broker.shard.currentBlock, {
        onDurable: (block) => {
          // Without `sync`, confirmed does not mean on disk.
          const counts = this.#isAlive && this.#limits.durability.mode === 'sync';
          if (counts) this.#confirmed = Math.max(this.#confirmed, block);
        },
      });
      await this.#steps(this.between(0, this.#pace));
      if (this.random() < 0.03 && !this.#mayFail) await this.readSome();
    }
  }

  /** One stream is read, while everything else goes on. */
  async readSome(): Promise<void> {
    const stream = this.pick([...this.#present()]);
    if (stream === undefined) return;
    const from = this.#partitionOf(stream).startOffset;
    await this.#until(this.#read(this.#partitionOf(stream), from), `a read of ${stream.name}`);
  }

  async close(): Promise<void> {
    this.note('close');
    await this.#until(this.broker.close(), 'the close');
    await this.time.forget();
    this.#confirmed = Math.max(this.#confirmed, this.broker.shard.currentBlock - 1);
  }

  async kill(): Promise<void> {
    this.note('the process is killed');
    await this.#end(() => this.fs.kill(this.random));
  }

  async cutPower(): Promise<void> {
    this.note('the power is cut');
    await this.#end(() => this.fs.crash(this.random));
  }

  /** One of the next operations: the broker has to end, and not to confirm what it does not know to be safe. */
  #letTheDiskFail(): void {
    const operations = ['write', 'sync', 'syncDirectory', 'open', 'rename', 'truncate', 'read'] as const;
    const operation = this.pick(operations);
    this.note(`the next ${operation} fails`);
    this.#mayFail = true;
    this.fs.failNext(operation, 'EIO');
  }

  async #end(how: () => SimulatedFileSystem): Promise<void> {
    this.#isAlive = false;
    this.fs = how();
    await this.time.forget();
    this.#isAlive = true;
    this.#mayFail = false;
    this.#hasFailed = false;
  }

  #open(): Promise<Broker> {
    const { fs } = this;
    return Broker.open({
      dataDirectory: DIRECTORY,
      fileSystem: fs,
      clock: this.time,
      scheduler: this.time,
      ...this.#limits,
      streamUpkeep: { retentionCheckMs: 50, compactionMemoryBytes: 1, compactionBytesPerSecond: 2 ** 30 },
      onFailure: (error) => {
        // Of a process that is gone: some of its promises ended only now.
        if (fs !== this.fs) return;
        if (this.#isAlive && this.#mayFail) this.#hasFailed = true;
        else if (this.#isAlive) this.#error ??= error;
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

  #operate(): void {
    const streams = [...this.#present()];
    const choice = this.random();
    if (streams.length === 0 || (choice < 0.04 && streams.length < 5)) this.#create();
    else if (choice < 0.05) this.#delete(this.pick(streams));
    else if (choice < 0.08) this.#deleteRecords(this.pick(streams));
    else if (choice < 0.18) this.#endTransaction(this.pick(streams));
    else if (choice < 0.4) this.#publish(this.pick(streams));
    else this.#append(this.pick(streams));
  }

  #create(): void {
    // Nothing is made while disk space is short.
    if (this.broker.shard.alarms.isBlocking) return;
    const kind = this.pick<StreamKind>(['plain', 'short', 'compact', 'compact']);
    const name = `${kind}-${this.#nextName++}`;
    const retentionBytes = kind === 'short' ? this.between(1, 8) * 4 * KIB : Number.POSITIVE_INFINITY;
    const configs = new Map([
      ['cleanup.policy', kind === 'compact' ? 'compact' : 'delete'],
      ['segment.bytes', String(this.between(1, 4) * 4 * KIB)],
      ['segment.ms', String(this.pick([1, 20, 1000]))],
      ['min.cleanable.dirty.ratio', this.pick(['0', '0.3'])],
      ['delete.retention.ms', String(this.pick([0, 5, 1000]))],
      ['retention.ms', '-1'],
    ]);
    if (kind === 'short') configs.set('retention.bytes', String(retentionBytes));
    this.broker.streams.create({ vhost: '/', name, partitions: 1, configs });
    const block = this.broker.shard.currentBlock;
    this.note(`create ${name} in block ${block}`);
    this.#streams.set(name, new ExpectedStream(name, kind, retentionBytes, block));
  }

  #delete(stream: ExpectedStream): void {
    this.broker.streams.delete(this.broker.streams.get('/', stream.name)!);
    stream.deletedBlock = this.broker.shard.currentBlock;
    this.note(`delete ${stream.name} in block ${stream.deletedBlock}`);
  }

  #deleteRecords(stream: ExpectedStream): void {
    const partition = this.#partitionOf(stream);
    const offset = this.between(partition.startOffset, partition.highWatermark);
    if (offset <= partition.startOffset) return;
    partition.deleteBefore(offset);
    const block = this.broker.shard.currentBlock;
    this.note(`delete records of ${stream.name} below ${offset} in block ${block}`);
    stream.starts.push({ block, offset });
  }

  #append(stream: ExpectedStream): void {
    const records: ExpectedRecord[] = Array.from({ length: this.between(1, 8) }, () => ({
      key: `key-${this.between(1, KEYS)}`,
      value:
        this.random() < 0.2
          ? null
          : `${this.random()}`.repeat(this.between(0, this.random() < 0.05 ? 400 : 8)),
    }));
    const producerId = this.random() < 0.25 ? this.between(1, 3) : null;
    const batch = producedBatch(
      records.map((record, index) => ({ ...record, timestampMs: this.time.now() + index })),
      {
        compression: this.random() < 0.3 ? this.between(1, 4) : 0,
        ...(producerId !== null && { producerId, isTransactional: true }),
      },
    );
    this.#appendTo(stream, batch, { records, producerId, end: null });
  }

  /** Messages of one turn, which the broker gathers to batches; the smallest chunks hold several of them. */
  #publish(stream: ExpectedStream): void {
    const partition = this.#partitionOf(stream);
    for (let count = this.between(1, 6); count > 0; count--) {
      const value = `${this.random()}`.repeat(this.between(0, this.random() < 0.05 ? 40 : 8));
      const record = { key: `key-${this.between(1, KEYS)}`, value };
      fillView(this.#messageView, record.key, value);
      partition.gather(this.#messageView, this.time.now());
      const block = this.broker.shard.currentBlock;
      const baseOffset = stream.end;
      this.note(`publish to ${stream.name}, at ${baseOffset} in block ${block}`);
      stream.appended({ block, baseOffset, body: null, records: [record], producerId: null, end: null });
    }
  }

  #endTransaction(stream: ExpectedStream): void {
    const producerId = this.pick([...stream.open.keys()]);
    if (producerId === undefined) return;
    const end = this.pick(['commit', 'abort'] as const);
    const batch = transactionEndBatch({
      timestampMs: this.time.now(),
      producerId,
      producerEpoch: 0,
      isCommit: end === 'commit',
      coordinatorEpoch: 0,
    });
    this.#appendTo(stream, batch, { records: [{ key: null, value: null }], producerId, end });
  }

  #appendTo(
    stream: ExpectedStream,
    batch: Buffer,
    what: {
      readonly records: readonly ExpectedRecord[];
      readonly producerId: number | null;
      readonly end: 'commit' | 'abort' | null;
    },
  ): void {
    const baseOffset = this.#partitionOf(stream).append(batch, 0, batch.length);
    const block = this.broker.shard.currentBlock;
    this.note(`append ${what.records.length} to ${stream.name} at ${baseOffset} in block ${block}`);
    stream.appended({ ...what, block, baseOffset, body: Buffer.from(batch.subarray(BODY_AT)) });
  }

  *#present(): Iterable<ExpectedStream> {
    for (const stream of this.#streams.values()) {
      if (stream.deletedBlock === Number.POSITIVE_INFINITY) yield stream;
    }
  }

  #partitionOf({ name }: ExpectedStream): Partition {
    const partition = this.broker.streams.get('/', name)?.ownPartitions[0];
    if (partition === undefined) throw new HistoryError(`stream ${name} is gone`);
    return partition;
  }

  async #compare(last: number): Promise<void> {
    for (const stream of [...this.#streams.values()]) {
      if (stream.createdBlock > last || stream.deletedBlock <= last) {
        this.#streams.delete(stream.name);
        if (this.broker.streams.get('/', stream.name) !== undefined)
          throw new HistoryError(`stream ${stream.name} should not be there`);
      } else {
        stream.restarted(last);
        await this.#compareStream(stream);
      }
    }
    const count = this.broker.streams.list('/').length;
    if (count !== this.#streams.size) throw new HistoryError(`${count} streams, not ${this.#streams.size}`);
  }

  async #compareStream(stream: ExpectedStream): Promise<void> {
    const partition = this.#partitionOf(stream);
    const stable = Math.min(partition.highWatermark, ...stream.open.values());
    if (partition.lastStableOffset !== Math.max(stable, partition.startOffset)) {
      throw new HistoryError(`${stream.name} is decided below ${partition.lastStableOffset}, not ${stable}`);
    }
    const reading = this.#read(partition, partition.startOffset);
    const { found, isReadable } = await this.#until(reading, `reading ${stream.name}`);
    this.note(`${stream.name} has ${found.map(({ baseOffset }) => baseOffset).join(' ')}`);
    // Meanwhile more may have been deleted.
    const { startOffset, endOffset } = partition;
    const left = found.filter(({ lastOffset }) => lastOffset >= startOffset);
    stream.check(startOffset, endOffset, left, isReadable);
  }

  async #read(
    partition: Partition,
    from: number,
  ): Promise<{ readonly found: FoundBatch[]; readonly isReadable: boolean }> {
    const found: FoundBatch[] = [];
    try {
      for (let at = from; at < partition.highWatermark; ) {
        const { bytes, nextOffset } = await partition.read(
          at,
          partition.highWatermark,
          this.between(1, 20) * KIB,
        );
        for (let start = 0; start < bytes.length; ) {
          const batch = batchAt(bytes, start);
          start += new BatchView(bytes, start).byteLength;
          if (batch.lastOffset >= at) found.push(batch);
        }
        if (nextOffset <= at) break;
        at = nextOffset;
      }
    } catch (error) {
      // The records before it were told, and are right; what is behind it is not told.
      const { cause } = error as Error;
      if (!(cause instanceof CorruptionError) || cause.path !== this.damagedPath) throw error;
      this.wasReported = true;
      return { found, isReadable: false };
    }
    return { found, isReadable: true };
  }

  #until<T>(promise: Promise<T>, what: string): Promise<T> {
    return this.time.outcomeOf(promise, what, PATIENCE_MS, () => this.#error);
  }

  async #steps(count: number): Promise<void> {
    while (count-- > 0 && (this.time.isBusy || this.random() < 0.1)) await this.time.step();
    if (this.#error !== null) throw this.#error;
  }
}

function batchAt(bytes: Buffer, at: number): FoundBatch {
  const fault = verifyBatch(bytes, at, bytes.length, true);
  if (fault !== null) throw new HistoryError(`a reader got a batch with ${fault}`);
  const { baseOffset, lastOffset, end, isControl } = new BatchView(bytes, at);
  const body = Buffer.from(bytes.subarray(at + BODY_AT, end));
  const records: { offset: number; key: string | null; value: string | null }[] = [];
  const cursor = new RecordCursor().open(bytes, at);
  while (!isControl && cursor.next()) {
    cursor.readContent();
    const { offset, keyStart, keyLength, valueStart, valueLength } = cursor;
    const text = cursor.bytes.toString('utf8', keyStart, keyStart + keyLength);
    const value =
      valueLength < 0 ? null : cursor.bytes.toString('utf8', valueStart, valueStart + valueLength);
    records.push({ offset, key: keyLength < 0 ? null : text, value });
  }
  return { baseOffset, lastOffset, body, records };
}
