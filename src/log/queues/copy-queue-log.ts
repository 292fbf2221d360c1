import { copySegments } from '../segments/copy-segments.ts';
import type { SegmentedLog } from '../segments/segmented-log.ts';
import type { Store } from '../store.ts';
import type { QueueLog } from './queue-log.ts';

/** Nobody reads a copy before the next start. */
const NOBODY = {
  onLoaded: () => undefined,
  onMissing: () => undefined,
  onCorruption: () => undefined,
};

/** About how many bytes of segments a copy takes. */
export function copiedBytes({ segments, tailBytes }: QueueLog): number {
  return (segments?.bytes ?? 0) + tailBytes;
}

/**
 * Opens a log with this id in another store, and copies the messages to it, with their offsets and times, and what is
 * acknowledged. All that the source has in memory goes to its segments first. The maintenance of both stores has to be suspended;
 * the copy is durable with the next snapshot of its store.
 */
export async function copyQueueLog(
  source: { readonly store: Store; readonly log: QueueLog },
  target: { readonly store: Store; readonly id: number },
  onCopied: (bytes: number) => void,
): Promise<void> {
  const { log } = source;
  await source.store.maintenance.pageOut(log);
  const { acknowledged, head, end, tailStart } = log;
  if (tailStart !== end)
    throw new Error(`log ${log.id} has messages in memory still: ${tailStart} to ${end}`);
  const copy = target.store.openLog(target.id, true, NOBODY);
  copy.load({ ...log.state(), id: target.id });
  await copySegments(
    log.segments as SegmentedLog,
    copy.segments as SegmentedLog,
    { from: head, to: end, isWanted: (from, to) => acknowledged.missingIn(from, Math.min(to, end)) > 0 },
    onCopied,
  );
}
