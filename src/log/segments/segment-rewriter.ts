import { BatchView } from '../../records/batch-view.ts';
import type { FileSystem } from '../files/filesystem.ts';
import type { FileHandles } from './file-handles.ts';
import type { Segment } from './segment.ts';
import { readBatches } from './segment-reader.ts';

/** Decides what is left of batches. It may take its time: while it does, nothing is held. */
export interface BatchRewriter {
  /** Whether anything is not as it was, in what it was given since its owner set this to false. */
  readonly changed: boolean;
  /** What is to stand in the place of these whole batches, in the same order, with the same offsets. */
  rewrite(batches: Buffer): Promise<readonly Buffer[]>;
}

/** A piece of work: a millisecond or two. */
const SLICE_BYTES = 256 * 1024;

/**
 * Writes what is left of the segments of `group` to the file of `copy`, and makes it durable. False if one of them was
 * deleted meanwhile.
 */
export async function writeRewritten(
  fs: FileSystem,
  handles: FileHandles,
  group: readonly Segment[],
  copy: Segment,
  rewriter: BatchRewriter,
): Promise<boolean> {
  await fs.remove(copy.path);
  const target = await fs.open(copy.path, 'create');
  try {
    for (const segment of group) {
      for (let position = 0; position < segment.bytes; ) {
        if (segment.isDropped) return false;
        const batches = await handles.read(segment, (file) =>
          readBatches(file, segment.path, position, segment.bytes, SLICE_BYTES, segment.isForeign),
        );
        position += batches.length;
        const kept = await rewriter.rewrite(batches);
        const written = copy.bytes;
        for (const batch of kept) account(copy, batch);
        if (kept.length > 0) await target.write(kept, written);
      }
    }
    await target.sync();
    return true;
  } finally {
    await target.close();
  }
}

function account(copy: Segment, batch: Buffer): void {
  const { baseOffset, maxTimestampMs, recordCount } = new BatchView(batch, 0);
  copy.index.add(baseOffset, copy.bytes, maxTimestampMs);
  copy.bytes += batch.length;
  copy.records += recordCount;
  copy.maxTimestampMs = copy.index.maxTimestampMs;
}
