import { MessageParts } from '../../log/message-parts.ts';
import { Store } from '../../log/store.ts';
import type { Broker } from '../broker.ts';
import type { Queue } from '../queue.ts';
import { type Targets, targetsOf } from '../targets.ts';
import type { Route } from '../topology/routing.ts';
import type { RecordMessage } from './record-message.ts';
import { recordBytesMax } from './record-writer.ts';
import { FED_BYTES } from './view-operations.ts';

/** More than that in one block would only leave the ends of chunks empty. */
const BYTES_MAX = 256 * 1024;
const MESSAGES_MAX = 512;

/** One message on its way from a stream; used again for others. */
interface Item {
  readonly parts: MessageParts;
  targets: Targets;
}

/**
 * Messages from a stream that are appended to queues together with the word that they were: after a crash there is
 * either both or neither. They are not copied before that, and so have to be where they are until `write`.
 */
export class Feeding {
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
      item = { parts: new MessageParts(), targets };
      this.#items.push(item);
    }
    this.count++;
    message.fill(item.parts);
    if (route.delayMs > 0) {
      // It goes on from here when its delay is over, wherever it was published.
      item.parts.delayMs = route.delayMs;
      item.parts.exchange = exchange;
      item.parts.exchangeStart = 0;
      item.parts.exchangeEnd = exchange.length;
    }
    item.targets = targets;
    const contentBytes = item.parts.contentBytes();
    const { durableLogs, streams } = targets;
    if (durableLogs.length > 0) {
      this.isDurable = true;
      this.#bytes += Store.entryBytes(durableLogs.length, contentBytes);
    }
    if (streams.length === 0) return;
    this.isDurable = true;
    const { propertiesStart, propertiesEnd } = item.parts;
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
      const { parts, targets } = this.#items[i] as Item;
      const { lanes, logs, durableLogs, streams } = targets;
      if (lanes.length > 0) {
        // What was in a stream survived a restart, whatever the message says.
        store.append(logs, durableLogs, true, parts, turn.nowMs);
        const bodyBytes = parts.bodyEnd - parts.bodyStart;
        for (const lane of lanes) {
          lane.published(bodyBytes);
          if (parts.ttlMs >= 0) lane.queue.messagesExpire();
        }
      }
      for (const stream of streams) stream.append(parts, turn.nowMs, false);
      parts.clear();
    }
    if (this.isDurable) this.#broker.record(operation());
    journal.endAtomic();
    turn.schedule();
    this.count = 0;
    this.#bytes = 0;
    this.isDurable = false;
  }
}
