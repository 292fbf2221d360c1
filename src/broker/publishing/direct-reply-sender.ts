import type { MessageView } from '../../records/message-view.ts';
import type { ReplyConsumer } from '../topology/direct-reply.ts';

const SCRATCH_BYTES = 64 * 1024;
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/** Hands a message to reply consumers, past the log. Those that are gone by now do not get it. */
export function sendReplies(consumers: readonly ReplyConsumer[], messageView: MessageView): void {
  const bytes = messageView.contentBytes();
  const content = bytes <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafe(bytes);
  messageView.write(content, 0);
  sendContent(consumers, content, bytes);
}

/** A message as `record-content.ts` lays it out. */
export function sendContent(consumers: readonly ReplyConsumer[], content: Buffer, bytes: number): void {
  for (const consumer of consumers) if (consumer.isReady) consumer.deliver(content, bytes);
}
