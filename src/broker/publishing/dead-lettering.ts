import type { Table } from '../../base/value.ts';
import { FRAME_HEADER_BYTES, frameContentBytes } from '../../log/memory/chunks.ts';
import { decodeHiddenKeys } from '../../records/hidden-keys.ts';
import { MessageView } from '../../records/message-view.ts';
import { ContentView } from '../../records/record-content.ts';
import { COPIES_HEADER } from '../messages/cc-bcc.ts';
import type { PropertyCodec, RoutedMessage } from '../messages/property-codec.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { DeadLetterEntry } from '../queues/dead-letter-outbox.ts';
import type { Queue } from '../queues/queue.ts';
import type { QueueSettings } from '../queues/queue-settings.ts';
import { type Death, type DeathReason, isCycle, recordDeath } from '../queues/x-death.ts';
import type { OutboxPort } from '../shard/outbox-port.ts';
import type { Shard } from '../shard/shard.ts';
import type { Exchange } from '../topology/exchange.ts';
import type { Route } from '../topology/route.ts';
import type { VirtualHosts } from '../topology/virtual-hosts.ts';
import type { RefusedMessages } from './admission.ts';
import { reserveOutboxes } from './atomic-append.ts';
import { type Move, moveAtomically } from './atomic-move.ts';
import { sendContent } from './direct-reply-sender.ts';
import { type RouteTargets, targetsIn } from './route-targets.ts';

const NOTHING = Buffer.alloc(0);

/** How long the messages of one batch may be routed anew. */
const ROUTING_MS_MAX = 2;

/** Between two warnings of the same kind. */
const SILENCE_MS = 60_000;

/** A message that a full queue refused is in no log that it could be settled in. */
const NO_SOURCE = { settle: () => undefined };

/** A dead letter and where it goes. */
interface DeadLetter {
  readonly targets: RouteTargets;
  readonly replies: Route<AnyQueue>['directReplies'];
  readonly persistent: boolean;
  readonly content: Buffer;
}

/** The route of a dead letter with what is written of it, which it often has in common with the next one. */
interface CachedRoute {
  readonly targets: RouteTargets;
  /** Requesters of direct reply-to. */
  readonly replies: Route<AnyQueue>['directReplies'];
  /** The delivery mode of the message: in a transient queue it was never journaled, persistent or not. */
  readonly persistent: boolean;
  readonly exchange: Buffer;
  readonly key: Buffer;
  readonly properties: Buffer;
  readonly hiddenKeys: Buffer;
  readonly delayMs: number;
}

/** What a cached route was made from: it holds for all messages of which the same is true. */
interface RouteKey {
  readonly queue: Queue;
  readonly settings: QueueSettings;
  readonly reason: DeathReason;
  readonly seconds: number;
  /** It holds while its version is the virtual host's. */
  readonly route: Pick<Route<AnyQueue>, 'version'>;
  readonly priority: number;
  readonly protocol: number;
  readonly exchange: Buffer;
  readonly key: Buffer;
  readonly properties: Buffer;
  readonly hiddenKeys: Buffer;
}

/**
 * Sends messages from queues to dead-letter exchanges. Each moves in one block of the journal, so it is never lost on
 * the way and never there twice. Without such an exchange, or where nothing is bound to it, the message is dropped.
 */
export class DeadLettering implements RefusedMessages {
  readonly #shard: Shard;
  readonly #vhosts: VirtualHosts<AnyQueue>;
  readonly #view = new ContentView();
  readonly #messageView = new MessageView();
  /** Queues whose dead letters may not go where they should, with the version of the virtual host that the log has. */
  readonly #told = new WeakMap<Queue, number>();
  /** Refused messages that no outbox had room for. */
  droppedCount = 0;
  #silentUntilMs = 0;
  /** Queues whose dead letters wait until an outbox has room. */
  readonly #waiting = new Set<Queue>();
  #last: { readonly key: RouteKey; readonly route: CachedRoute } | null = null;

