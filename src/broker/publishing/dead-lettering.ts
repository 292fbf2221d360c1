import type { Table } from '../../base/value.ts';
import { FRAME_HEADER_BYTES } from '../../log/memory/chunks.ts';
import { MessageView } from '../../records/message-view.ts';
import { ContentView } from '../../records/record-content.ts';
import type { Broker } from '../broker.ts';
import type { PropertyCodec, RoutedMessage } from '../messages/property-codec.ts';
import type { DeadLetterBatch, DeathReason } from '../queues/dead-letter-outbox.ts';
import type { Queue } from '../queues/queue.ts';
import type { QueueSettings } from '../queues/queue-settings.ts';
import { type Death, isCycle, recordDeath } from '../queues/x-death.ts';
import type { Route } from '../topology/route.ts';
import { type Transfer, transfer } from './atomic-move.ts';
import { sendContent } from './direct-reply-sender.ts';
import { type Targets, targetsIn } from './route-targets.ts';

const NOTHING = Buffer.alloc(0);

/** A message that was refused at the door is in no log that it could be settled in. */
const OUTSIDE = { settle: () => undefined };

/** A letter and where it goes. */
interface Letter {
  readonly targets: Targets;
  readonly persistent: boolean;
  readonly content: Buffer;
}

/** The address of a letter, which it often has in common with the next one. */
interface Envelope {
  readonly targets: Targets;
  /** Who waits for answers at this address. */
  readonly replies: Route<Queue>['replies'];
  /** As the message says: in a queue that is not durable it lay in memory that nobody writes down. */
  readonly persistent: boolean;
  readonly exchange: Buffer;
  readonly key: Buffer;
  readonly properties: Buffer;
  readonly delayMs: number;
}

/** What an envelope was made from: it is right for all messages of which the same is true. */
interface Sender {
  readonly queue: Queue;
  readonly settings: QueueSettings;
  readonly reason: DeathReason;
  readonly seconds: number;
  /** While it carries the version of the virtual host, it leads where it did. */
  readonly route: Pick<Route<Queue>, 'version'>;
  readonly priority: number;
  readonly protocol: number;
  readonly exchange: Buffer;
  readonly key: Buffer;
  readonly properties: Buffer;
}

/**
 * Sends messages from queues to dead-letter exchanges. Each moves in one block of the journal, so it is never lost on
 * the way and never there twice. Without such an exchange, or where nothing is bound to it, the message is dropped.
 */
