import assert from 'node:assert/strict';
import { systemScheduler } from '../../../src/base/scheduler.ts';
import { compactLog } from '../../../src/log/compaction/compact-log.ts';
import type { FileSystem } from '../../../src/log/files/filesystem.ts';
import { segmentFileName } from '../../../src/log/segments/segment.ts';
import { SegmentDirectory } from '../../../src/log/segments/segment-directory.ts';
import type { SegmentedLog, SegmentInfo } from '../../../src/log/segments/segmented-log.ts';
import type { AbortedRange } from '../../../src/log/streams/retention-settings.ts';
import { verifyBatch } from '../../../src/records/batch-checksum.ts';
import { writeInt64 } from '../../../src/records/batch-layout.ts';
import { BatchView } from '../../../src/records/batch-view.ts';
import { BatchOpener } from '../../../src/records/opening/batch-opener.ts';
import { RecordCursor } from '../../../src/records/record-cursor.ts';
import { transactionEndBatch } from '../../../src/records/transaction-marker.ts';
import { type ProducedRecord, producedBatch } from './produced-batch.ts';

const ROOT = '/data/logs';
const KEYS = 40;
const DELETE_RETENTION_MS = 1000;

interface StoredRecord extends ProducedRecord {
  readonly offset: number;
  readonly producerId: number;
  readonly appendedMs: number;
  /** Undefined as long as its transaction goes on. */
  isCommitted: boolean | undefined;
}

interface OpenTransaction {
  readonly firstOffset: number;
  readonly records: StoredRecord[];
}

interface Durable {
  readonly table: readonly SegmentInfo[] | null;
  readonly end: number;
  readonly cleanedTo: number;
}

/** A compacted log of random records and transactions, and what it must hold whatever is done to it. */
export class CompactionModel {
  fs: FileSystem;
  log: SegmentedLog;
  end = 0;
  cleanedTo = 0;
  compactions = 0;
  /** Timestamps are the offsets; this is the broker's own time. */
  nowMs = 1_700_000_000_000;
  directory: SegmentDirectory;
  #records: StoredRecord[] = [];
  #open = new Map<number, OpenTransaction>();
  #aborted: AbortedRange[] = [];
  /** Producer and offset of each end of a transaction. */
  #ends: [number, number][] = [];
  #durable: Durable = { table: null, end: 0, cleanedTo: 0 };
  readonly #random: () => number;
  readonly #opener = new BatchOpener(systemScheduler);
  #inSnapshot = false;

  constructor(fs: FileSystem, random: () => number) {
    this.fs = fs;
    this.#random = random;
    this.directory = this.#openDirectory();
    this.log = this.#openLog(null);
  }

