import { MessageView } from '../../records/message-view.ts';
import type { Shard } from '../shard/shard.ts';
import { type AppendTargets, AtomicAppend, appendBytesMax, outboxBytesMax } from './atomic-append.ts';

/** Where a message is now: a priority level of a queue is one. */
export interface MoveSource {
  /** The message is done with here. */
  settle(offset: number): void;
}

/** One message on its way from log to log. */
export interface Move {
  readonly source: MoveSource;
  readonly offset: number;
  /** Without any log, stream or other shard, the message is only settled at its source. */
  readonly targets: AppendTargets;
  /** The message as it will stand in the targets: a copy, as the source's memory can go while others are settled. */
  readonly content: Buffer;
  readonly persistent: boolean;
  /** When it was published, for those who will look at it there. */
  readonly timestampMs: number;
}

/** A settle entry of its own for each message, at worst. */
const SETTLE_BYTES = 32;

/**
 * Moves messages from log to log: each is appended to its targets and settled at its source in the same block of the
 * journal, so that after a crash it is either still here or already there. The limits of queues are not looked at:
 * what a broker has accepted it does not refuse to itself; in outboxes there has to be room. The targets hand the messages out when the block is durable.
 */
export function moveAtomically(shard: Shard, batch: readonly Move[]): void {
  const atomic = new AtomicAppend(shard);
  const bytesMax = atomic.batchBytesMax;
  let from = 0;
  while (from < batch.length) {
    let bytes = bytesOf(shard, batch[from]);
    let to = from + 1;
    for (; to < batch.length; to++) {
      const more = bytesOf(shard, batch[to]);
      if (bytes + more > bytesMax) break;
      bytes += more;
    }
    moveInOneBlock(atomic, batch, from, to, bytes);
    from = to;
  }
}

function moveInOneBlock(
  atomic: AtomicAppend,
  batch: readonly Move[],
  from: number,
  to: number,
  bytes: number,
): void {
  atomic.excludeSettled();
  atomic.begin(bytes);
  for (let i = from; i < to; i++) {
    const { source, offset, targets, content, persistent, timestampMs } = batch[i];
    messageView.content = content;
    atomic.append(targets, messageView, persistent, timestampMs, false);
    source.settle(offset);
  }
  messageView.content = null;
  atomic.settle();
  atomic.end();
}

function bytesOf(shard: Shard, { persistent, targets, content }: Move): number {
  const { durableLogs, streams } = targets;
  return (
    SETTLE_BYTES +
    appendBytesMax(persistent ? durableLogs.length : 0, streams.length, content.length) +
    outboxBytesMax(shard, targets, content.length)
  );
}

const messageView = new MessageView();
