import type { Broker } from '../../../broker/broker.ts';
import { REFUSED } from '../../../broker/publishing/publisher.ts';
import { FRAME_END, FRAME_METHOD, FRAME_PREFIX_BYTES } from '../../../wire/amqp091/constants.ts';
import { BASIC_ACK, methodId } from '../../../wire/amqp091/methods.ts';
import type { LateWriter, Output } from '../connection/output.ts';
import { writeFramePrefix, writeU32, writeU64 } from '../deliver/content-frames.ts';

const BASIC_NACK = methodId('basic.nack');

/** basic.ack and basic.nack: method id, delivery tag, bits. */
const ACK_PAYLOAD_BYTES = 13;
const MULTIPLE = 1;
/** It means nothing in a basic.nack to a publisher; RabbitMQ sets it. */
const REQUEUE = 2;

/**
 * Publisher confirms of one channel, in the order of the publishes. A message is confirmed when its journal block is
 * durable, and those before it are; what has become so by the end of a turn goes into one `basic.ack`.
 *
 *     1 .......... #told ......... #confirmed ......... #last
 *     | acked      | to be acked   | waits for its block |
 */
export class PublisherConfirms implements LateWriter {
  latePending = false;
  readonly #broker: Broker;
  readonly #output: Output;
  readonly #channel: number;
  #told = 0;
  #confirmed = 0;
  #last = 0;
  /** Blocks that are waited for, and the last message that waits for each. There are as many as are in flight: few. */
  readonly #blocks: number[] = [];
  readonly #lasts: number[] = [];
  /** Messages that a full queue refused, and that were not told of yet. */
  readonly #refused: number[] = [];
  #isClosed = false;

  constructor(broker: Broker, output: Output, channel: number) {
    this.#broker = broker;
    this.#output = output;
    this.#channel = channel;
  }

  /** Published, and not told to be safe. */
  get unconfirmedCount(): number {
    return this.#last - this.#told;
  }

  /** A message was published; 0 for one that waits for nothing but its predecessors, or REFUSED. */
  published(block: number): void {
    const sequence = ++this.#last;
    if (block === REFUSED) {
      this.#refused.push(sequence);
      block = 0;
    }
    const newest = this.#blocks.length - 1;
    if (newest < 0) {
      if (block === 0) {
        this.#confirmed = sequence;
        this.#output.later(this);
        return;
      }
    } else if (block <= this.#blocks[newest]) {
      this.#lasts[newest] = sequence;
      return;
    }
    this.#blocks.push(block);
    this.#lasts.push(sequence);
    this.#broker.whenDurable(block, this);
  }

  onDurable(block: number): void {
    while (this.#blocks.length > 0 && this.#blocks[0] <= block) {
      this.#blocks.shift();
      this.#confirmed = this.#lasts.shift() ?? this.#confirmed;
    }
    if (this.#confirmed > this.#told && !this.#isClosed) this.#output.later(this);
  }

  /** In the order of the publishes: an ack for several never covers one that was refused. */
  writeLate(): void {
    if (this.#isClosed) return;
    const refused = this.#refused;
    while (refused.length > 0 && (refused[0] as number) <= this.#confirmed) {
      const sequence = refused.shift() as number;
      if (sequence - 1 > this.#told) this.#ack(sequence - 1);
      this.#write(BASIC_NACK, sequence, REQUEUE);
      this.#told = sequence;
    }
    if (this.#confirmed === this.#told) return;
    this.#ack(this.#confirmed);
    this.#told = this.#confirmed;
  }

  /** All up to this one that were not told of yet. */
  #ack(tag: number): void {
    this.#write(BASIC_ACK, tag, tag - this.#told > 1 ? MULTIPLE : 0);
  }

  #write(method: number, tag: number, bits: number): void {
    const output = this.#output;
    output.reserve(FRAME_PREFIX_BYTES + ACK_PAYLOAD_BYTES + 1);
    const target = output.buffer;
    let at = writeFramePrefix(target, output.position, FRAME_METHOD, this.#channel, ACK_PAYLOAD_BYTES);
    at = writeU32(target, at, method);
    at = writeU64(target, at, tag);
    target[at++] = bits;
    target[at++] = FRAME_END;
    output.position = at;
  }

  /** Says what can be said, then nothing more: the channel ends. */
  close(): void {
    this.writeLate();
    this.#isClosed = true;
  }
}