  constructor(shard: Shard, vhosts: VirtualHosts<AnyQueue>) {
    this.#shard = shard;
    this.#vhosts = vhosts;
  }

  /**
   * The messages are all in memory. Returns how many were sent: the first ones, if it takes long to find out where they go
   * and to write their headers, which may have thousands of entries, or if an outbox has no room for more. If it has none for
   * the first, 0, and the queue is pumped when there is room.
   */
  send(queue: Queue, batch: readonly DeadLetterEntry[]): number {
    const { clock, store, nowMs, outboxes } = this.#shard;
    const moves: Move[] = [];
    outboxes?.beginReserving();
    const endMs = clock.monotonicMs() + ROUTING_MS_MAX;
    for (const { level, offset, reason } of batch) {
      const position = level.log.positionOf(offset);
      const chunk = store.chunks.of(position);
      const at = position >>> 0;
      const start = at + FRAME_HEADER_BYTES;
      const contentBytes = frameContentBytes(chunk, at);
      const last = this.#last;
      const { targets, replies, content, persistent } = this.#write(
        queue,
        reason,
        chunk.buffer,
        start,
        contentBytes,
      );
      if (outboxes !== null && !reserveOutboxes(outboxes, targets, content.length)) {
        if (moves.length === 0) this.#waitForRoom(queue, outboxes);
        break;
      }
      if (replies.length > 0) sendContent(replies, content, content.length);
      moves.push({ source: level, offset, targets, content, persistent, timestampMs: nowMs });
      const isLikeTheLast = last !== null && this.#last === last;
      if (!isLikeTheLast && clock.monotonicMs() >= endMs) break;
    }
    moveAtomically(this.#shard, moves);
    this.#messageView.clear();
    return moves.length;
  }

  /**
   * A message that a full queue did not take (`reject-publish-dlx`). It is in no queue where it could wait: where an outbox
   * has no room, it is dropped, as its publisher knows that it was refused.
   */
  sendRefused(queue: Queue, messageView: MessageView): void {
    const content = Buffer.allocUnsafe(messageView.contentBytes());
    messageView.write(content, 0);
    const deadLetter = this.#write(queue, 'maxlen', content, 0, content.length);
    const timestampMs = this.#shard.nowMs;
    const { replies } = deadLetter;
    if (replies.length > 0) sendContent(replies, deadLetter.content, deadLetter.content.length);
    if (this.#hasRoomFor(deadLetter)) {
      moveAtomically(this.#shard, [{ source: NO_SOURCE, offset: 0, ...deadLetter, timestampMs }]);
    } else this.#tellDropped(queue);
    this.#messageView.clear();
  }

  #hasRoomFor({ targets, content }: DeadLetter): boolean {
    const { outboxes } = this.#shard;
    if (outboxes === null) return true;
    outboxes.beginReserving();
    return reserveOutboxes(outboxes, targets, content.length);
  }

