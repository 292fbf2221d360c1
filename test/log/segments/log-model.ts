import assert from 'node:assert/strict';
import type { FileSystem } from '../../../src/log/files/filesystem.ts';
import { OffsetSet } from '../../../src/log/queues/offset-set.ts';
import { SegmentDirectory } from '../../../src/log/segments/segment-directory.ts';
import type { SegmentedLog, SegmentInfo } from '../../../src/log/segments/segmented-log.ts';
import { RecordBatchBuilder } from '../../../src/records/batch-builder.ts';

export const ROOT = '/data/logs';

/** Content bytes that tell which offset they belong to, of any length >= 8. */
export function contentOf(offset: number, length: number): Buffer {
  const content = Buffer.alloc(Math.max(length, 8), offset % 251);
  content.writeDoubleBE(offset, 0);
  return content;
}

export interface Batch {
  readonly bytes: Buffer;
  readonly first: number;
  readonly end: number;
  readonly contents: ReadonlyMap<number, Buffer>;
}

export function makeBatch(offsets: readonly number[], contentLength: (offset: number) => number): Batch {
  const contents = new Map<number, Buffer>();
  const builder = new RecordBatchBuilder(1 << 20);
  builder.begin();
  for (const offset of offsets) {
    const content = contentOf(offset, contentLength(offset));
    contents.set(offset, content);
    builder.append(offset, 1_700_000_000_000 + offset, content, 0, content.length);
  }
  const bytes = Buffer.from(builder.finish());
  return { bytes, first: offsets[0], end: (offsets.at(-1) as number) + 1, contents };
}

/** Batches of `perBatch` records with dense offsets from `from` to `to`. */
export async function fill(
  log: SegmentedLog,
  from: number,
  to: number,
  perBatch: number,
  length = 100,
): Promise<void> {
  for (let first = from; first < to; first += perBatch) {
    const offsets = Array.from({ length: Math.min(perBatch, to - first) }, (_, index) => first + index);
    const batch = makeBatch(offsets, () => length);
    await log.append(batch.bytes, batch.first, batch.end, offsets.length);
  }
}

/** All offsets from `from` on, read in steps of `maxBytes`, each with the right content. */
export async function readOffsets(log: SegmentedLog, from: number, maxBytes = 2000): Promise<number[]> {
  const offsets: number[] = [];
  for (let next = from; ; ) {
    const slice = await log.read(next, maxBytes);
    assert.ok(slice.nextOffset >= next);
    if (slice.isEmpty) return offsets;
    slice.forEach((offset, timestampMs, buffer, start, length) => {
      assert.ok(offset >= next && offset < slice.nextOffset);
      assert.equal(timestampMs, 1_700_000_000_000 + offset);
      assert.ok(
        contentOf(offset, length).equals(buffer.subarray(start, start + length)),
        `content of ${offset}`,
      );
      offsets.push(offset);
    });
    next = slice.nextOffset;
  }
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

interface State {
  readonly table: readonly SegmentInfo[] | null;
  readonly end: number;
  readonly acknowledged: readonly (readonly [number, number])[];
  readonly present: ReadonlySet<number>;
}

/** One log and what should be in it, with a pretended snapshot that survives crashes as the real one would. */
export class LogModel {
  fs: FileSystem;
  directory: SegmentDirectory;
  log: SegmentedLog;
  end = 0;
  /** Offsets that were appended; acknowledged ones may or may not be on disk still. */
  present = new Set<number>();
  acknowledged = new OffsetSet();
  durable: State = { table: null, end: 0, acknowledged: [], present: new Set() };
  readonly #random: () => number;
  #inSnapshot = false;

  constructor(fs: FileSystem, random: () => number) {
    this.fs = fs;
    this.#random = random;
    this.directory = this.#open(fs);
    this.log = this.directory.openLog(7, null);
  }

  #open(fs: FileSystem): SegmentDirectory {
    return new SegmentDirectory(fs, ROOT, {
      segmentBytes: 6000,
      maxOpenFiles: 1 + Math.floor(this.#random() * 3),
    });
  }

  #upTo(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  async append(): Promise<void> {
    const offsets: number[] = [];
    let offset = this.end + (this.#upTo(4) === 0 ? this.#upTo(30) : 0);
    for (let count = 1 + this.#upTo(20); count > 0; count--) {
      offsets.push(offset);
      offset += 1 + (this.#upTo(10) === 0 ? this.#upTo(20) : 0);
    }
    const batch = makeBatch(offsets, (each) => (each % 97 === 0 ? 7000 : 8 + (each % 300)));
    const end = batch.end + this.#upTo(2);
    await this.log.append(batch.bytes, batch.first, end, offsets.length);
    for (const each of offsets) this.present.add(each);
    this.end = end;
  }

  /** Some here and there, or nearly all up to a point: as queues do. */
  acknowledge(): void {
    if (this.end === 0) return;
    if (this.#upTo(3) === 0) {
      const to = this.#upTo(this.end);
      const spared = this.#upTo(to + 1);
      this.acknowledged.add(0, spared);
      this.acknowledged.add(spared + 1, to);
    } else {
      const from = this.#upTo(this.end);
      this.acknowledged.add(from, Math.min(this.end, from + this.#upTo(40)));
    }
  }

  dropBelow(): void {
    this.log.dropBelow(this.acknowledged.nextMissing(0));
  }

  async reclaim(): Promise<void> {
    const { acknowledged } = this;
    await this.log.reclaim(
      (from, to) => acknowledged.countIn(from, to) === to - from,
      (from, to) => to - from - acknowledged.countIn(from, to),
    );
  }

  /** As the store takes it, one at a time. `meanwhile` happens between the steps. */
  async snapshot(meanwhile: () => Promise<void>): Promise<void> {
    if (this.#inSnapshot) return;
    this.#inSnapshot = true;
    try {
      await this.#snapshot(meanwhile);
    } finally {
      this.#inSnapshot = false;
    }
  }

  async #snapshot(meanwhile: () => Promise<void>): Promise<void> {
    const { directory, log } = this;
    const state = {
      table: this.log.table(),
      end: this.end,
      acknowledged: [...this.acknowledged.ranges()],
      present: new Set(this.present),
    };
    await meanwhile();
    await directory.syncAll();
    await meanwhile();
    // The power may have been cut since.
    if (this.log !== log) return;
    this.durable = state;
    await meanwhile();
    await log.deleteDropped(state.table);
  }

  /** What the process after this one begins with. */
  restart(fs: FileSystem): void {
    this.fs = fs;
    this.directory = this.#open(fs);
    this.log = this.directory.openLog(7, this.durable.table);
    this.end = this.durable.end;
    this.present = new Set(this.durable.present);
    this.acknowledged = new OffsetSet();
    for (const [from, to] of this.durable.acknowledged) this.acknowledged.add(from, to);
  }

  async check(): Promise<void> {
    const from = this.#upTo(3) === 0 ? 0 : this.#upTo(this.end + 5);
    const found = await readOffsets(this.log, from, this.#upTo(2) === 0 ? 1 : 3000);
    let previous = from - 1;
    for (const offset of found) {
      assert.ok(offset > previous, 'offsets increase');
      assert.ok(this.present.has(offset), `offset ${offset} was never appended`);
      previous = offset;
    }
    const set = new Set(found);
    for (const offset of this.present) {
      if (offset >= from && !this.acknowledged.has(offset))
        assert.ok(set.has(offset), `offset ${offset} is missing`);
    }
  }
}
