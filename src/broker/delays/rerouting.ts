import type { Table } from '../../base/value.ts';
import type { Chunk } from '../../log/memory/chunks.ts';
import { FRAME_HEADER_BYTES, frameContentBytes, frameTimestampMs } from '../../log/memory/chunks.ts';
import { decodeHiddenKeys } from '../../records/hidden-keys.ts';
import { MessageView } from '../../records/message-view.ts';
import { ContentView } from '../../records/record-content.ts';
import { extraKeys, HIDDEN_KEYS_HEADER } from '../messages/cc-bcc.ts';
import type { NamedProperty, PropertyCodecs, RoutedMessage } from '../messages/property-codec.ts';
import { type AppendTargets, mayLeave } from '../publishing/atomic-append.ts';
import type { Move } from '../publishing/atomic-move.ts';
import { targetsIn } from '../publishing/route-targets.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { Route } from '../topology/route.ts';
import type { Bucket } from './bucket.ts';
import type { DelayLedger } from './delay-ledger.ts';

/** Where a message goes whose delay is over; null if its exchange is gone. */
export type RouteDelayed = (
  exchange: string,
  routingKeys: readonly string[],
  message: RoutedMessage,
) => Route<AnyQueue> | null;

/** Whether there is room for a message of so many bytes in the outboxes of these shards. */
export type ReserveRoom = (targets: AppendTargets, contentBytes: number) => boolean;

/** The header that asked for the delay: whoever gets the message finds it negated, and how long it waited. */
const DELAY_HEADER = 'x-delay';
const INT32_MAX = 0x7fffffff;

const NOWHERE: AppendTargets = {
  levels: [],
  queues: [],
  logs: [],
  durableLogs: [],
  streams: [],
  remotes: [],
};
const NOTHING = Buffer.alloc(0);

/** Makes of a message that has waited long enough what goes to the queues. One is used for all messages in turn. */
export class Rerouting implements RoutedMessage {
  readonly #codecs: PropertyCodecs;
  readonly #routeDelayed: RouteDelayed;
  readonly #ledger: DelayLedger;
  readonly #reserve: ReserveRoom;
  readonly #view = new ContentView();
  readonly #messageView = new MessageView();
  #buffer: Buffer = NOTHING;
  #headers: Table | null | undefined;

  constructor(codecs: PropertyCodecs, routeDelayed: RouteDelayed, ledger: DelayLedger, reserve: ReserveRoom) {
    this.#reserve = reserve;
    this.#codecs = codecs;
    this.#routeDelayed = routeDelayed;
    this.#ledger = ledger;
  }

  /**
   * It is published now, as far as its queues are concerned: what it may wait there counts from here on. Null if an outbox that
   * it has to go into has no room.
   */
  moveOf(source: Bucket, offset: number, chunk: Chunk, at: number, nowMs: number): Move | null {
    // What is in a segment need not have been persistent, but has survived as if it were.
    const persistent = chunk.kind !== 'transient';
    const targets = this.#targetsOf(chunk, at);
    if (targets === null) {
      this.#buffer = NOTHING;
      return null;
    }
    this.#ledger.lateness.record(nowMs - frameTimestampMs(chunk, at) - this.#view.delayMs);
    const content = targets === NOWHERE ? NOTHING : this.#content();
    this.#buffer = NOTHING;
    return { source, offset, targets, content, persistent, timestampMs: nowMs };
  }

  headers(): Table | null {
    if (this.#headers === undefined) {
      const { sourceProtocol, propertiesStart, propertiesEnd } = this.#view;
      const codec = this.#codecs.of(sourceProtocol);
      this.#headers = codec?.headers(this.#buffer, propertiesStart, propertiesEnd) ?? null;
    }
    return this.#headers;
  }

  property(name: NamedProperty): string | null {
    const { sourceProtocol, propertiesStart, propertiesEnd } = this.#view;
    return (
      this.#codecs.of(sourceProtocol)?.property(this.#buffer, propertiesStart, propertiesEnd, name) ?? null
    );
  }

  #targetsOf(chunk: Chunk, at: number): AppendTargets | null {
    const ledger = this.#ledger;
    const view = this.#view;
    this.#buffer = chunk.buffer;
    this.#headers = undefined;
    const isWhole = view.parse(chunk.buffer, at + FRAME_HEADER_BYTES, frameContentBytes(chunk, at));
    if (!isWhole || view.sourceProtocol === 0) {
      ledger.dropped++;
      return NOWHERE;
    }
    const exchange = this.#buffer.toString('utf8', view.exchangeStart, view.exchangeEnd);
    const key = view.keyStart < 0 ? '' : this.#buffer.toString('utf8', view.keyStart, view.keyEnd);
    const hidden = decodeHiddenKeys(this.#buffer, view.hiddenKeysStart, view.hiddenKeysEnd);
    const route = this.#routeDelayed(exchange, [key, ...extraKeys(this.headers()), ...hidden], this);
    if (route === null) {
      ledger.dropped++;
      return NOWHERE;
    }
    if (route.queues.length + route.streams.length === 0) {
      ledger.unroutable++;
      return NOWHERE;
    }
    // The route is this message's alone: nothing is remembered with it.
    const targets = targetsIn(route.queues, view.priority, route.streams);
    if (mayLeave(targets) && !this.#reserve(targets, frameContentBytes(chunk, at))) return null;
    ledger.routed++;
    if (view.ttlMs >= 0) for (const queue of targets.queues) queue.messagesExpire();
    return targets;
  }

  #content(): Buffer {
    const view = this.#view;
    const messageView = this.#messageView;
    messageView.takeContent(this.#buffer, view);
    // It has waited.
    messageView.delayMs = -1;
    this.#setProperties();
    const content = Buffer.allocUnsafe(messageView.contentBytes());
    messageView.write(content, 0);
    messageView.clear();
    return content;
  }

  #setProperties(): void {
    const { sourceProtocol, propertiesStart, propertiesEnd } = this.#view;
    const messageView = this.#messageView;
    messageView.properties = this.#buffer;
    messageView.propertiesStart = propertiesStart;
    messageView.propertiesEnd = propertiesEnd;
    const codec = this.#codecs.of(sourceProtocol);
    if (codec === undefined || this.headers()?.[DELAY_HEADER] === undefined) return;
    const { delayMs } = this.#view;
    messageView.properties = codec.edit(this.#buffer, propertiesStart, propertiesEnd, {
      set: { [DELAY_HEADER]: delayMs > INT32_MAX ? -BigInt(delayMs) : -delayMs },
      // There in messages of before they were an attribute.
      remove: [HIDDEN_KEYS_HEADER],
    });
    messageView.propertiesStart = 0;
    messageView.propertiesEnd = messageView.properties.length;
  }
}
