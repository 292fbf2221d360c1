import { copySegments } from '../segments/copy-segments.ts';
import type { Store } from '../store.ts';
import type { StreamLog, StreamLogEvents } from './stream-log.ts';

/** Nobody reads a copy before the next start. */
function eventsOf({ events }: StreamLog): StreamLogEvents {
  return {
    onAdvanced: () => undefined,
    onReplayed: () => undefined,
    onCorruption: () => undefined,
    retentionSettings: () => events.retentionSettings(),
    onExpired: () => undefined,
    stableOffset: () => 0,
    abortedIn: () => [],
  };
}

/**
 * Opens a log with the same id in another store, and copies the batches to it from the start on, as they are, with their offsets. All
 * that the source has in memory goes to its segments first. The maintenance of both stores has to be suspended; the copy is durable
 * with the next snapshot of its store. Rejects with a CorruptionError if a segment cannot be read.
 */
export async function copyStreamLog(
  source: { readonly store: Store; readonly log: StreamLog },
  target: Store,
  onCopied: (bytes: number) => void,
): Promise<void> {
  const { store, log } = source;
  if (log.isAccumulating) store.flushAccumulator();
  await store.maintenance.pageOutStream(log);
  if (log.tail.count > 0)
    throw new Error(`log ${log.id} has batches in memory still: ${log.tailStart} to ${log.end}`);
  const { start } = log;
  const copy = target.openStream(log.id, eventsOf(log));
  copy.load(log.state());
  copy.segments.segmentBytes = log.events.retentionSettings().segmentBytes;
  await copySegments(
    log.segments,
    copy.segments,
    { from: start, to: log.end, isWanted: (_from, to) => to > start },
    onCopied,
  );
}
