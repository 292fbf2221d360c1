import type { Table } from '../../../base/value.ts';
import { REPLY_TO, type ReplyConsumer } from '../../../broker/topology/direct-reply.ts';
import { ContentView } from '../../../records/record-content.ts';
import type { ChannelContext, DirectReplyTo } from '../channel-context.ts';
import { traceDelivered } from '../trace.ts';
import { DeliverHead, PropertyBytes, writeContentFrames, writeDeliverFrame } from './content-frames.ts';

/** Times the high-water mark of the output: twice of what makes the connection flooded. */
const UNSENT_FACTOR_MAX = 16;

/** `amq.rabbitmq.reply-to` as a short string. */
const REPLY_TO_BYTES = Buffer.from(`${String.fromCharCode(REPLY_TO.length)}${REPLY_TO}`, 'latin1');

/** Whether the short string at `at` is `amq.rabbitmq.reply-to`. */
export function isDirectReplyTo(bytes: Buffer, at: number): boolean {
  if (bytes[at] !== REPLY_TO.length) return false;
  return bytes.compare(REPLY_TO_BYTES, 0, REPLY_TO_BYTES.length, at, at + REPLY_TO_BYTES.length) === 0;
}

const view = new ContentView();
const properties = new PropertyBytes();

/**
 * A consumer of `amq.rabbitmq.reply-to` (RabbitMQ's direct reply-to): replies go from the responder's channel to the
 * requester's output, past queues and log. While too many bytes are queued for a requester that does not read, replies
 * to it are unroutable, and mandatory ones are returned to the responder.
 */
export class DirectReplyConsumer implements ReplyConsumer, DirectReplyTo {
  readonly tag: string;
  /** In lists and events. */
  readonly queue: DirectReplyTo['queue'];
  readonly noAck = true;
  readonly exclusive = false;
  readonly prefetch = 0;
  readonly arguments: Table;
  readonly address: string;
  readonly #channel: ChannelContext;
  readonly #head: DeliverHead;

  constructor(channel: ChannelContext, tag: string, args: Table) {
    this.tag = tag;
    this.queue = { name: REPLY_TO, vhost: channel.vhost.name };
    this.arguments = args;
    this.#channel = channel;
    this.#head = new DeliverHead(channel.number, tag);
    this.address = channel.vhost.directReplies.add(this);
  }

  get isReady(): boolean {
    const { output, settings } = this.#channel;
    return output.queuedBytes <= settings.outputHighWaterBytes * UNSENT_FACTOR_MAX;
  }

  deliver(content: Buffer, contentBytes: number): void {
    if (!view.parse(content, 0, contentBytes)) throw new Error('a reply cannot be read');
    properties.find(content, view);
    const channel = this.#channel;
    const { output, unacknowledged, number, frameMax } = channel;
    if (channel.connection.tracer !== null) {
      traceDelivered(channel, REPLY_TO, false, content, view, properties);
    }
    writeDeliverFrame(output, this.#head, unacknowledged.addSettled(), false, content, view);
    const { bodyStart, bodyEnd } = view;
    const { buffer, start, end } = properties;
    writeContentFrames(output, number, frameMax, buffer, start, end, content, bodyStart, bodyEnd);
    output.checkCongestion();
  }

  end(): void {
    this.#channel.vhost.directReplies.remove(this.address);
  }
}
