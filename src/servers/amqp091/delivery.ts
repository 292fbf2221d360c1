import type { Consumer, DeliverySink } from '../../broker/consumer.ts';
import type { Getter, Queue } from '../../broker/queue.ts';
import { type Chunk, FRAME_HEADER_BYTES } from '../../log/chunks.ts';
import { ContentView, copyBytes } from '../../log/record-content.ts';
import { FRAME_END, FRAME_METHOD, FRAME_PREFIX_BYTES } from '../../wire/amqp091/constants.ts';
import { BASIC_DELIVER, methodId } from '../../wire/amqp091/methods.ts';
import type { Channel } from './channel.ts';
import { writeContentFrames, writeFramePrefix, writeU32, writeU64 } from './content-frames.ts';
import { PropertyBytes } from './foreign-content.ts';
import { traceDelivered } from './trace.ts';

/** The hot path of consumers: a message from the log's memory to frames in the output, by one copy. */

const BASIC_GET_OK = methodId('basic.get-ok');

const view = new ContentView();
const properties = new PropertyBytes();

function parse(chunk: Chunk, at: number): void {
  const length = chunk.u32[(at >>> 2) + 2];
  if (!view.parse(chunk.buffer, at + FRAME_HEADER_BYTES, length)) {
    throw new Error(`the message at byte ${at} of chunk ${chunk.slot} cannot be read`);
  }
  properties.find(chunk.buffer, view);
}

function writeContent(channel: Channel, chunk: Chunk): void {
  writeContentFrames(
    channel.output,
    channel.number,
    channel.frameMax,
    properties.buffer,
    properties.start,
    properties.end,
    chunk.buffer,
    view.bodyStart,
    view.bodyEnd,
  );
}

/** Exchange and routing key as short strings; absent ones are empty (both ends of their range are then -1). */
function writeAddress(target: Buffer, at: number, source: Buffer): number {
  target[at++] = view.exchangeEnd - view.exchangeStart;
  at = copyBytes(target, at, source, view.exchangeStart, view.exchangeEnd);
  target[at++] = view.keyEnd - view.keyStart;
  return copyBytes(target, at, source, view.keyStart, view.keyEnd);
}

function addressBytes(): number {
  return 2 + view.exchangeEnd - view.exchangeStart + view.keyEnd - view.keyStart;
}

/**
 * basic.deliver to one consumer:
 *
 *     0        7           11                 n           n+8           n+9
 *     | prefix | method id | consumer-tag     | delivery-  | redelivered | exchange, routing-key | end
 *     |        |           | (short string)   | tag (8)    | (1)         | (short strings)       | (1)
 *      `-------- #head, but for the size ----'
 */
export class Delivery implements DeliverySink {
  readonly channel: Channel;
  readonly head: Buffer;

  constructor(channel: Channel, consumerTag: string) {
    this.channel = channel;
    const tag = Buffer.from(consumerTag, 'utf8');
    const head = Buffer.alloc(FRAME_PREFIX_BYTES + 5 + tag.length);
    let at = writeFramePrefix(head, 0, FRAME_METHOD, channel.number, 0);
    at = writeU32(head, at, BASIC_DELIVER);
    head[at++] = tag.length;
    tag.copy(head, at);
    this.head = head;
  }

  deliver(consumer: Consumer, offset: number, chunk: Chunk, at: number, redelivered: boolean): void {
    const { channel, head } = this;
    const { output } = channel;
    parse(chunk, at);
    if (channel.connection.tracer !== null) {
      traceDelivered(channel, consumer.queue.name, redelivered, chunk.buffer, view, properties);
    }
    const tag = consumer.noAck
      ? channel.unacked.addSettled()
      : channel.unacked.add(consumer.queue, consumer, offset, chunk.f64[at >>> 3]);
    const bytes = head.length + 9 + addressBytes() + 1;
    output.reserve(bytes);
    const target = output.buffer;
    const start = output.position;
    let position = copyBytes(target, start, head, 0, head.length);
    writeU32(target, start + 3, bytes - FRAME_PREFIX_BYTES - 1);
    position = writeU64(target, position, tag);
    target[position++] = redelivered ? 1 : 0;
    position = writeAddress(target, position, chunk.buffer);
    target[position++] = FRAME_END;
    output.position = position;
    writeContent(channel, chunk);
    output.checkCongestion();
    if (channel.prefetchLimit > 0) channel.checkPrefetch();
  }

  cancelled(consumer: Consumer): void {
    this.channel.consumerCancelled(consumer);
  }
}

/** The answer to one basic.get. The channel waits meanwhile, as the answer may have to come from the disk. */
export class GetAnswer implements Getter {
  readonly #channel: Channel;
  readonly #noAck: boolean;

  constructor(channel: Channel, noAck: boolean) {
    this.#channel = channel;
    this.#noAck = noAck;
  }

  message(
    queue: Queue,
    offset: number,
    chunk: Chunk,
    at: number,
    redelivered: boolean,
    remaining: number,
  ): void {
    const channel = this.#channel;
    const { output, unacked } = channel;
    parse(chunk, at);
    if (channel.connection.tracer !== null) {
      traceDelivered(channel, queue.name, redelivered, chunk.buffer, view, properties);
    }
    const tag = this.#noAck ? unacked.addSettled() : unacked.add(queue, null, offset, chunk.f64[at >>> 3]);
    if (channel.state !== 'open') {
      // Nobody is there any more to take it.
      unacked.requeueAll();
      return;
    }
    const bytes = FRAME_PREFIX_BYTES + 4 + 9 + addressBytes() + 4 + 1;
    output.reserve(bytes);
    const target = output.buffer;
    let position = writeFramePrefix(
      target,
      output.position,
      FRAME_METHOD,
      channel.number,
      bytes - FRAME_PREFIX_BYTES - 1,
    );
    position = writeU32(target, position, BASIC_GET_OK);
    position = writeU64(target, position, tag);
    target[position++] = redelivered ? 1 : 0;
    position = writeAddress(target, position, chunk.buffer);
    position = writeU32(target, position, remaining);
    target[position++] = FRAME_END;
    output.position = position;
    writeContent(channel, chunk);
    output.checkCongestion();
    if (channel.prefetchLimit > 0) channel.checkPrefetch();
    channel.resume();
  }

  empty(): void {
    if (this.#channel.state !== 'open') return;
    this.#channel.send({ name: 'basic.get-empty' });
    this.#channel.resume();
  }
}
