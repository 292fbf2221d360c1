import { OFFSET_HEADER, PARTITION_HEADER } from '../../../broker/messages/mapping-headers.ts';
import type { RecordMessage } from '../../../broker/messages/message-from-record.ts';
import type { StreamReader, StreamSink } from '../../../broker/streams/consumers/stream-consumer.ts';
import { copyBytes } from '../../../records/record-content.ts';
import { FRAME_END } from '../../../wire/amqp091/constants.ts';
import type { ChannelContext } from '../channel-context.ts';
import type { Output } from '../connection/output.ts';
import { traceRead } from '../trace.ts';
import { DeliverHead, writeContentFrames } from './content-frames.ts';

/** Messages of a stream to one consumer. */
export class StreamDelivery implements StreamSink {
  readonly channel: ChannelContext;
  readonly head: DeliverHead;

  constructor(channel: ChannelContext, consumerTag: string) {
    this.channel = channel;
    this.head = new DeliverHead(channel.number, consumerTag);
  }

  deliver(
    consumer: StreamReader,
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

  kept(difference: number): void {
    this.channel.connection.memory.add(difference);
  }

  cancelled(consumer: StreamReader): void {
    this.channel.consumerCancelled(consumer.asConsumer);
  }
}

/** basic.deliver: see `DeliverHead` for the layout. Messages of streams never have `redelivered`. */
function writeDeliver(output: Output, head: DeliverHead, deliveryTag: number, message: RecordMessage): void {
  const exchangeBytes = message.exchangeEnd - message.exchangeStart;
  const keyBytes = message.keyEnd - message.keyStart;
  let at = head.write(output, 2 + exchangeBytes + keyBytes, deliveryTag, false);
  const target = output.buffer;
  target[at++] = exchangeBytes;
  at = copyBytes(target, at, message.exchange, message.exchangeStart, message.exchangeEnd);
  target[at++] = keyBytes;
  at = copyBytes(target, at, message.key, message.keyStart, message.keyEnd);
  target[at++] = FRAME_END;
  output.position = at;
}
