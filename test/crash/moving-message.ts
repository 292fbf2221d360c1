import type { MessageMemory } from '../../src/log/memory/chunks.ts';
import { frameContentBytes } from '../../src/log/memory/chunks.ts';
import type { MessageView } from '../../src/records/message-view.ts';
import { ContentView } from '../../src/records/record-content.ts';
import { amqp091Codec } from '../../src/servers/amqp091/property-codec.ts';
import { FrameWriter } from '../../src/wire/amqp091/frames.ts';
import { encodeProperties } from '../../src/wire/amqp091/properties.ts';
import { bodyOf } from './test-message.ts';

/** A message that is changed on its way from queue to queue, but for its number and its body. */
export interface MovingMessage {
  readonly id: number;
  readonly exchange: string;
  readonly key: string;
  readonly size: number;
  readonly priority: number;
  /** -1 for none. */
  readonly ttlMs: number;
  readonly delayMs: number;
}

const writer = new FrameWriter();
const view = new ContentView();

export function fillView(messageView: MessageView, message: MovingMessage): void {
  const { id, exchange, key, priority, ttlMs, delayMs } = message;
  messageView.clear();
  messageView.key = Buffer.from(key);
  messageView.keyEnd = messageView.key.length;
  messageView.exchange = Buffer.from(exchange);
  messageView.exchangeEnd = messageView.exchange.length;
  messageView.body = bodyOf({ ...message, persistent: true, isKept: true });
  messageView.bodyEnd = messageView.body.length;
  encodeProperties(writer, {
    ...(delayMs < 0 ? {} : { headers: { 'x-delay': delayMs } }),
    ...(ttlMs < 0 ? {} : { expiration: String(ttlMs) }),
    deliveryMode: 2,
    priority,
    messageId: String(id),
  });
  messageView.properties = Buffer.from(writer.take());
  messageView.propertiesEnd = messageView.properties.length;
  messageView.protocol = amqp091Codec.source;
  messageView.priority = priority;
  messageView.ttlMs = ttlMs;
  messageView.delayMs = delayMs;
}

/** The number of the message in this frame, and its body; null if that cannot be read. */
export function readFrame(
  chunk: MessageMemory,
  at: number,
): { readonly id: number; readonly body: Buffer } | null {
  if (!view.parse(chunk.buffer, at + 12, frameContentBytes(chunk, at))) return null;
  const { propertiesStart, propertiesEnd, bodyStart, bodyEnd } = view;
  const id = amqp091Codec.property(chunk.buffer, propertiesStart, propertiesEnd, 'message-id');
  return id === null ? null : { id: Number(id), body: chunk.buffer.subarray(bodyStart, bodyEnd) };
}
