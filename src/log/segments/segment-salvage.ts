import { BATCH_HEADER_BYTES } from '../../records/batch-layout.ts';
import { BatchView, batchBytes } from '../../records/batch-view.ts';
import { ContentView } from '../../records/record-content.ts';
import { forEachRecord } from '../../records/record-cursor.ts';
import type { File, FileSystem } from '../files/filesystem.ts';
import { AcknowledgedOffsets } from '../queues/acknowledged-offsets.ts';
import { type SegmentInfo, segmentFileName } from './segment.ts';
import { type CorruptRange, checkSegmentFile } from './segment-check.ts';
import { copyReadable, repairSegment } from './segment-repair.ts';

/** What the files of a log tell without a table of them. */
export interface SalvagedLog {
  readonly isStream: boolean;
  readonly segments: readonly SegmentInfo[];
  /** Offsets below `end` that no record has, as acknowledged ones. In a queue's log alone. */
  readonly missing: AcknowledgedOffsets;
  readonly end: number;
  readonly records: number;
  /** The highest leader epoch of a batch. */
  readonly epoch: number;
  /** What could not be read of the files, or was no sound batch. */
  readonly corrupt: readonly CorruptRange[];
  /** The queue that the messages were published to by its name, if all that were looked at say the same; '' otherwise. */
  readonly queueName: string;
}

const SEGMENT_NAME = /^\d{20}\.log$/;
const CLEANED_NAME = /^(\d{20})\.[\d.]*cleaned$/;

/**
 * Copies the segments of a log to the empty directory `to`, and makes a table of what is in them. Blank batches stand for what
 * is damaged or cannot be read. Batches that begin at `limit` or behind are left out: the journal has them. Null if there is
 * no sound batch.
 */
export async function salvageLog(
  fs: FileSystem,
  from: string,
  to: string,
  limit: number,
): Promise<SalvagedLog | null> {
  const salvage = new LogSalvage();
  for (const name of segmentsIn(await fs.list(from))) {
    const path = `${to}/${segmentFileName(Number.parseInt(name, 10))}`;
    await copySegment(fs, `${from}/${name}`, path);
    await salvage.add(fs, path, limit);
  }
  return salvage.result();
}

/** A rewritten segment counts where the original is not there. */
function segmentsIn(names: readonly string[]): string[] {
  const originals = names.filter((name) => SEGMENT_NAME.test(name));
  const bases = new Set(originals.map((name) => name.slice(0, 20)));
  const cleaned = names.filter((name) => {
    const base = CLEANED_NAME.exec(name)?.[1];
    return base !== undefined && !bases.has(base);
  });
  return [...originals, ...cleaned].sort();
}

/** With zeros in the place of what cannot be read. */
export async function copySegment(fs: FileSystem, from: string, to: string): Promise<void> {
  const copy = await fs.open(to, 'create');
  try {
    await copyReadable(fs, from, copy, 0);
    await copy.sync();
  } finally {
    await copy.close();
  }
}

class LogSalvage {
  #isStream: boolean | null = null;
  readonly #segments: SegmentInfo[] = [];
  readonly #missing = new AcknowledgedOffsets();
  readonly #corrupt: CorruptRange[] = [];
  #end = 0;
  #records = 0;
  #epoch = 0;
  #queueName: string | null = null;

  async add(fs: FileSystem, path: string, limit: number): Promise<void> {
    this.#isStream ??= await isOfStream(fs, path);
    const isStream = this.#isStream;
    const size = await sizeOf(fs, path);
    for (const range of await checkSegmentFile(fs, path, undefined, isStream ?? false)) {
      this.#corrupt.push(range);
      const isTail = range.position + range.bytes >= size;
      await repairSegment(fs, isTail ? { ...range, bytes: 0 } : range);
    }
    const file = await fs.open(path, 'write');
    try {
      const bytes = await this.#read(file, await file.size(), limit, Number.parseInt(nameOf(path), 10));
      await file.truncate(bytes);
      await file.sync();
      if (bytes > 0) return;
    } finally {
      await file.close();
    }
    await fs.remove(path);
  }

