import { randomInt } from 'node:crypto';
import { BatchView } from '../../records/batch-view.ts';
import type { BatchOpener } from '../../records/opening/batch-opener.ts';
import { openBatch } from '../../records/opening/open-batch.ts';
import type { RecordCursor } from '../../records/record-cursor.ts';
import { RecordFormatError } from '../../records/record-format-error.ts';
import type { Segment } from '../segments/segment.ts';
import type { SegmentedLog } from '../segments/segmented-log.ts';
import type { AbortedRange } from '../streams/retention-settings.ts';
import { CompactionPass, isOfAborted } from './compaction-pass.ts';
import { OffsetMap } from './offset-map.ts';

/** A piece of work: a millisecond or two. */
const READ_BYTES = 256 * 1024;
const SEED_MAX = 2 ** 32;
/** Records of one batch that are looked at before others have a turn. */
const RECORDS_PER_SLICE = 8192;
/** Keys of one batch for which the map is enlarged. */
const BATCH_KEYS_MAX = 1 << 20;
/** A segment's offsets fit in 32 bits as differences to its first. */
const OFFSETS_MAX = 0x7fffffff;

export interface CompactionOptions {
  /** All of it has been compacted with itself below this offset. */
  readonly cleanedTo: number;
  /** Where a segment begins that may not be touched yet; segments before it are closed. */
  readonly below: number;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  readonly segmentBytes: number;
  /** For the map of keys. */
  readonly memoryBytes: number;
  readonly opener: BatchOpener;
  abortedIn(from: number, below: number): readonly AbortedRange[];
  /** After each piece of work, of so many bytes. False if there is no point in going on. */
  pause(bytes: number): Promise<boolean>;
}

class Stopped extends Error {}

/**
 * Compacts a log once: the keys of what came since the last time are gathered, as many as fit in memory, and what is
 * before them is rewritten without what they make obsolete. Resolves with how far it is clean now; that is where it was
 * if segments could not be replaced.
 */
export async function compactLog(log: SegmentedLog, options: CompactionOptions): Promise<number> {
  const { cleanedTo, below, nowMs, deleteRetentionMs, memoryBytes, segmentBytes, opener } = options;
  const pause = async (bytes: number): Promise<void> => {
    if (!(await options.pause(bytes))) throw new Stopped();
  };
  try {
    const dirty = log.segments.filter(
      (segment) => segment.endOffset > cleanedTo && segment.endOffset <= below,
    );
    const records = dirty.reduce((sum, segment) => sum + segment.records, 0);
    const map = new OffsetMap(records, memoryBytes, randomInt(SEED_MAX));
    const mappedTo = await gatherKeys(log, map, { ...options, pause });
    const abortedIn = options.abortedIn.bind(options);
    const pass = new CompactionPass({
      map,
      nowMs,
      deleteRetentionMs,
      lastOffset: below - 1,
      abortedIn,
      pause,
      opener,
    });
    for (const group of groupsOf(log.segments, mappedTo, below, segmentBytes)) {
      pass.changed = false;
      if (!(await log.rewrite(group, pass))) return cleanedTo;
    }
    return mappedTo;
  } catch (error) {
    if (error instanceof Stopped) return cleanedTo;
    throw error;
  }
}

interface GatherOptions {
  readonly cleanedTo: number;
  readonly below: number;
  readonly opener: BatchOpener;
  abortedIn(from: number, below: number): readonly AbortedRange[];
  pause(bytes: number): Promise<void>;
}

/** Puts keys into the map, from the first dirty offset on, until it is full. Resolves with the offset behind the last. */
async function gatherKeys(log: SegmentedLog, map: OffsetMap, options: GatherOptions): Promise<number> {
  const { below } = options;
  let next = options.cleanedTo;
  while (next < below) {
    const slice = await log.read(next, READ_BYTES);
    if (slice.isEmpty) return below;
    const { buffer } = slice;
    for (const batch = new BatchView(buffer, 0); batch.at < buffer.length; batch.moveTo(buffer, batch.end)) {
      if (batch.baseOffset >= below) return below;
      if (batch.isControl || isOfAborted(batch, options)) continue;
      if (batch.recordCount > map.room) {
        if (map.count > 0) return batch.baseOffset;
        const count = await countOf(buffer, batch.at, options);
        // Its keys make nothing obsolete then; it is bounded how much memory one batch can ask for.
        if (count > map.room && count > BATCH_KEYS_MAX) continue;
        map.grow(count);
      }
      await addKeys(map, buffer, batch.at, options);
    }
    next = slice.nextOffset;
    await options.pause(buffer.length);
  }
  return below;
}

/** How many records there are, whatever the header says: it may say two billion. */
async function countOf(buffer: Buffer, at: number, options: GatherOptions): Promise<number> {
  let count = 0;
  await forEachIn(buffer, at, options, () => count++);
  return count;
}

function addKeys(map: OffsetMap, buffer: Buffer, at: number, options: GatherOptions): Promise<void> {
  return forEachIn(buffer, at, options, (records) => {
    records.readContent();
    const { bytes, keyStart, keyLength, offset } = records;
    if (keyLength >= 0) map.put(bytes, keyStart, keyStart + keyLength, offset);
  });
}

/** What cannot be understood stays, and makes nothing obsolete. */
async function forEachIn(
  buffer: Buffer,
  at: number,
  { opener, pause }: GatherOptions,
  visit: (records: RecordCursor) => void,
): Promise<void> {
  try {
    const records = await openBatch(opener, buffer, at);
    for (let count = 1; records.next(); count++) {
      visit(records);
      if (count % RECORDS_PER_SLICE === 0) await pause(0);
    }
  } catch (error) {
    if (!(error instanceof RecordFormatError)) throw error;
  }
}

/** Segments that begin before `mappedTo` and end before `below`, so many together as fit in one. */
function groupsOf(
  segments: readonly Segment[],
  mappedTo: number,
  below: number,
  segmentBytes: number,
): Segment[][] {
  const groups: Segment[][] = [];
  let group: Segment[] = [];
  let bytes = 0;
  for (const segment of segments) {
    if (segment.baseOffset >= mappedTo || segment.endOffset > below) break;
    const isTooFar = group.length > 0 && segment.endOffset - group[0].baseOffset > OFFSETS_MAX;
    if (group.length > 0 && (bytes + segment.bytes > segmentBytes || isTooFar)) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
    group.push(segment);
    bytes += segment.bytes;
  }
  if (group.length > 0) groups.push(group);
  return groups;
}
