import { acknowledgedEntryBytes, writeAcknowledged } from '../journal/format.ts';
import type { Journal } from '../journal/journal.ts';
import type { QueueLog } from './queue-log.ts';

/** Acknowledgements that are not in the journal yet: ranges of offsets, folded for each queue until the next commit. */
export class PendingAcknowledgements {
  /** Whether `flush` has nothing to do. A field, as each commit asks. */
  isEmpty = true;
  #logs: QueueLog[] = [];

  /** The log has its first range since the last flush. */
  add(log: QueueLog): void {
    this.#logs.push(log);
    this.isEmpty = false;
  }

  /** What `flush` will take of the journal at most. */
  get bytes(): number {
    let bytes = 0;
    for (const log of this.#logs) bytes += acknowledgedEntryBytes(log.pendingAcknowledgements.length >>> 1);
    return bytes;
  }

  flush(journal: Journal): void {
    const logs = this.#logs;
    this.#logs = [];
    this.isEmpty = true;
    for (const log of logs) {
      const ranges = log.pendingAcknowledgements;
      if (ranges.length === 0 || log.removed) continue;
      log.pendingAcknowledgements = [];
      appendAcknowledged(journal, log.id, ranges);
    }
  }
}

/** Appends an entry: from, to, from, to, ... are acknowledged in this log. In a stream's log its start has moved to `to`. */
export function appendAcknowledged(journal: Journal, logId: number, ranges: readonly number[]): void {
  const at = journal.reserve(acknowledgedEntryBytes(ranges.length >>> 1));
  writeAcknowledged(journal.chunk, at, logId, ranges);
}
