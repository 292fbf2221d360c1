import type { BrokerError } from '../../../broker/errors.ts';
import type { Consumer, DeliverySink } from '../../../broker/queues/consumer.ts';
import type { DeliveryLevel } from '../../../broker/queues/delivery-source.ts';
import type { Getter } from '../../../broker/queues/ports.ts';
import type { MessageMemory } from '../../../log/memory/chunks.ts';
import type { ContentView } from '../../../records/record-content.ts';
import { FRAME_END, FRAME_METHOD, FRAME_PREFIX_BYTES } from '../../../wire/amqp091/constants.ts';
import { hasField } from '../../../wire/amqp091/field-search.ts';
import { methodId } from '../../../wire/amqp091/methods.ts';
import { findProperty, PROPERTY_HEADERS } from '../../../wire/amqp091/properties.ts';
import type { ChannelContext } from '../channel-context.ts';
import { writeFramePrefix, writeU32, writeU64 } from '../connection/output.ts';
import { amqp091Codec } from '../property-codec.ts';
import { traceDelivered } from '../trace.ts';
import {
  addressBytes,
  DeliverHead,
  PropertyBytes,
  writeAddress,
  writeContentFrames,
  writeDeliverFrame,
} from './content-frames.ts';

/** The hot path of consumers: a message from the log's memory to frames in the output, by one copy. */

const BASIC_GET = methodId('basic.get');
const BASIC_GET_OK = methodId('basic.get-ok');

const properties = new PropertyBytes();

const ACQUIRED_COUNT = 'x-acquired-count';
const DELIVERY_COUNT = 'x-delivery-count';
const COUNTS: readonly string[] = [ACQUIRED_COUNT, DELIVERY_COUNT];
const COUNT_NAMES = COUNTS.map((name) => Buffer.from(name, 'latin1'));

/**
 * Consumers of queues that count learn how often the message came back, and failed, before, as with RabbitMQ's quorum
 * queues. The counts are the queue's word: what a publisher has put under their names is taken out.
 */
function showCounts(level: DeliveryLevel, offset: number, redelivered: boolean): void {
  const { buffer, start, end } = properties;
  const acquisitions = redelivered ? level.acquisitionsOf(offset) : 0;
  if (acquisitions === 0) {
    const headersAt = findProperty(buffer, start, end, PROPERTY_HEADERS);
    if (headersAt < 0 || !hasField(buffer, headersAt, COUNT_NAMES)) return;
  }
  const failures = level.failuresOf(offset);
  const set: { [name: string]: bigint } = {};
  if (acquisitions > 0) set[ACQUIRED_COUNT] = BigInt(acquisitions);
  if (failures > 0) set[DELIVERY_COUNT] = BigInt(failures);
  properties.buffer = amqp091Codec.edit(buffer, start, end, { set, remove: COUNTS });
  properties.start = 0;
  properties.end = properties.buffer.length;
}

function writeContent(channel: ChannelContext, memory: MessageMemory, view: ContentView): void {
  writeContentFrames(
    channel.output,
    channel.number,
    channel.frameMax,
    properties.buffer,
    properties.start,
    properties.end,
    memory.buffer,
    view.bodyStart,
    view.bodyEnd,
  );
}

/** Messages of a queue to one consumer. */
export class Delivery implements DeliverySink {
  readonly channel: ChannelContext;
  readonly head: DeliverHead;

  constructor(channel: ChannelContext, consumerTag: string) {
    this.channel = channel;
    this.head = new DeliverHead(channel.number, consumerTag);
  }

  deliver(
    consumer: Consumer,
    level: DeliveryLevel,
    offset: number,
    memory: MessageMemory,
    at: number,
    redelivered: boolean,
    view: ContentView,
  ): boolean {
    const { channel, head } = this;
    const { output } = channel;
    properties.find(memory.buffer, view);
    if (level.countsFailures) showCounts(level, offset, redelivered);
    if (channel.connection.tracer !== null) {
      traceDelivered(channel, consumer.queue.name, redelivered, memory.buffer, view, properties);
    }
    const tag = consumer.noAck
      ? channel.unacknowledged.addSettled()
      : channel.unacknowledged.add(level, consumer, offset, memory, at, view);
    writeDeliverFrame(output, head, tag, redelivered, memory.buffer, view);
    writeContent(channel, memory, view);
    output.checkCongestion();
    if (channel.prefetchLimit > 0) channel.checkPrefetch();
    if (consumer.credit === 0 && consumer.window > 0) channel.windows.exhausted(consumer);
    return true;
  }

  cancelled(consumer: Consumer): void {
    this.channel.consumerCancelled(consumer);
  }
}

/** The answer to one basic.get. The channel defers frames meanwhile, as the message may have to be read from disk. */
export class GetDelivery implements Getter {
  readonly #channel: ChannelContext;
  readonly #noAck: boolean;

  constructor(channel: ChannelContext, noAck: boolean) {
    this.#channel = channel;
    this.#noAck = noAck;
  }

  message(
    level: DeliveryLevel,
    offset: number,
    memory: MessageMemory,
    at: number,
    redelivered: boolean,
    remaining: number,
    view: ContentView,
  ): boolean {
    const channel = this.#channel;
    // Nobody is there any more to take it.
    if (channel.state !== 'open') return false;
    const { output, unacknowledged } = channel;
    properties.find(memory.buffer, view);
    if (level.countsFailures) showCounts(level, offset, redelivered);
    if (channel.connection.tracer !== null) {
      traceDelivered(channel, level.queue.name, redelivered, memory.buffer, view, properties);
    }
    const tag = this.#noAck
      ? unacknowledged.addSettled()
      : unacknowledged.add(level, null, offset, memory, at, view);
    const bytes = FRAME_PREFIX_BYTES + 4 + 9 + addressBytes(view) + 4 + 1;
    output.reserve(bytes);
    const { buffer: target, view: numbers } = output;
    let position = writeFramePrefix(
      numbers,
      output.position,
      FRAME_METHOD,
      channel.number,
      bytes - FRAME_PREFIX_BYTES - 1,
    );
    position = writeU32(numbers, position, BASIC_GET_OK);
    position = writeU64(numbers, position, tag);
    target[position++] = redelivered ? 1 : 0;
    position = writeAddress(target, position, memory.buffer, view);
    position = writeU32(numbers, position, remaining);
    target[position++] = FRAME_END;
    output.position = position;
    writeContent(channel, memory, view);
    output.checkCongestion();
    if (channel.prefetchLimit > 0) channel.checkPrefetch();
    channel.resume();
    return true;
  }

  empty(): void {
    if (this.#channel.state !== 'open') return;
    this.#channel.send({ name: 'basic.get-empty' });
    this.#channel.resume();
  }

  failed(error: BrokerError): void {
    if (this.#channel.state === 'open') this.#channel.fail(error, BASIC_GET);
  }
}
