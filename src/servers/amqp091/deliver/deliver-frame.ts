import { type ContentView, copyBytes } from '../../../records/record-content.ts';
import { FRAME_END, FRAME_METHOD, FRAME_PREFIX_BYTES } from '../../../wire/amqp091/constants.ts';
import { BASIC_DELIVER } from '../../../wire/amqp091/methods.ts';
import type { Output } from '../connection/output.ts';
import { writeFramePrefix, writeU32, writeU64 } from './content-frames.ts';

/**
 * basic.deliver to one consumer:
 *
 *     0        7           11                 n           n+8           n+9
 *     | prefix | method id | consumer-tag     | delivery-  | redelivered | exchange, routing-key | end
 *     |        |           | (short string)   | tag (8)    | (1)         | (short strings)       | (1)
 *      `--------- head, but for the size ----'
 */
export function deliverHead(channel: number, consumerTag: string): Buffer {
  const tag = Buffer.from(consumerTag, 'utf8');
  const head = Buffer.alloc(FRAME_PREFIX_BYTES + 5 + tag.length);
  let at = writeFramePrefix(head, 0, FRAME_METHOD, channel, 0);
  at = writeU32(head, at, BASIC_DELIVER);
  head[at++] = tag.length;
  tag.copy(head, at);
  return head;
}

/** `view` says where the parts are in `source`. */
export function writeDeliverFrame(
  output: Output,
  head: Buffer,
  deliveryTag: number,
  redelivered: boolean,
  source: Buffer,
  view: ContentView,
): void {
  const bytes = head.length + 9 + addressBytes(view) + 1;
  output.reserve(bytes);
  const target = output.buffer;
  const start = output.position;
  let at = copyBytes(target, start, head, 0, head.length);
  writeU32(target, start + 3, bytes - FRAME_PREFIX_BYTES - 1);
  at = writeU64(target, at, deliveryTag);
  target[at++] = redelivered ? 1 : 0;
  at = writeAddress(target, at, source, view);
  target[at++] = FRAME_END;
  output.position = at;
}

/** Exchange and routing key as short strings; absent ones are empty (both ends of their range are then -1). */
export function writeAddress(target: Buffer, at: number, source: Buffer, view: ContentView): number {
  target[at++] = view.exchangeEnd - view.exchangeStart;
  at = copyBytes(target, at, source, view.exchangeStart, view.exchangeEnd);
  target[at++] = view.keyEnd - view.keyStart;
  return copyBytes(target, at, source, view.keyStart, view.keyEnd);
}

export function addressBytes(view: ContentView): number {
  return 2 + view.exchangeEnd - view.exchangeStart + view.keyEnd - view.keyStart;
}