export class DeadLettering {
  readonly #broker: Broker;
  readonly #view = new ContentView();
  readonly #messageView = new MessageView();
  #last: { readonly sender: Sender; readonly envelope: Envelope } | null = null;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** The messages are all in memory. */
  send(queue: Queue, batch: readonly DeadLetterBatch[]): void {
    const { store, turn } = this.#broker;
    const transfers = batch.map(({ lane, offset, reason }): Transfer => {
      const position = lane.log.positionOf(offset);
      const chunk = store.chunks.of(position);
      const at = position >>> 0;
      const start = at + FRAME_HEADER_BYTES;
      const letter = this.#write(queue, reason, chunk.buffer, start, chunk.u32[(at >>> 2) + 2] as number);
      const { targets, content, persistent } = letter;
      return { source: lane, offset, targets, content, persistent, timestampMs: turn.nowMs };
    });
    queue.ledger.deadLettered += transfers.length;
    transfer(this.#broker, transfers);
    this.#messageView.clear();
  }

  /** A message that a full queue did not take. */
  sendRefused(queue: Queue, messageView: MessageView): void {
    const content = Buffer.allocUnsafe(messageView.contentBytes());
    messageView.write(content, 0);
    const letter = this.#write(queue, 'maxlen', content, 0, content.length);
    const timestampMs = this.#broker.turn.nowMs;
    transfer(this.#broker, [{ source: OUTSIDE, offset: 0, ...letter, timestampMs }]);
    this.#messageView.clear();
  }

  #write(queue: Queue, reason: DeathReason, buffer: Buffer, start: number, length: number): Letter {
    const view = this.#view;
    view.parse(buffer, start, length);
    const envelope = this.#isLikeTheLast(queue, reason, buffer)
      ? (this.#last as { envelope: Envelope }).envelope
      : this.#address(queue, reason, buffer);
    const { targets, replies, persistent, exchange, key, properties, delayMs } = envelope;
    if (targets.logs.length + targets.streams.length + replies.length === 0)
      return { targets, persistent, content: properties };
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
    messageView.delayMs = delayMs;
    const content = Buffer.allocUnsafe(messageView.contentBytes());
    messageView.write(content, 0);
    if (replies.length > 0) sendContent(replies, content, content.length);
    return { targets, persistent, content };
  }

  /** Messages of one publisher mostly differ in their bodies alone. */
  #isLikeTheLast(queue: Queue, reason: DeathReason, buffer: Buffer): boolean {
    if (this.#last === null) return false;
    const { sender } = this.#last;
    const view = this.#view;
    return (
      sender.queue === queue &&
      sender.reason === reason &&
      sender.settings === queue.settings &&
      sender.seconds === Math.floor(this.#broker.turn.nowMs / 1000) &&
      sender.route.version === this.#broker.vhost(queue.vhost)?.version &&
      sender.priority === view.priority &&
      sender.protocol === view.sourceProtocol &&
      isSame(sender.properties, buffer, view.propertiesStart, view.propertiesEnd) &&
      isSame(sender.key, buffer, view.keyStart, view.keyEnd) &&
      isSame(sender.exchange, buffer, view.exchangeStart, view.exchangeEnd)
    );
  }

  #address(queue: Queue, reason: DeathReason, buffer: Buffer): Envelope {
    const view = this.#view;
    const { nowMs } = this.#broker.turn;
    const codec = this.#broker.codecs.of(view.sourceProtocol);
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
    const keys = deadLetterRoutingKey === null ? death.routingKeys : [deadLetterRoutingKey];
    const properties = this.#edit(codec, buffer, headers, death, deadLetterRoutingKey !== null);
    const route = this.#route(queue, deadLetterExchange ?? '', keys, codec, properties);
    const queues = route.queues.filter((target) => !isCycle(headers, death, target.name));
    const envelope: Envelope = {
      targets: targetsIn(queues, view.priority, route.streams),
      replies: route.replies,
      persistent: codec?.isPersistent(properties, 0, properties.length) ?? true,
      exchange: Buffer.from(deadLetterExchange ?? '', 'utf8'),
      key: Buffer.from(keys[0] as string, 'utf8'),
      properties,
      delayMs: route.delayMs,
    };
    const sender: Sender = {
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
    };
    this.#last = route.cacheable ? { sender, envelope } : null;
    return envelope;
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
    return codec.edit(buffer, propertiesStart, propertiesEnd, hasNewKey ? { ...edit, remove: ['CC'] } : edit);
  }

  #route(
    queue: Queue,
    exchangeName: string,
    keys: readonly string[],
    codec: PropertyCodec | undefined,
    properties: Buffer,
  ): Route<Queue> {
    const vhost = this.#broker.vhost(queue.vhost);
    const exchange = vhost?.findExchange(exchangeName);
    if (vhost === undefined || exchange === undefined) {
      const cacheable = vhost !== undefined;
      return { queues: [], streams: [], delayMs: -1, replies: [], cacheable, version: vhost?.version ?? 0 };
    }
    const message: RoutedMessage = {
      headers: () => codec?.headers(properties, 0, properties.length) ?? null,
      property: (name) => codec?.property(properties, 0, properties.length, name) ?? null,
    };
    return keys.length === 1
      ? vhost.route(exchange, keys[0] as string, message)
      : vhost.routeWithKeys(exchange, keys, message);
  }
}

/** Absent parts, whose ends are -1, are empty. */
function copyOf(buffer: Buffer, start: number, end: number): Buffer {
  return end <= start ? NOTHING : Buffer.from(buffer.subarray(start, end));
}

function isSame(known: Buffer, buffer: Buffer, start: number, end: number): boolean {
  const { length } = known;
  if (length !== Math.max(0, end - start)) return false;
  for (let i = 0; i < length; i++) if (known[i] !== buffer[start + i]) return false;
  return true;
}

/** The other keys that the message was published with; secret ones were removed then. */
function copiesOf(headers: Table | null): string[] {
  const copies = headers?.CC;
  return Array.isArray(copies) ? copies.filter((key) => typeof key === 'string') : [];
}
