import { MessageView } from '../../../records/message-view.ts';
import type { RecordMessage } from '../../messages/message-from-record.ts';
import {
  AtomicAppend,
  appendBytesMax,
  mayLeave,
  outboxBytesMax,
  outboxesOf,
  reserveOutboxes,
} from '../../publishing/atomic-append.ts';
import { type RouteTargets, targetsOf } from '../../publishing/route-targets.ts';
import type { AnyQueue } from '../../queues/any-queue.ts';
import type { Shard } from '../../shard/shard.ts';
import type { Route } from '../../topology/route.ts';
import { FED_BYTES } from './feed-operations.ts';

const MESSAGES_MAX = 512;

/** One message on its way from a stream; used again for others. */
interface Item {
  readonly messageView: MessageView;
  targets: RouteTargets;
}

/**
 * Messages from a stream that are appended to queues in one block with the operation that says how far the stream was
 * fed: after a crash there is either both or neither. They are not copied before that, and so have to be where they are
 * until `write`.
 */
export class FeedBatch {
  /** Whether there is anything that survives a restart. */
  isDurable = false;
  count = 0;
  readonly #shard: Shard;
  readonly #atomic: AtomicAppend;
  readonly #items: Item[] = [];
  readonly #bytesMax: number;
  #bytes = 0;
  /** Whether there is a message for another shard in it. */
  #hasReserved = false;

  constructor(shard: Shard) {
    this.#shard = shard;
    this.#atomic = new AtomicAppend(shard);
    this.#bytesMax = this.#atomic.batchBytesMax;
  }

  get isFull(): boolean {
    return this.count === MESSAGES_MAX || this.#bytes >= this.#bytesMax;
  }

  /**
   * `exchange` is that of the stream. False if an outbox has no room for the message, which is then not in the batch: `resume` is
   * called once when it is time to try again.
   */
  add(message: RecordMessage, route: Route<AnyQueue>, exchange: Buffer, resume: () => void): boolean {
    const targets = targetsOf(route, message.priority);
    let item = this.#items[this.count];
    if (item === undefined) {
      item = { messageView: new MessageView(), targets };
      this.#items.push(item);
    }
    this.count++;
    const { messageView } = item;
    message.fill(messageView);
    if (route.delayMs > 0) {
      // It goes on from here when its delay is over, wherever it was published.
      messageView.delayMs = route.delayMs;
      messageView.exchange = exchange;
      messageView.exchangeStart = 0;
      messageView.exchangeEnd = exchange.length;
    }
    item.targets = targets;
    const { durableLogs, streams, remotes } = targets;
    if (mayLeave(targets) && !this.#reserve(item, resume)) {
      messageView.clear();
      this.count--;
      return false;
    }
    if (durableLogs.length + streams.length + remotes.length === 0) return true;
    this.isDurable = true;
    const contentBytes = messageView.contentBytes();
    const propertyBytes = messageView.propertiesEnd - messageView.propertiesStart;
    this.#bytes += appendBytesMax(durableLogs.length, streams.length, contentBytes, propertyBytes);
    this.#bytes += outboxBytesMax(this.#shard, targets, contentBytes, propertyBytes);
    return true;
  }

  #reserve({ messageView, targets }: Item, resume: () => void): boolean {
    const outboxes = outboxesOf(this.#shard);
    if (!this.#hasReserved) outboxes.beginReserving();
    this.#hasReserved = true;
    if (reserveOutboxes(outboxes, targets, messageView.contentBytes())) return true;
    if (this.count === 1) this.#hasReserved = false;
    outboxes.whenRoom(resume);
    return false;
  }

  /** `operation` says how far the stream was fed, and is written only if there is something that has to agree with it. */
  write(operation: () => Uint8Array): void {
    const atomic = this.#atomic;
    const { nowMs } = this.#shard;
    atomic.excludeSettled();
    atomic.begin(this.#bytes + (this.isDurable ? FED_BYTES : 0));
    for (let i = 0; i < this.count; i++) {
      const { messageView, targets } = this.#items[i];
      // What was in a stream survived a restart, whatever the message says.
      atomic.append(targets, messageView, true, nowMs, messageView.ttlMs >= 0);
      messageView.clear();
    }
    if (this.isDurable) atomic.record(operation());
    atomic.end();
    this.count = 0;
    this.#bytes = 0;
    this.#hasReserved = false;
    this.isDurable = false;
  }
}
