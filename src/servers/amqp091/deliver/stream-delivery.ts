import type { RecordMessage } from '../../../broker/messages/message-from-record.ts';
import { OFFSET_HEADER, PARTITION_HEADER } from '../../../broker/messages/record-headers.ts';
import type { StreamConsumer, StreamSink } from '../../../broker/streams/consumers/stream-consumer.ts';
import { copyBytes } from '../../../records/record-content.ts';
import { FRAME_END, FRAME_PREFIX_BYTES } from '../../../wire/amqp091/constants.ts';
import type { ChannelContext } from '../channel-context.ts';
import type { Output } from '../connection/output.ts';
import { writeU32, writeU64 } from '../connection/output.ts';
import { traceRead } from '../trace.ts';
import { deliverHead, writeContentFrames } from './content-frames.ts';

/** Messages of a stream to one consumer. */
export class StreamDelivery implements StreamSink {
  readonly channel: ChannelContext;
  readonly head: Buffer;

  constructor(channel: ChannelContext, consumerTag: string) {
    this.channel = channel;
    this.head = deliverHead(channel.number, consumerTag);
  }

  deliver(
    consumer: StreamConsumer,
    message: RecordMessage,
    partition: number,
    offset: number,
    timestampMs: number,
  ): void {
    const { channel, head } = this;
    const { output } = channel;
    message.set({ [OFFSET_HEADER]: BigInt(offset), [PARTITION_HEADER]: partition });
    if (channel.connection.tracer !== null) traceRead(channel, consumer.queue.name, message);
    const source = consumer.sourceOf(partition);
    const tag = channel.unacknowledged.addRecord(source, consumer.asConsumer, offset, timestampMs);
    writeDeliver(output, head, tag, message);
    writeContentFrames(
      output,
      channel.number,
      channel.frameMax,
      message.properties,
      message.propertiesStart,
      message.propertiesEnd,
      message.body,
      message.bodyStart,
      message.bodyEnd,
    );
    output.checkCongestion();
  }

  cancelled(consumer: StreamConsumer): void {
    this.channel.consumerCancelled(consumer.asConsumer);
  }
}

/** basic.deliver: see `deliverHead` for the layout. Messages of streams never have `redelivered`. */
function writeDeliver(output: Output, head: Buffer, deliveryTag: number, message: RecordMessage): void {
  const exchangeBytes = message.exchangeEnd - message.exchangeStart;
  const keyBytes = message.keyEnd - message.keyStart;
  const bytes = head.length + 9 + 2 + exchangeBytes + keyBytes + 1;
  output.reserve(bytes);
  const target = output.buffer;
  const start = output.position;
  let at = copyBytes(target, start, head, 0, head.length);
  writeU32(target, start + 3, bytes - FRAME_PREFIX_BYTES - 1);
  at = writeU64(target, at, deliveryTag);
  target[at++] = 0;
  target[at++] = exchangeBytes;
  at = copyBytes(target, at, message.exchange, message.exchangeStart, message.exchangeEnd);
  target[at++] = keyBytes;
  at = copyBytes(target, at, message.key, message.keyStart, message.keyEnd);
  target[at++] = FRAME_END;
  output.position = at;
}
