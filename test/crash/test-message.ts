import { FRAME_HEADER_BYTES } from '../../src/log/memory/chunks.ts';
import { MessageView } from '../../src/records/message-view.ts';
import { ContentView, SOURCE_AMQP091 } from '../../src/records/record-content.ts';

/** A message whose every byte follows from its number, so that a wrong byte cannot go unnoticed. */
export interface TestMessage {
  readonly id: number;
  readonly exchange: string;
  readonly key: string;
  readonly size: number;
  readonly persistent: boolean;
  /** It survives in durable queues. */
  readonly isKept: boolean;
}

/** Prime, so that bytes from a neighbouring place are wrong ones. */
const PATTERN_BYTES = 61;

export function bodyOf({ id, size }: TestMessage): Buffer {
  const pattern = Buffer.alloc(PATTERN_BYTES);
  let state = Math.imul(id + 1, 0x9e3779b1) | 1;
  for (let i = 0; i < PATTERN_BYTES; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    pattern[i] = state;
  }
  return Buffer.alloc(size, pattern);
}

export function fillView(messageView: MessageView, message: TestMessage): void {
  messageView.key = Buffer.from(message.key);
  messageView.keyStart = 0;
  messageView.keyEnd = messageView.key.length;
  messageView.body = bodyOf(message);
  messageView.bodyStart = 0;
  messageView.bodyEnd = messageView.body.length;
  messageView.exchange = Buffer.from(message.exchange);
  messageView.exchangeStart = 0;
  messageView.exchangeEnd = messageView.exchange.length;
  messageView.properties = Buffer.alloc(4);
  messageView.properties.writeUInt32BE(message.id);
  messageView.propertiesStart = 0;
  messageView.propertiesEnd = 4;
  messageView.protocol = SOURCE_AMQP091;
}

/** Only the number, which tells what the rest has to be; -1 if not even that can be read. */
export function idInFrame(buffer: Buffer, frameAt: number): number {
  const length = buffer.readUInt32LE(frameAt + 8);
  const view = new ContentView();
  if (!view.parse(buffer, frameAt + FRAME_HEADER_BYTES, length)) return -1;
  if (view.propertiesEnd - view.propertiesStart !== 4) return -1;
  return buffer.readUInt32BE(view.propertiesStart);
}

export function isFrameOf(message: TestMessage, buffer: Buffer, frameAt: number): boolean {
  const messageView = new MessageView();
  fillView(messageView, message);
  const expected = Buffer.allocUnsafe(messageView.contentBytes());
  messageView.write(expected, 0);
  const start = frameAt + FRAME_HEADER_BYTES;
  const length = buffer.readUInt32LE(frameAt + 8);
  return expected.equals(buffer.subarray(start, start + length));
}
