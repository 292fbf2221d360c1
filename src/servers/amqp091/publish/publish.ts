import type { Table } from '../../../base/value.ts';
import { HIDDEN_KEYS_HEADER, hiddenKeysOf } from '../../../broker/messages/cc-bcc.ts';
import type { NamedProperty, RoutedMessage } from '../../../broker/messages/property-codec.ts';
import { Publisher, REFUSED } from '../../../broker/publishing/publisher.ts';
import type { ResourceAlarms } from '../../../broker/shard/resource-alarms.ts';
import type { MessageView } from '../../../records/message-view.ts';
import { SOURCE_AMQP091 } from '../../../records/record-content.ts';
import { FRAME_BODY, FRAME_HEADER, FRAME_METHOD, TABLE_VALUES_MAX } from '../../../wire/amqp091/constants.ts';
import { WireError } from '../../../wire/amqp091/errors.ts';
import { BASIC_PUBLISH, PUBLISH_NAMES_AT } from '../../../wire/amqp091/methods.ts';
import {
  CONTENT_HEADER_BYTES,
  checkProperties,
  findProperty,
  PROPERTY_DELIVERY_MODE,
  PROPERTY_EXPIRATION,
  PROPERTY_HEADERS,
  PROPERTY_PRIORITY,
  PROPERTY_REPLY_TO,
  PROPERTY_USER_ID,
  peekDeliveryMode,
  readBodySize,
} from '../../../wire/amqp091/properties.ts';
import type { ChannelContext } from '../channel-context.ts';
import { isDirectReplyTo } from '../deliver/direct-reply.ts';
import { AmqpError } from '../errors.ts';
import { amqp091Codec } from '../property-codec.ts';
import { tracePublished } from '../trace.ts';
import { encodeReturn } from './basic-return.ts';
import { parseExpiration } from './expiration.ts';
import { contentHeaderPayload, publishPayload } from './publish-payloads.ts';
import { ReceivedBody } from './received-body.ts';
import { CHEAP_QUEUES_MAX } from './route-cache.ts';
import { validateUserId } from './validated-user-id.ts';

const EMPTY = Buffer.alloc(0);
const TRANSIENT = 1;
const PERSISTENT = 2;
const MANDATORY = 1;
const IMMEDIATE = 2;
/** RabbitMQ's sender-selected distribution: headers with further routing keys, as short strings. */
const CC = Buffer.from('\x02CC', 'latin1');
const BCC = Buffer.from('\x03BCC', 'latin1');

/** What a channel expects next (AMQP 4.2.6): a method, a content header or a content body. */
const IDLE = 0;
const WANTS_HEADER = 1;
const WANTS_BODY = 2;

/**
 * basic.publish (AMQP 1.8.3.7) and its content, the hot path of publishers. The frames stay in the socket's buffer; the
 * fields say where. `detach` copies them if the buffer ends before the content does.
 *
 *   names:      [ n | exchange | m | routing-key | bits ]
 *               addressStart  exchangeEnd        keyEnd
 *   properties: [ flags | list ]
 *               propertiesStart    propertiesEnd
 */
export class Publishing implements RoutedMessage {
  readonly publisher: Publisher;
  readonly #channel: ChannelContext;
  readonly #alarms: ResourceAlarms;
  #expects = IDLE;
  #names: Buffer = EMPTY;
  #addressStart = 0;
  #exchangeEnd = 0;
  #keyEnd = 0;
  #bits = 0;
  #properties: Buffer = EMPTY;
  #propertiesStart = 0;
  #propertiesEnd = 0;
  #bodyBytes = 0;
  /** If it comes in several frames. */
  #body: ReceivedBody | null = null;
  /** What is counted as held: buffers of an unfinished content. */
  #heldBytes = 0;
  /** Of the content; modulo 2^22. */
  #contentNumber = 0;
  /** `#progress` at the last check, and when it was another one. */
  #seenProgress = -1;
  #seenAtMs = 0;
  #isPaused = false;

  constructor(channel: ChannelContext) {
    this.#channel = channel;
    this.#alarms = channel.broker.shard.alarms;
    this.publisher = new Publisher(channel.broker.shard, channel.broker.deadLettering);
    this.publisher.isAwaited = false;
    this.publisher.messageView.protocol = SOURCE_AMQP091;
  }

  get isUnfinished(): boolean {
    return this.#expects !== IDLE;
  }

