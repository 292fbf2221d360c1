import type { MessageParts } from '../../log/message-parts.ts';
import { REPLY_CODES } from '../../wire/amqp091/constants.ts';
import { FrameWriter, writeBodyFrames, writeHeaderFrame } from '../../wire/amqp091/frames.ts';
import { encodeMethod } from '../../wire/amqp091/methods.ts';

/** basic.return with its content, for a mandatory message that no queue wanted. */
export function encodeReturn(channel: number, frameMax: number, parts: MessageParts): Buffer {
  const writer = new FrameWriter();
  encodeMethod(writer, channel, {
    name: 'basic.return',
    replyCode: REPLY_CODES.NO_ROUTE,
    replyText: 'NO_ROUTE',
    exchange: parts.exchange.toString('utf8', parts.exchangeStart, parts.exchangeEnd),
    routingKey: parts.key.toString('utf8', parts.keyStart, parts.keyEnd),
  });
  const bodyBytes = parts.bodyEnd - parts.bodyStart;
  writeHeaderFrame(writer, channel, bodyBytes, parts.properties, parts.propertiesStart, parts.propertiesEnd);
  writeBodyFrames(writer, channel, frameMax, parts.body, parts.bodyStart, parts.bodyEnd);
  return writer.take();
}
