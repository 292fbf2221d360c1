import type { Json } from '../../../base/value-json.ts';
import { FRAME_REPLY } from '../../doors/frame-kinds.ts';
import type { FrameReceiver } from '../../doors/ring-reader.ts';
import type { ShardNote, ShardSeat } from '../../doors/shard-link.ts';
import type { DirectReplyConsumers, RepliesElsewhere, ReplyConsumer } from '../../topology/direct-reply.ts';
import { text } from '../command-codec.ts';
import { ReplyOutput, readReply } from './reply-output.ts';

/** An address of another shard, which alone knows whether somebody is there. */
class RemoteReply implements ReplyConsumer {
  readonly #output: ReplyOutput;
  readonly #vhost: string;
  readonly #address: string;

  constructor(output: ReplyOutput, vhost: string, address: string) {
    this.#output = output;
    this.#vhost = vhost;
    this.#address = address;
  }

  get isReady(): boolean {
    return this.#output.isReady;
  }

  deliver(content: Buffer, contentBytes: number): void {
    this.#output.send(this.#vhost, this.#address, content, contentBytes);
  }
}

/** Direct reply-to across shards: an address ends with the number of the shard where its requester is. */
export class Replies implements FrameReceiver {
  readonly #seat: ShardSeat;
  readonly #outputs: readonly (ReplyOutput | undefined)[];
  readonly #consumersOf: (vhost: string) => DirectReplyConsumers | undefined;

  constructor(seat: ShardSeat, consumersOf: (vhost: string) => DirectReplyConsumers | undefined) {
    this.#seat = seat;
    this.#consumersOf = consumersOf;
    this.#outputs = seat.rooms.map((room) => {
      room?.door.receive(FRAME_REPLY, this);
      return room === undefined ? undefined : new ReplyOutput(room);
    });
  }

  /** For the virtual host of this name. */
  elsewhere(vhost: string): RepliesElsewhere {
    return {
      suffix: `.${this.#seat.number}`,
      at: (address) => this.#at(vhost, address),
      has: (address) => this.#has(vhost, address),
    };
  }

  /** Null if it is no such question. */
  answer(question: ShardNote): Json {
    if (question.op !== 'reply.has') return null;
    return this.#consumersOf(text(question, 'vhost'))?.has(text(question, 'address')) === true;
  }

  /** Called by the door. Nobody gets it who is gone, or does not read. */
  frame(_kind: number, buffer: Buffer, start: number, _end: number): boolean {
    const { vhost, address, content } = readReply(buffer, start);
    const consumer = this.#consumersOf(vhost)?.get(address);
    if (consumer?.isReady === true) consumer.deliver(content, content.length);
    return true;
  }

  #at(vhost: string, address: string): ReplyConsumer | null {
    const output = this.#outputs[shardOf(address)];
    return output === undefined ? null : new RemoteReply(output, vhost, address);
  }

  async #has(vhost: string, address: string): Promise<boolean> {
    const link = this.#seat.links[shardOf(address)];
    return link !== undefined && (await link.ask({ op: 'reply.has', vhost, address })) === true;
  }
}

/** The number that the address ends with; -1 if there is none. */
function shardOf(address: string): number {
  const digits = address.slice(address.lastIndexOf('.') + 1);
  return /^\d{1,5}$/.test(digits) ? Number(digits) : -1;
}