  /** A frame came that does not continue the content (AMQP 4.2.6). The texts are RabbitMQ's. */
  failUnfinished(): never {
    throw new AmqpError(
      'UNEXPECTED_FRAME',
      this.#expects === IDLE
        ? 'expected method frame, got non method frame instead'
        : this.#expects === WANTS_HEADER
          ? 'expected content header for class 60, got non content header frame instead'
          : 'expected content body, got non content body frame instead',
      this.#expects === IDLE ? 0 : BASIC_PUBLISH,
    );
  }

  /**
   * While publishers are blocked the frame waits, and with it all that comes after it on the channel: nothing of it is
   * appended, also if it is the first that this connection publishes.
   *
   * The payload of a basic.publish: see `decodePublish` in wire/amqp091/methods.ts for its layout.
   */
  method(bytes: Buffer, start: number, end: number): void {
    if (this.#alarms.isBlocking) {
      this.#channel.holdFrame(FRAME_METHOD, bytes, start, end);
      return;
    }
    const addressStart = start + PUBLISH_NAMES_AT;
    const exchangeEnd = addressStart + 1 + bytes[addressStart];
    const keyEnd = exchangeEnd + 1 + bytes[exchangeEnd];
    // Also false if a length octet lay beyond the buffer: it is undefined then, and the sum NaN.
    if (!(keyEnd + 1 === end)) {
      throw new WireError(
        'syntax-error',
        `basic.publish: the names do not fit the frame of ${end - start} bytes`,
      );
    }
    this.#names = bytes;
    this.#addressStart = addressStart;
    this.#exchangeEnd = exchangeEnd;
    this.#keyEnd = keyEnd;
    this.#bits = bytes[keyEnd];
    this.#contentNumber = (this.#contentNumber + 1) & 0x3fffff;
    this.#expects = WANTS_HEADER;
    if ((this.#bits & IMMEDIATE) !== 0) throw new AmqpError('NOT_IMPLEMENTED', 'immediate=true');
  }

  header(bytes: Buffer, start: number, end: number): void {
    if (this.#expects !== WANTS_HEADER) this.failUnfinished();
    const bodyBytes = readBodySize(bytes, start, end);
    const propertiesStart = start + CONTENT_HEADER_BYTES;
    checkProperties(bytes, propertiesStart, end, TABLE_VALUES_MAX);
    const { maxMessageBytes } = this.#channel.settings;
    if (bodyBytes > maxMessageBytes) {
      throw new AmqpError(
        'PRECONDITION_FAILED',
        `message size ${bodyBytes} is larger than configured max size ${maxMessageBytes}`,
      );
    }
    this.#properties = bytes;
    this.#propertiesStart = propertiesStart;
    this.#propertiesEnd = end;
    this.#bodyBytes = bodyBytes;
    this.#expects = WANTS_BODY;
    // From here on it is a publisher: while a resource is short, the rest of the message is not read.
    if (!this.#channel.connection.hasPublished) this.#channel.connection.publishedFirst();
    if (bodyBytes === 0) this.#complete(bytes, end, end);
  }

  body(bytes: Buffer, start: number, end: number): void {
    if (this.#expects !== WANTS_BODY) this.failUnfinished();
    const count = end - start;
    if (count === this.#bodyBytes) {
      this.#complete(bytes, start, end);
      return;
    }
    this.#body ??= new ReceivedBody(this.#bodyBytes);
    const body = this.#body;
    const received = body.bytes + count;
    if (received > this.#bodyBytes) {
      throw new WireError('frame-error', `a body of ${received} bytes, ${this.#bodyBytes} were announced`);
    }
    const more = body.growth(count);
    if (more > 0) {
      this.#heldBytes += more;
      this.#channel.connection.memory.hold(more);
    }
    body.append(bytes, start, end);
    if (received < this.#bodyBytes) return;
    this.#body = null;
    this.#complete(body.take(), 0, received);
  }

  /** The buffer of the frames so far will be used again: copies what is needed of it, or drops the references. */
  detach(): void {
    if (this.#expects === IDLE) {
      this.release();
      return;
    }
    this.#names = Buffer.from(this.#names.subarray(this.#addressStart, this.#keyEnd));
    this.#exchangeEnd -= this.#addressStart;
    this.#keyEnd -= this.#addressStart;
    this.#addressStart = 0;
    let heldBytes = (this.#body?.heldBytes ?? 0) + this.#names.length;
    if (this.#expects === WANTS_BODY) {
      this.#properties = Buffer.from(this.#properties.subarray(this.#propertiesStart, this.#propertiesEnd));
      this.#propertiesEnd -= this.#propertiesStart;
      this.#propertiesStart = 0;
      heldBytes += this.#properties.length;
    }
    if (heldBytes !== this.#heldBytes) this.#setHeld(heldBytes);
  }

  release(): void {
    this.#names = EMPTY;
    this.#properties = EMPTY;
    this.#body = null;
    this.#expects = IDLE;
    if (this.#heldBytes !== 0) this.#setHeld(0);
    this.publisher.messageView.clear();
  }

  /** For a timer: how long, by its calls, nothing of an unfinished content has come. */
  stalledMs(nowMs: number): number {
    const progress = this.#progress();
    if (progress !== this.#seenProgress || progress < 0) {
      this.#seenProgress = progress;
      this.#seenAtMs = nowMs;
    }
    return nowMs - this.#seenAtMs;
  }

  /** Another number with each frame of a content; -1 between two. */
  #progress(): number {
    if (this.#expects === IDLE) return -1;
    return this.#contentNumber * 2 ** 31 + (this.#expects === WANTS_BODY ? 1 + (this.#body?.bytes ?? 0) : 0);
  }

  #setHeld(bytes: number): void {
    const more = bytes - this.#heldBytes;
    this.#heldBytes = bytes;
    this.#channel.connection.memory.add(more);
  }

  #complete(body: Buffer, bodyStart: number, bodyEnd: number): void {
    this.#expects = IDLE;
    if (this.#heldBytes !== 0) this.#setHeld(0);
    if (this.#alarms.isBlocking) {
      this.#hold(body, bodyStart, bodyEnd);
      return;
    }
    const channel = this.#channel;
    const names = this.#names;
    const addressStart = this.#addressStart;
    const exchangeEnd = this.#exchangeEnd;
    const keyEnd = this.#keyEnd;
    const { publisher } = this;
    const { messageView } = publisher;
    const hasCcOrBcc = this.#mayHaveCcOrBcc();
    const route = hasCcOrBcc
      ? channel.routes.findWithKeys(names, addressStart, exchangeEnd, keyEnd, this)
      : channel.routes.find(names, addressStart, exchangeEnd, keyEnd, this);
    if (route.streams.length > 0 && channel.connection.permissions.hasTopicPermissions) {
      channel.routes.checkRecordKey(names, addressStart, exchangeEnd, keyEnd, this);
    }
    messageView.ttlMs = -1;
    messageView.priority = 0;
    messageView.delayMs = route.delayMs;
    const persistent = this.#checkProperties() === PERSISTENT;
    messageView.hiddenKeysStart = 0;
    messageView.hiddenKeysEnd = 0;
    if (hasCcOrBcc) this.#hideKeys(messageView);
    messageView.exchange = names;
    messageView.exchangeStart = addressStart + 1;
    messageView.exchangeEnd = exchangeEnd;
    messageView.key = names;
    messageView.keyStart = exchangeEnd + 1;
    messageView.keyEnd = keyEnd;
    messageView.properties = this.#properties;
    messageView.propertiesStart = this.#propertiesStart;
    messageView.propertiesEnd = this.#propertiesEnd;
    messageView.body = body;
    messageView.bodyStart = bodyStart;
    messageView.bodyEnd = bodyEnd;
    const isReturned =
      (this.#bits & MANDATORY) !== 0 &&
      route.queues.length + route.streams.length + route.directReplies.length === 0;
    const returned = isReturned ? encodeReturn(channel.number, channel.frameMax, messageView) : null;
    if (channel.connection.tracer !== null) tracePublished(channel, messageView, route);
    if (channel.tx !== null) {
      channel.tx.publish(route, persistent, messageView, returned);
      return;
    }
    const wait = publisher.publish(route, persistent);
    if (route.queues.length > CHEAP_QUEUES_MAX) channel.routes.wasCostly = true;
    if (returned !== null) channel.output.bytes(returned);
    if (channel.confirms !== null) channel.confirms.published(wait);
    else if (wait < REFUSED) channel.broker.shard.waits.forget(wait);
    if (publisher.mustPause && !this.#isPaused) this.#pause();
  }

  /** Publishers were blocked after the message began: all of its frames wait. */
  #hold(body: Buffer, bodyStart: number, bodyEnd: number): void {
    const names = this.#names.subarray(this.#addressStart, this.#keyEnd);
    const method = publishPayload(names, this.#bits);
    const header = contentHeaderPayload(
      bodyEnd - bodyStart,
      this.#properties.subarray(this.#propertiesStart, this.#propertiesEnd),
    );
    const channel = this.#channel;
    channel.holdFrame(FRAME_METHOD, method, 0, method.length);
    channel.holdFrame(FRAME_HEADER, header, 0, header.length);
    if (bodyEnd > bodyStart) channel.holdFrame(FRAME_BODY, body, bodyStart, bodyEnd);
  }

  /** Checks user-id and delivery-mode, and reads expiration, priority and reply-to. Returns the delivery mode. */
  #checkProperties(): number {
    const bytes = this.#properties;
    const start = this.#propertiesStart;
    const end = this.#propertiesEnd;
    const flags = (bytes[start] << 8) | bytes[start + 1];
    if (flags === PROPERTY_DELIVERY_MODE) return checkDeliveryMode(bytes[start + 2]);
    if ((flags & PROPERTY_USER_ID) !== 0) {
      validateUserId(bytes, findProperty(bytes, start, end, PROPERTY_USER_ID), this.#channel.connection);
    }
    const { messageView } = this.publisher;
    if ((flags & PROPERTY_EXPIRATION) !== 0) {
      messageView.ttlMs = parseExpiration(bytes, findProperty(bytes, start, end, PROPERTY_EXPIRATION));
    }
    if ((flags & PROPERTY_PRIORITY) !== 0) {
      messageView.priority = bytes[findProperty(bytes, start, end, PROPERTY_PRIORITY)];
    }
    const deliveryMode =
      (flags & PROPERTY_DELIVERY_MODE) === 0
        ? TRANSIENT
        : checkDeliveryMode(peekDeliveryMode(bytes, start, end));
    if ((flags & PROPERTY_REPLY_TO) !== 0) {
      this.#setReplyTo(findProperty(bytes, start, end, PROPERTY_REPLY_TO));
    }
    return deliveryMode;
  }

  /** Direct reply-to: `amq.rabbitmq.reply-to` is replaced by the address of the channel's own consumer. */
  #setReplyTo(at: number): void {
    if (!isDirectReplyTo(this.#properties, at)) return;
    const { directReplyTo } = this.#channel;
    if (directReplyTo === null)
      throw new AmqpError('PRECONDITION_FAILED', 'fast reply consumer does not exist');
    this.#properties = amqp091Codec.edit(this.#properties, this.#propertiesStart, this.#propertiesEnd, {
      replyTo: directReplyTo.address,
    });
    this.#propertiesStart = 0;
    this.#propertiesEnd = this.#properties.length;
  }

  /** Searches the bytes of the headers, as decoding them for each message costs too much: true may be wrong. */
  #mayHaveCcOrBcc(): boolean {
    const bytes = this.#properties;
    const start = this.#propertiesStart;
    if ((bytes[start] & (PROPERTY_HEADERS >>> 8)) === 0) return false;
    const at = findProperty(bytes, start, this.#propertiesEnd, PROPERTY_HEADERS);
    const table = bytes.subarray(at, at + 4 + bytes.readUInt32BE(at));
    return table.includes(CC) || table.includes(BCC);
  }

  /** The header BCC becomes an attribute of the message. */
  #hideKeys(messageView: MessageView): void {
    const attribute = hiddenKeysOf(this.headers());
    messageView.hiddenKeys = attribute;
    messageView.hiddenKeysEnd = attribute.length;
    const remove = [HIDDEN_KEYS_HEADER];
    this.#properties = amqp091Codec.edit(this.#properties, this.#propertiesStart, this.#propertiesEnd, {
      remove,
    });
    this.#propertiesStart = 0;
    this.#propertiesEnd = this.#properties.length;
  }

  /** For exchange types that route by headers or properties. */
  headers(): Table | null {
    return amqp091Codec.headers(this.#properties, this.#propertiesStart, this.#propertiesEnd);
  }

  property(name: NamedProperty): string | null {
    return amqp091Codec.property(this.#properties, this.#propertiesStart, this.#propertiesEnd, name);
  }

  #pause(): void {
    this.#isPaused = true;
    this.#channel.connection.pausePublishing();
    this.publisher.onResume(this.#resume);
  }

  readonly #resume = (): void => {
    this.#isPaused = false;
    this.#channel.connection.resumePublishing();
  };
}

/** There are two (AMQP 1.8.3.4). The text is RabbitMQ's. */
function checkDeliveryMode(mode: number): number {
  if (mode === TRANSIENT || mode === PERSISTENT) return mode;
  throw new AmqpError('PRECONDITION_FAILED', `invalid message: {delivery_mode_unknown,${mode}}`);
}
