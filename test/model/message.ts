import type { Table, Value } from '../../src/base/value.ts';
import type { MessageMemory } from '../../src/log/memory/chunks.ts';
import { frameContentBytes } from '../../src/log/memory/chunks.ts';
import type { MessageView } from '../../src/records/message-view.ts';
import { ContentView, SOURCE_AMQP091 } from '../../src/records/record-content.ts';
import { amqp091Codec } from '../../src/servers/amqp091/property-codec.ts';
import { FrameWriter } from '../../src/wire/amqp091/frames.ts';
import { encodeProperties } from '../../src/wire/amqp091/properties.ts';

/** What a client publishes. */
export interface Message {
  readonly id: number;
  readonly exchange: string;
  readonly key: string;
  readonly size: number;
  readonly priority: number;
  /** How long it may wait; Infinity for as long as it takes. */
  readonly ttlMs: number;
  readonly isPersistent: boolean;
  /** What it is called, for queues that take each message once; null for nothing. */
  readonly name: string | null;
}

/** One entry of `x-death`. */
export interface Death {
  readonly queue: string;
  readonly reason: string;
  readonly count: number;
  readonly exchange: string;
  readonly keys: readonly string[];
  readonly expiration: string | null;
  /** In seconds. */
  readonly time: number;
}

/** A message as it is found in the broker. */
export interface Found {
  /** The message's number, and how it died on the way: what tells one copy of it in a queue from another. */
  readonly copy: string;
  readonly exchange: string;
  readonly key: string;
  readonly isBodyRight: boolean;
  readonly size: number;
  readonly priority: number;
  readonly hasTtl: boolean;
  readonly deaths: readonly Death[];
  /** `x-first-death-…` and `x-last-death-…`: exchange, queue, reason. */
  readonly first: string;
  readonly last: string;
}

export function copyName(id: number, deaths: readonly Death[]): string {
  return [id, ...deaths.map(({ queue, reason, count }) => `${queue} ${reason} ${count}`)].join(' < ');
}

const writer = new FrameWriter();
const view = new ContentView();

export function fillView(messageView: MessageView, message: Message): void {
  const { id, exchange, key, size, priority, ttlMs, isPersistent, name } = message;
  messageView.key = Buffer.from(key);
  messageView.keyStart = 0;
  messageView.keyEnd = messageView.key.length;
  messageView.exchange = Buffer.from(exchange);
  messageView.exchangeStart = 0;
  messageView.exchangeEnd = messageView.exchange.length;
  messageView.body = Buffer.alloc(size, id % 251);
  messageView.bodyStart = 0;
  messageView.bodyEnd = size;
  encodeProperties(writer, {
    ...(name === null ? {} : { headers: { 'x-deduplication-header': name } }),
    deliveryMode: isPersistent ? 2 : 1,
    priority,
    ...(ttlMs === Infinity ? {} : { expiration: String(ttlMs) }),
    messageId: String(id),
  });
  messageView.properties = Buffer.from(writer.take());
  messageView.propertiesStart = 0;
  messageView.propertiesEnd = messageView.properties.length;
  messageView.protocol = SOURCE_AMQP091;
  messageView.priority = priority;
  messageView.ttlMs = ttlMs === Infinity ? -1 : ttlMs;
  messageView.delayMs = -1;
}

/** The message in the frame at `at`: see `chunks.ts`. */
export function readFrame(chunk: MessageMemory, at: number): Found {
  return readContent(chunk.buffer, at + 12, frameContentBytes(chunk, at));
}

export function readContent(buffer: Buffer, start: number, length: number): Found {
  if (!view.parse(buffer, start, length)) throw new Error('a content that cannot be read');
  const { propertiesStart, propertiesEnd, bodyStart, bodyEnd } = view;
  const id = Number(amqp091Codec.property(buffer, propertiesStart, propertiesEnd, 'message-id'));
  const headers = amqp091Codec.headers(buffer, propertiesStart, propertiesEnd) ?? {};
  const deaths = ((headers['x-death'] ?? []) as Table[]).map(readDeath);
  return {
    copy: copyName(id, deaths),
    exchange: buffer.toString('utf8', view.exchangeStart, view.exchangeEnd),
    key: buffer.toString('utf8', view.keyStart, view.keyEnd),
    isBodyRight: buffer.subarray(bodyStart, bodyEnd).every((byte) => byte === id % 251),
    size: bodyEnd - bodyStart,
    priority: view.priority,
    hasTtl:
      view.ttlMs >= 0 || amqp091Codec.property(buffer, propertiesStart, propertiesEnd, 'expiration') !== null,
    deaths,
    first: endOf(headers, 'first'),
    last: endOf(headers, 'last'),
  };
}

function endOf(headers: Table, which: string): string {
  return ['exchange', 'queue', 'reason']
    .map((what) => headers[`x-${which}-death-${what}`] ?? '')
    .join(' ')
    .trimEnd();
}

function readDeath(table: Table): Death {
  return {
    queue: table.queue as string,
    reason: table.reason as string,
    count: Number(table.count),
    exchange: table.exchange as string,
    keys: table['routing-keys'] as Value[] as string[],
    expiration: (table['original-expiration'] ?? null) as string | null,
    time: (table.time as Date).getTime() / 1000,
  };
}
