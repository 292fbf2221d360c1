import { Store } from '../../../log/store.ts';
import { MessageView } from '../../../records/message-view.ts';
import type { Broker } from '../../broker.ts';
import type { RecordMessage } from '../../messages/message-from-record.ts';
import { recordBytesMax } from '../../messages/record-from-message.ts';
import { type Targets, targetsOf } from '../../publishing/route-targets.ts';
import type { Queue } from '../../queues/queue.ts';
import type { Route } from '../../topology/route.ts';
import { FED_BYTES } from './feed-operations.ts';

/** More than that in one block would only leave the ends of chunks empty. */
const BYTES_MAX = 256 * 1024;
const MESSAGES_MAX = 512;

/** One message on its way from a stream; used again for others. */
interface Item {
  readonly messageView: MessageView;
  targets: Targets;
}

/**
 * Messages from a stream that are appended to queues together with the word that they were: after a crash there is
 * either both or neither. They are not copied before that, and so have to be where they are until `write`.
 */
export class FeedBatch {
  /** Whether there is anything that survives a restart. */
  isDurable = false;
  count = 0;
  readonly #broker: Broker;
  readonly #items: Item[] = [];
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(broker: Broker) {
    this.#broker = broker;
    this.#bytesMax = Math.min(BYTES_MAX, broker.store.options.chunkBytes >>> 1);
  }

  get isFull(): boolean {
    return this.count === MESSAGES_MAX || this.#bytes >= this.#bytesMax;
  }

  /** `exchange` is that of the stream. */
  add(message: RecordMessage, route: Route<Queue>, exchange: Buffer): void {
    const targets = targetsOf(route, message.priority);
    let item = this.#items[this.count];
    if (item === undefined) {
      item = { messageView: new MessageView(), targets };
      this.#items.push(item);
    }
    this.count++;
    message.fill(item.messageView);
    if (route.delayMs > 0) {
      // It goes on from here when its delay is over, wherever it was published.
      item.messageView.delayMs = route.delayMs;
      item.messageView.exchange = exchange;
      item.messageView.exchangeStart = 0;
      item.messageView.exchangeEnd = exchange.length;
    }
    item.targets = targets;
    const contentBytes = item.messageView.contentBytes();
    const { durableLogs, streams } = targets;
    if (durableLogs.length > 0) {
      this.isDurable = true;
      this.#bytes += Store.entryBytes(durableLogs.length, contentBytes);
    }
    if (streams.length === 0) return;
    this.isDurable = true;
    const { propertiesStart, propertiesEnd } = item.messageView;
    this.#bytes += streams.length * recordBytesMax(contentBytes, propertiesEnd - propertiesStart);
  }

  /** `operation` says how far the stream was fed, and is written only if there is something that has to agree with it. */
  write(operation: () => Uint8Array): void {
    const { store, turn } = this.#broker;
    const { journal } = store;
    // What others settled is no part of it.
    store.flushSettles();
    journal.beginAtomic(this.#bytes + (this.isDurable ? FED_BYTES : 0));
    for (let i = 0; i < this.count; i++) {
      const { messageView, targets } = this.#items[i] as Item;
      const { lanes, logs, durableLogs, streams } = targets;
      if (lanes.length > 0) {
        // What was in a stream survived a restart, whatever the message says.
        store.append(logs, durableLogs, true, messageView, turn.nowMs);
        const bodyBytes = messageView.bodyEnd - messageView.bodyStart;
        for (const lane of lanes) {
          lane.published(bodyBytes);
          if (messageView.ttlMs >= 0) lane.queue.messagesExpire();
        }
      }
      for (const stream of streams) stream.append(messageView, turn.nowMs, false);
      messageView.clear();
    }
    if (this.isDurable) this.#broker.record(operation());
    journal.endAtomic();
    turn.schedule();
    this.count = 0;
    this.#bytes = 0;
    this.isDurable = false;
  }
}
