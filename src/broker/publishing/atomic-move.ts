import type { QueueLog } from '../../log/queues/queue-log.ts';
import { Store } from '../../log/store.ts';
import { MessageView } from '../../records/message-view.ts';
import { bodyLengthAt } from '../../records/record-content.ts';
import { recordBytesMax } from '../messages/record-from-message.ts';
import type { Turn } from '../shard/turn.ts';
import type { StreamPort } from '../topology/ports.ts';

/** Where a message is now. A queue's lane is one. */
export interface TransferSource {
  /** The message is done with here. */
  settle(offset: number): void;
}

/** Where it goes: the targets of a route, or any other logs. */
export interface TransferTargets {
  /** Told of each message in the log of the same place. */
  readonly lanes: readonly { published(bodyBytes: number): void }[];
  readonly logs: readonly QueueLog[];
  /** Those of `logs` that survive a restart. */
  readonly durableLogs: readonly QueueLog[];
  readonly streams: readonly StreamPort[];
}

export interface Transfer {
  readonly source: TransferSource;
  readonly offset: number;
  /** Without any log or stream, the message is only settled at its source. */
  readonly targets: TransferTargets;
  /** The message as it will stand in the targets: a copy, as the source's memory can go while others are settled. */
  readonly content: Buffer;
  readonly persistent: boolean;
  /** When it was published, for those who will look at it there. */
  readonly timestampMs: number;
}

/** What the transfer works on: the broker is one. */
export interface TransferContext {
  readonly store: Store;
  readonly turn: Turn;
}

/** More than that at once would only leave the ends of chunks empty, as what is atomic lies in one chunk. */
const BYTES_MAX = 256 * 1024;
/** A settle entry of its own for each message, at worst. */
const SETTLE_BYTES = 32;

/**
 * Moves messages from log to log: each is appended to its targets and settled at its source in the same block of the
 * journal, so that after a crash it is either still here or already there. The limits of queues are not looked at:
 * what a broker has accepted it does not refuse to itself. The targets may hand the messages out at once, before the
 * block is durable; should it be lost, they come once more.
 *
 * Returns the number of the block in which the last of them is.
 */
export function transfer({ store, turn }: TransferContext, batch: readonly Transfer[]): number {
  const bytesMax = Math.min(BYTES_MAX, store.options.chunkBytes >>> 1);
  let from = 0;
  while (from < batch.length) {
    let bytes = bytesOf(batch[from] as Transfer);
    let to = from + 1;
    for (; to < batch.length; to++) {
      const more = bytesOf(batch[to] as Transfer);
      if (bytes + more > bytesMax) break;
      bytes += more;
    }
    transferTogether(store, batch, from, to, bytes);
    from = to;
  }
  turn.schedule();
  return store.journal.blockNumber;
}

function transferTogether(
  store: Store,
  batch: readonly Transfer[],
  from: number,
  to: number,
  bytes: number,
): void {
  const { journal } = store;
  // What others settled has no part in the calculation.
  store.flushSettles();
  journal.beginAtomic(bytes);
  for (let i = from; i < to; i++) {
    const { source, offset, targets, content, persistent, timestampMs } = batch[i] as Transfer;
    const { lanes, logs, durableLogs, streams } = targets;
    if (logs.length > 0) {
      const bodyBytes = bodyLengthAt(content, 0);
      messageView.content = content;
      store.append(logs, durableLogs, persistent, messageView, timestampMs);
      for (const lane of lanes) lane.published(bodyBytes);
    }
    for (const stream of streams) {
      messageView.content = content;
      stream.append(messageView, timestampMs, false);
    }
    source.settle(offset);
  }
  messageView.content = null;
  store.flushSettles();
  journal.endAtomic();
}

function bytesOf({ persistent, targets, content }: Transfer): number {
  const { length } = targets.durableLogs;
  const toStreams = targets.streams.length * recordBytesMax(content.length);
  return SETTLE_BYTES + toStreams + (persistent && length > 0 ? Store.entryBytes(length, content.length) : 0);
}

const messageView = new MessageView();
