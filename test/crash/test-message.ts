import { FRAME_HEADER_BYTES } from '../../src/log/chunks.ts';
import { MessageParts } from '../../src/log/message-parts.ts';
import { ContentView, SOURCE_AMQP091 } from '../../src/log/record-content.ts';

/** A message whose every byte follows from its number, so that a wrong byte cannot go unnoticed. */
export interface TestMessage {
  readonly id: number;
  readonly exchange: string;
  readonly key: string;
  readonly size: number;
  readonly persistent: boolean;
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

export function fillParts(parts: MessageParts, message: TestMessage): void {
  parts.key = Buffer.from(message.key);
  parts.keyStart = 0;
  parts.keyEnd = parts.key.length;
  parts.body = bodyOf(message);
  parts.bodyStart = 0;
  parts.bodyEnd = parts.body.length;
  parts.exchange = Buffer.from(message.exchange);
  parts.exchangeStart = 0;
  parts.exchangeEnd = parts.exchange.length;
  parts.properties = Buffer.alloc(4);
  parts.properties.writeUInt32BE(message.id);
  parts.propertiesStart = 0;
  parts.propertiesEnd = 4;
  parts.protocol = SOURCE_AMQP091;
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
  const parts = new MessageParts();
  fillParts(parts, message);
  const expected = Buffer.allocUnsafe(parts.contentBytes());
  parts.write(expected, 0);
  const start = frameAt + FRAME_HEADER_BYTES;
  const length = buffer.readUInt32LE(frameAt + 8);
  return expected.equals(buffer.subarray(start, start + length));
}
