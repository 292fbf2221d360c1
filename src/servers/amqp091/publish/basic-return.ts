import type { MessageView } from '../../../records/message-view.ts';
import { REPLY_CODES } from '../../../wire/amqp091/constants.ts';
import { FrameWriter, writeBodyFrames, writeHeaderFrame } from '../../../wire/amqp091/frames.ts';
import { encodeMethod } from '../../../wire/amqp091/methods.ts';

/** basic.return with its content, for an unroutable mandatory message (AMQP 1.8.3.8). */
export function encodeReturn(channel: number, frameMax: number, messageView: MessageView): Buffer {
  const writer = new FrameWriter();
  encodeMethod(writer, channel, {
    name: 'basic.return',
    replyCode: REPLY_CODES.NO_ROUTE,
    replyText: 'NO_ROUTE',
    exchange: messageView.exchange.toString('utf8', messageView.exchangeStart, messageView.exchangeEnd),
    routingKey: messageView.key.toString('utf8', messageView.keyStart, messageView.keyEnd),
  });
  const bodyBytes = messageView.bodyEnd - messageView.bodyStart;
  writeHeaderFrame(
    writer,
    channel,
    bodyBytes,
    messageView.properties,
    messageView.propertiesStart,
    messageView.propertiesEnd,
  );
  writeBodyFrames(writer, channel, frameMax, messageView.body, messageView.bodyStart, messageView.bodyEnd);
  return writer.take();
}
