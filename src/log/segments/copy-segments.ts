import { baseOffsetOf, batchBytes, lastOffsetOf, recordCountOf } from '../../records/batch-view.ts';
import type { SegmentedLog } from './segmented-log.ts';

/** What is read at once. */
const SLICE_BYTES = 256 * 1024;
/** After so many bytes what was copied is synced: otherwise a large log would be written to the disk all at once, at its end. */
const SYNC_BYTES = 64 * 1024 * 1024;

/** Which offsets are copied: those of a queue that are not acknowledged, those of a stream from its start on. */
export interface CopiedOffsets {
  readonly from: number;
  /** Behind the last one. */
  readonly to: number;
  /** Whether anything in [from, to) is wanted. A batch of which nothing is wanted is left out. */
  isWanted(from: number, to: number): boolean;
}

/**
 * Copies the record batches of a log to one that is empty, which may be in another data directory: byte for byte, with the offsets
 * and times that they have. It is durable after `sync` of the target. Nothing may be appended to the source or taken out of it
 * meanwhile. `onCopied` is told of bytes. Rejects with a CorruptionError where a file of the source is not what was written.
 */
export async function copySegments(
  source: SegmentedLog,
  target: SegmentedLog,
  { from, to, isWanted }: CopiedOffsets,
  onCopied: (bytes: number) => void,
): Promise<void> {
  let unsynced = 0;
  for (let offset = from; offset < to; ) {
    const { buffer, nextOffset, isEmpty } = await source.read(offset, SLICE_BYTES);
    if (isEmpty) return;
    for (const run of wantedRuns(buffer, target.endOffset, isWanted)) {
      await target.appendBatches(run.batches, run.from, run.to, run.records);
      unsynced += run.bytes;
      onCopied(run.bytes);
    }
    if (unsynced > SYNC_BYTES) {
      await target.sync();
      unsynced = 0;
    }
    offset = nextOffset;
  }
}

/** Batches that lie side by side. */
interface Run {
  readonly batches: Buffer[];
  readonly from: number;
  to: number;
  records: number;
  bytes: number;
}

/** Those of `buffer` that begin at `copied` or after it, and of which something is wanted. */
function wantedRuns(buffer: Buffer, copied: number, isWanted: CopiedOffsets['isWanted']): readonly Run[] {
  const runs: Run[] = [];
  let isSideBySide = false;
  for (let at = 0; at < buffer.length; at += batchBytes(buffer, at)) {
    const batch = buffer.subarray(at, at + batchBytes(buffer, at));
    const [from, to] = [baseOffsetOf(batch, 0), lastOffsetOf(batch, 0) + 1];
    if (from < copied || !isWanted(from, to)) {
      isSideBySide = false;
      continue;
    }
    const last = isSideBySide ? runs.at(-1) : undefined;
    const run = last ?? { batches: [], from, to, records: 0, bytes: 0 };
    if (last === undefined) runs.push(run);
    isSideBySide = true;
    run.batches.push(batch);
    run.to = to;
    run.records += recordCountOf(batch, 0);
    run.bytes += batch.length;
  }
  return runs;
}