  #tellDropped({ name, vhost }: Queue): void {
    this.droppedCount++;
    if (this.#shard.clock.monotonicMs() < this.#silentUntilMs) return;
    this.#silentUntilMs = this.#shard.clock.monotonicMs() + SILENCE_MS;
    this.#shard.log.warn(
      { queue: name, vhost, dropped: this.droppedCount },
      'refused messages are dropped: too many wait for the shard that they would be dead-lettered to',
    );
  }

  /** Once for each queue. */
  #waitForRoom(queue: Queue, outboxes: OutboxPort): void {
    if (this.#waiting.has(queue)) return;
    this.#waiting.add(queue);
    outboxes.whenRoom(() => {
      this.#waiting.delete(queue);
      queue.pumpLater();
    });
  }

  #write(queue: Queue, reason: DeathReason, buffer: Buffer, start: number, length: number): DeadLetter {
    const view = this.#view;
    view.parse(buffer, start, length);
    const route = this.#isLikeTheLast(queue, reason, buffer)
      ? (this.#last as { route: CachedRoute }).route
      : this.#newRoute(queue, reason, buffer);
    const { targets, replies, persistent, exchange, key, properties } = route;
    if (targets.logs.length + targets.streams.length + targets.remotes.length + replies.length === 0)
      return { targets, replies, persistent, content: properties };
    const messageView = this.#messageView;
    messageView.exchange = exchange;
    messageView.exchangeStart = 0;
    messageView.exchangeEnd = exchange.length;
    messageView.key = key;
    messageView.keyStart = 0;
    messageView.keyEnd = key.length;
    messageView.body = buffer;
    messageView.bodyStart = view.bodyStart;
    messageView.bodyEnd = view.bodyEnd;
    messageView.properties = properties;
    messageView.propertiesStart = 0;
    messageView.propertiesEnd = properties.length;
    messageView.protocol = view.sourceProtocol;
    messageView.priority = view.priority;
    messageView.delayMs = route.delayMs;
    messageView.hiddenKeys = route.hiddenKeys;
    messageView.hiddenKeysStart = 0;
    messageView.hiddenKeysEnd = route.hiddenKeys.length;
    const content = Buffer.allocUnsafe(messageView.contentBytes());
    messageView.write(content, 0);
    return { targets, replies, persistent, content };
  }

  /** Messages of one publisher mostly differ in their bodies alone. */
  #isLikeTheLast(queue: Queue, reason: DeathReason, buffer: Buffer): boolean {
    if (this.#last === null) return false;
    const { key } = this.#last;
    const view = this.#view;
    return (
      key.queue === queue &&
      key.reason === reason &&
      key.settings === queue.settings &&
      key.seconds === Math.floor(this.#shard.nowMs / 1000) &&
      key.route.version === this.#vhosts.get(queue.vhost)?.version &&
      key.priority === view.priority &&
      key.protocol === view.sourceProtocol &&
      isSame(key.properties, buffer, view.propertiesStart, view.propertiesEnd) &&
      isSame(key.key, buffer, view.keyStart, view.keyEnd) &&
      isSame(key.hiddenKeys, buffer, view.hiddenKeysStart, view.hiddenKeysEnd) &&
      isSame(key.exchange, buffer, view.exchangeStart, view.exchangeEnd)
    );
  }

  #newRoute(queue: Queue, reason: DeathReason, buffer: Buffer): CachedRoute {
    const view = this.#view;
    const { nowMs } = this.#shard;
    const codec = this.#shard.codecs.of(view.sourceProtocol);
    const headers = codec?.headers(buffer, view.propertiesStart, view.propertiesEnd) ?? null;
    const { settings } = queue;
    const { deadLetterExchange, deadLetterRoutingKey } = settings;
    const exchange = copyOf(buffer, view.exchangeStart, view.exchangeEnd);
    const key = copyOf(buffer, view.keyStart, view.keyEnd);
    const death: Death = {
      queue: queue.name,
      reason,
      exchange: exchange.toString('utf8'),
      routingKeys: [key.toString('utf8'), ...copiesOf(headers)],
      timeMs: nowMs,
      expiration: codec?.property(buffer, view.propertiesStart, view.propertiesEnd, 'expiration') ?? null,
    };
    const hidden = copyOf(buffer, view.hiddenKeysStart, view.hiddenKeysEnd);
    const keys =
      deadLetterRoutingKey === null
        ? [...death.routingKeys, ...decodeHiddenKeys(hidden, 0, hidden.length)]
        : [deadLetterRoutingKey];
    const properties = this.#edit(codec, buffer, headers, death, deadLetterRoutingKey !== null);
    const route = this.#route(queue, deadLetterExchange ?? '', keys, codec, properties);
    const queues = route.queues.filter((target) => !isCycle(headers, death, target.name));
    const cached: CachedRoute = {
      targets: targetsIn(queues, view.priority, route.streams),
      replies: route.directReplies,
      persistent: codec?.isPersistent(properties, 0, properties.length) ?? true,
      exchange: Buffer.from(deadLetterExchange ?? '', 'utf8'),
      key: Buffer.from(keys[0], 'utf8'),
      properties,
      hiddenKeys: deadLetterRoutingKey === null ? hidden : NOTHING,
      delayMs: route.delayMs,
    };
    const routeKey: RouteKey = {
      queue,
      settings,
      reason,
      seconds: Math.floor(nowMs / 1000),
      route,
      priority: view.priority,
      protocol: view.sourceProtocol,
      exchange,
      key,
      properties: copyOf(buffer, view.propertiesStart, view.propertiesEnd),
      hiddenKeys: hidden,
    };
    this.#last = route.cacheable ? { key: routeKey, route: cached } : null;
    return cached;
  }

  #edit(
    codec: PropertyCodec | undefined,
    buffer: Buffer,
    headers: Table | null,
    death: Death,
    hasNewKey: boolean,
  ): Buffer {
    const { propertiesStart, propertiesEnd } = this.#view;
    if (codec === undefined) return Buffer.from(buffer.subarray(propertiesStart, propertiesEnd));
    const edit = recordDeath(headers, death);
    return codec.edit(
      buffer,
      propertiesStart,
      propertiesEnd,
      hasNewKey ? { ...edit, remove: [COPIES_HEADER] } : edit,
    );
  }

  #route(
    queue: Queue,
    exchangeName: string,
    keys: readonly string[],
    codec: PropertyCodec | undefined,
    properties: Buffer,
  ): Route<AnyQueue> {
    const vhost = this.#vhosts.get(queue.vhost);
    const exchange = vhost?.findExchange(exchangeName);
    const mayGo = exchange !== undefined && !exchange.isSystem && this.#mayGo(queue, exchange, keys);
    if (vhost === undefined || exchange === undefined || !mayGo) {
      const cacheable = vhost !== undefined;
      return {
        queues: [],
        streams: [],
        delayMs: -1,
        isCutOff: false,
        directReplies: [],
        cacheable,
        version: vhost?.version ?? 0,
      };
    }
    const message: RoutedMessage = {
      headers: () => codec?.headers(properties, 0, properties.length) ?? null,
      property: (name) => codec?.property(properties, 0, properties.length, name) ?? null,
    };
    return keys.length === 1
      ? vhost.route(exchange, keys[0], message)
      : vhost.routeWithKeys(exchange, keys, message);
  }

  /** By a policy wherever it says; by the queue's own argument as long as who declared it may write there. */
  #mayGo(queue: Queue, exchange: Exchange<AnyQueue>, keys: readonly string[]): boolean {
    const { vhost, declaredBy } = queue;
    if (typeof queue.arguments['x-dead-letter-exchange'] !== 'string') return true;
    const host = this.#vhosts.get(vhost);
    if (host === undefined || host.mayLeadTo(declaredBy, exchange, keys)) return true;
    if (this.#told.get(queue) !== host.version) {
      this.#told.set(queue, host.version);
      this.#shard.log.warn(
        { queue: queue.name, vhost, exchange: exchange.name, user: declaredBy },
        'dead letters are dropped: the user who declared the queue may not write to its dead-letter exchange any more',
      );
    }
    return false;
  }
}

/** Empty for an absent field, whose end is -1. */
function copyOf(buffer: Buffer, start: number, end: number): Buffer {
  return end <= start ? NOTHING : Buffer.from(buffer.subarray(start, end));
}

function isSame(known: Buffer, buffer: Buffer, start: number, end: number): boolean {
  const { length } = known;
  if (length !== Math.max(0, end - start)) return false;
  for (let i = 0; i < length; i++) if (known[i] !== buffer[start + i]) return false;
  return true;
}

/** The other keys that the message was published with, but for the hidden ones. */
function copiesOf(headers: Table | null): string[] {
  const copies = headers?.[COPIES_HEADER];
  return Array.isArray(copies) ? copies.filter((key) => typeof key === 'string') : [];
}