  result(): SalvagedLog | null {
    if (this.#segments.length === 0) return null;
    return {
      isStream: this.#isStream ?? false,
      segments: this.#segments,
      missing: this.#missing,
      end: this.#end,
      records: this.#records,
      epoch: this.#epoch,
      corrupt: this.#corrupt,
      queueName: this.#queueName ?? '',
    };
  }

  /** Of a sound file; returns how many bytes of it count. */
  async #read(file: File, size: number, limit: number, baseOffset: number): Promise<number> {
    // It was merged into the one before, and not deleted yet.
    if (baseOffset < this.#end) return 0;
    let position = 0;
    let records = 0;
    let maxTimestampMs = -1;
    let nextOffset = baseOffset;
    let isDense = true;
    const header = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
    while (position + BATCH_HEADER_BYTES <= size) {
      await file.read(header, position);
      const view = new BatchView(header, 0);
      if (view.baseOffset >= limit) break;
      const batch = Buffer.allocUnsafeSlow(batchBytes(header, 0));
      await file.read(batch, position);
      if (view.baseOffset !== nextOffset) isDense = false;
      nextOffset = view.lastOffset + 1;
      maxTimestampMs = Math.max(maxTimestampMs, view.maxTimestampMs);
      records += view.recordCount;
      this.#noteRecords(batch, view);
      position += batch.length;
    }
    if (position === 0) return 0;
    this.#records += records;
    this.#segments.push({
      baseOffset,
      endOffset: nextOffset,
      bytes: position,
      records,
      ...(this.#isStream && !isDense && { revision: 1 }),
      ...(this.#isStream && maxTimestampMs >= 0 && { createdMs: maxTimestampMs, maxTimestampMs }),
    });
    this.#end = nextOffset;
    return position;
  }

  #noteRecords(batch: Buffer, view: BatchView): void {
    this.#epoch = Math.max(this.#epoch, view.leaderEpoch);
    if (this.#isStream) return;
    let next = this.#end;
    forEachRecord(batch, 0, batch.length, (offset, _timestampMs, bytes, start, length) => {
      this.#missing.add(next, offset);
      next = offset + 1;
      this.#noteName(bytes, start, length);
    });
    this.#missing.add(next, view.lastOffset + 1);
    this.#end = view.lastOffset + 1;
  }

  #noteName(bytes: Buffer, start: number, length: number): void {
    if (this.#queueName === '' || !content.parse(bytes, start, length)) return;
    const isDefault = content.exchangeEnd === content.exchangeStart && content.keyStart >= 0;
    const name = isDefault ? bytes.toString('utf8', content.keyStart, content.keyEnd) : '';
    this.#queueName = this.#queueName === null || this.#queueName === name ? name : '';
  }
}

const content = new ContentView();

/** Batches of streams have the leader epoch of a start, from 1 on; those of queues have 0. Null if there is no sound batch with records. */
async function isOfStream(fs: FileSystem, path: string): Promise<boolean | null> {
  const corrupt = await checkSegmentFile(fs, path, undefined, true);
  const file = await fs.open(path, 'read');
  try {
    const header = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
    const size = await file.size();
    for (let position = 0; position + BATCH_HEADER_BYTES <= size; ) {
      const range = corrupt.find((each) => each.position === position);
      if (range === undefined) {
        await file.read(header, position);
        const view = new BatchView(header, 0);
        // One that stands for what was lost tells nothing.
        if (view.recordCount > 0) return view.leaderEpoch > 0;
      }
      position += range?.bytes ?? batchBytes(header, 0);
    }
    return null;
  } finally {
    await file.close();
  }
}

async function sizeOf(fs: FileSystem, path: string): Promise<number> {
  const file = await fs.open(path, 'read');
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