  #openDirectory(): SegmentDirectory {
    return new SegmentDirectory(this.fs, ROOT, { segmentBytes: 3000, maxOpenFiles: 2 });
  }

  #openLog(table: readonly SegmentInfo[] | null): SegmentedLog {
    return this.directory.openStream(7, table, { now: () => this.nowMs, monotonicMs: () => this.nowMs });
  }

  #upTo(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  async append(): Promise<void> {
    const producerId = this.#upTo(3) === 0 ? 1 + this.#upTo(3) : -1;
    const records = Array.from({ length: 1 + this.#upTo(12) }, (_, index) => ({
      key: this.#upTo(60) === 0 ? null : `key-${this.#upTo(KEYS)}`,
      value: this.#upTo(5) === 0 ? null : `value-${this.end + index}`.padEnd(this.#upTo(120), '.'),
      timestampMs: this.end + index + this.#upTo(5),
    }));
    const compression = this.#upTo(2) === 0 ? this.#upTo(5) : 0;
    const isTransactional = producerId > 0;
    const baseOffset = this.end;
    const batch = producedBatch(records, { baseOffset, compression, producerId, isTransactional });
    await this.#append([batch], records.length);
    const stored = records.map((record, index) => ({
      ...record,
      offset: baseOffset + index,
      producerId,
      appendedMs: this.nowMs,
      isCommitted: isTransactional ? undefined : true,
    }));
    this.#records.push(...stored);
    if (!isTransactional) return;
    const transaction = this.#open.get(producerId) ?? { firstOffset: baseOffset, records: [] };
    transaction.records.push(...stored);
    this.#open.set(producerId, transaction);
  }

  async endTransaction(): Promise<void> {
    const [producerId, transaction] = [...this.#open][this.#upTo(this.#open.size)] ?? [];
    if (producerId === undefined || transaction === undefined) return;
    const isCommit = this.#upTo(2) === 0;
    const offset = this.end;
    const batch = transactionEndBatch({
      timestampMs: this.nowMs,
      producerId,
      producerEpoch: 0,
      isCommit,
      coordinatorEpoch: 0,
    });
    writeInt64(batch, 0, offset);
    await this.#append([batch], 1);
    this.#open.delete(producerId);
    this.#ends.push([producerId, offset]);
    for (const record of transaction.records) record.isCommitted = isCommit;
    if (!isCommit)
      this.#aborted.push({ producerId, firstOffset: transaction.firstOffset, lastOffset: offset });
  }

  async #append(batches: readonly Buffer[], records: number): Promise<void> {
    const from = this.end;
    await this.log.appendBatches(batches, from, from + records, records);
    this.end = from + records;
  }

  async roll(): Promise<void> {
    await this.log.roll();
  }

  /** A full disk leaves all as it was. `pause` may do things meanwhile. */
  async compact(pause: () => Promise<void>): Promise<void> {
    try {
      await this.#compact(pause);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }

  async #compact(pause: () => Promise<void>): Promise<void> {
    const stable = Math.min(this.end, ...Array.from(this.#open.values(), ({ firstOffset }) => firstOffset));
    let below = 0;
    for (const segment of this.log.segments) {
      if (segment === this.log.active || segment.endOffset > stable) break;
      below = segment.endOffset;
    }
    const { log } = this;
    const cleaned = await compactLog(log, {
      cleanedTo: this.cleanedTo,
      below,
      nowMs: this.nowMs,
      deleteRetentionMs: DELETE_RETENTION_MS,
      segmentBytes: 3000,
      memoryBytes: 1,
      opener: this.#opener,
      abortedIn: (from, to) =>
        this.#aborted.filter((range) => range.firstOffset < to && range.lastOffset >= from),
      pause: async () => {
        await pause();
        return true;
      },
    });
    if (log !== this.log) return;
    if (cleaned > this.cleanedTo) this.compactions++;
    this.cleanedTo = cleaned;
  }

  async snapshot(meanwhile: () => Promise<void>): Promise<void> {
    if (this.#inSnapshot) return;
    this.#inSnapshot = true;
    try {
      const { log, directory } = this;
      const { end, cleanedTo } = this;
      const table = log.table();
      await meanwhile();
      await directory.syncAll();
      await meanwhile();
      if (log !== this.log) return;
      this.#durable = { table, end, cleanedTo };
      await meanwhile();
      await log.deleteDropped(table);
    } finally {
      this.#inSnapshot = false;
    }
  }

  /** What the process after this one begins with: what came after the last snapshot is forgotten. */
  restart(fs: FileSystem): void {
    this.fs = fs;
    this.directory = this.#openDirectory();
    const { table, end, cleanedTo } = this.#durable;
    this.log = this.#openLog(table);
    this.end = end;
    this.cleanedTo = cleanedTo;
    this.#records = this.#records.filter(({ offset }) => offset < end);
    this.#reopen(end);
  }

  /** Transactions whose ends were forgotten go on. */
  #reopen(end: number): void {
    this.#aborted = this.#aborted.filter(({ lastOffset }) => lastOffset < end);
    this.#ends = this.#ends.filter(([, offset]) => offset < end);
    this.#open.clear();
    for (const record of this.#records) {
      if (record.producerId < 0) continue;
      if (this.#ends.some(([producerId, at]) => producerId === record.producerId && at > record.offset))
        continue;
      record.isCommitted = undefined;
      const transaction = this.#open.get(record.producerId) ?? { firstOffset: record.offset, records: [] };
      transaction.records.push(record);
      this.#open.set(record.producerId, transaction);
    }
  }

  /** After two snapshots there are no other files than those of the table. */
  async checkFiles(): Promise<void> {
    for (const _ of [1, 2]) await this.snapshot(async () => {});
    const expected = this.log.segments.map(({ baseOffset }) => segmentFileName(baseOffset));
    assert.deepEqual(await this.fs.list(`${ROOT}/7`), expected);
  }

  /** Reads all, and compares. */
  async check(): Promise<void> {
    const found = await this.#readAll();
    const byKey = Map.groupBy(
      this.#records.filter(({ key, isCommitted }) => key !== null && isCommitted === true),
      ({ key }) => key,
    );
    for (const [key, records] of byKey) {
      const last = records.at(-1)!;
      const present = records.filter(({ offset }) => found.has(offset));
      if (last.value !== null) {
        assert.equal(present.at(-1), last, `the last value of ${key}, at offset ${last.offset}, is there`);
      } else if (!found.has(last.offset)) {
        const age = this.nowMs - last.appendedMs;
        assert.ok(
          age >= DELETE_RETENTION_MS,
          `the deletion at offset ${last.offset} can be seen for long enough`,
        );
        assert.deepEqual(present, [], `nothing of ${key} is there: it was deleted at ${last.offset}`);
      }
      const clean = present.filter(({ offset }) => offset < this.cleanedTo);
      assert.ok(clean.length <= 1, `${key} is there once where it was compacted`);
    }
    for (const { key, offset, isCommitted } of this.#records) {
      if (key === null && isCommitted === true)
        assert.ok(found.has(offset), `offset ${offset}, without a key`);
      if (isCommitted === undefined) assert.ok(found.has(offset), `offset ${offset} is undecided, and there`);
      if (isCommitted === false && offset < this.cleanedTo)
        assert.ok(!found.has(offset), `${offset} is gone`);
    }
  }

  async #readAll(): Promise<Set<number>> {
    const { log } = this;
    const byOffset = new Map(this.#records.map((record) => [record.offset, record]));
    const found = new Set<number>();
    const { end } = this;
    let previous = -1;
    let reached = 0;
    for (let next = 0; ; ) {
      const slice = await log.read(next, 1 + this.#upTo(4000));
      if (slice.isEmpty) {
        assert.ok(reached >= end, `a reader gets to ${reached} of ${end}`);
        return found;
      }
      for (let at = 0; at < slice.buffer.length; ) {
        const header = new BatchView(slice.buffer, at);
        assert.equal(verifyBatch(slice.buffer, at, slice.buffer.length, true), null);
        assert.ok(header.baseOffset > previous || header.baseOffset < next, 'offsets grow');
        reached = header.lastOffset + 1;
        const records = new RecordCursor().open(slice.buffer, at);
        while (!header.isControl && records.next()) {
          records.readContent();
          const { bytes, offset, keyStart, keyLength, valueLength, timestampMs } = records;
          const expected = byOffset.get(offset);
          assert.ok(expected !== undefined, `offset ${offset} was written`);
          const key = keyLength < 0 ? null : bytes.toString('utf8', keyStart, keyStart + keyLength);
          const valueBytes = expected.value === null ? -1 : Buffer.byteLength(expected.value);
          const sameValue =
            expected.value === null || bytes.subarray(0, records.contentEnd).includes(expected.value);
          assert.deepEqual([key, valueLength, timestampMs], [expected.key, valueBytes, expected.timestampMs]);
          assert.ok(sameValue, `the value at ${offset}`);
          found.add(offset);
          previous = offset;
        }
        at = header.end;
      }
      next = slice.nextOffset;
    }
  }
}
