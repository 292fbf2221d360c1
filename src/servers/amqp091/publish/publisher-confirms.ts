import type { Broker } from '../../../broker/broker.ts';
import { REFUSED } from '../../../broker/publishing/publisher.ts';
import { FRAME_END, FRAME_METHOD, FRAME_PREFIX_BYTES } from '../../../wire/amqp091/constants.ts';
import {
  ACK_MULTIPLE,
  ACK_PAYLOAD_BYTES,
  BASIC_ACK,
  BASIC_NACK,
  NACK_REQUEUE,
} from '../../../wire/amqp091/methods.ts';
import { type LateWriter, type Output, writeFramePrefix, writeU32, writeU64 } from '../connection/output.ts';

/** So many refused messages wait for their basic.nack at most: each has one of its own, which counts as output that is not read. */
const REFUSED_MAX = 1024;

/**
 * RabbitMQ's publisher confirms of one channel, in the order of the publishes. A message is confirmed when its journal
 * block and those before it are durable; all that are by the end of a turn go into one `basic.ack`, and all until the client
 * reads, if it does not.
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
  /** Journal blocks that are not durable yet, and the last sequence number in each: as many as writes are in flight. */
  readonly #blocks: number[] = [];
  readonly #lasts: number[] = [];
  /** Sequence numbers of messages that a full queue refused (reject-publish), without a basic.nack yet. */
  readonly #refused: number[] = [];
  #isClosed = false;

  constructor(broker: Broker, output: Output, channel: number) {
    this.#broker = broker;
    this.#output = output;
    this.#channel = channel;
  }

  /** Published without a basic.ack or basic.nack yet. */
  get unconfirmedCount(): number {
    return this.#last - this.#told;
  }

  /** `block`: the journal block that must be durable, 0 if only those before it must be, or REFUSED. */
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
        this.#writeLater();
        return;
      }
    } else if (block <= this.#blocks[newest]) {
      this.#lasts[newest] = sequence;
      return;
    }
    this.#blocks.push(block);
    this.#lasts.push(sequence);
    this.#broker.shard.whenDurable(block, this);
  }

  onDurable(block: number): void {
    while (this.#blocks.length > 0 && this.#blocks[0] <= block) {
      this.#blocks.shift();
      this.#confirmed = this.#lasts.shift() ?? this.#confirmed;
    }
    if (this.#confirmed > this.#told && !this.#isClosed) this.#writeLater();
  }

  #writeLater(): void {
    if (this.#refused.length >= REFUSED_MAX) this.writeLate();
    else if (!this.latePending) this.#output.later(this);
  }

  /** A basic.ack with `multiple` never covers a refused message: what is before it is acknowledged first. */
  writeLate(): void {
    if (this.#isClosed) return;
    const refused = this.#refused;
    while (refused.length > 0 && refused[0] <= this.#confirmed) {
      const sequence = refused.shift() as number;
      if (sequence - 1 > this.#told) this.#ack(sequence - 1);
      // The bit means nothing to a publisher; RabbitMQ sets it.
      this.#write(BASIC_NACK, sequence, NACK_REQUEUE);
      this.#told = sequence;
    }
    if (this.#confirmed === this.#told) return;
    this.#ack(this.#confirmed);
    this.#told = this.#confirmed;
  }

  /** All from `#told` up to this sequence number. */
  #ack(tag: number): void {
    this.#write(BASIC_ACK, tag, tag - this.#told > 1 ? ACK_MULTIPLE : 0);
  }

  #write(method: number, tag: number, bits: number): void {
    const output = this.#output;
    output.reserve(FRAME_PREFIX_BYTES + ACK_PAYLOAD_BYTES + 1);
    const target = output.buffer;
    let at = writeFramePrefix(output.view, output.position, FRAME_METHOD, this.#channel, ACK_PAYLOAD_BYTES);
    at = writeU32(output.view, at, method);
    at = writeU64(output.view, at, tag);
    target[at++] = bits;
    target[at++] = FRAME_END;
    output.position = at;
  }

  /** The channel ends: writes the confirms that are due, and no more. */
  close(): void {
    this.writeLate();
    this.#isClosed = true;
  }
}
