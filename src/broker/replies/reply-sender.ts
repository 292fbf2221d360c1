import type { MessageParts } from '../../log/message-parts.ts';
import type { ReplyConsumer } from './replies.ts';

const SCRATCH_BYTES = 64 * 1024;
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/** Hands a message to reply consumers, past the log. Those that are gone by now do not get it. */
export function sendReplies(consumers: readonly ReplyConsumer[], parts: MessageParts): void {
  const bytes = parts.contentBytes();
  const content = parts.content ?? (bytes <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafe(bytes));
  if (parts.content === null) parts.write(content, 0);
  sendContent(consumers, content, bytes);
}

/** A message as `record-content.ts` lays it out. */
export function sendContent(consumers: readonly ReplyConsumer[], content: Buffer, bytes: number): void {
  for (const consumer of consumers) if (consumer.isReady) consumer.deliver(content, bytes);
}
