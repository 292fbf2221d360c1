import { FRAME_HEADER_BYTES, frameContentBytes, type MessageMemory } from '../../../log/memory/chunks.ts';
import { ContentView } from '../../../records/record-content.ts';
import { FRAME_GOT } from '../../doors/frame-kinds.ts';
import type { FrameReceiver } from '../../doors/ring-reader.ts';
import type { ShardLink } from '../../doors/shard-link.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import { BrokerError, type BrokerErrorKind } from '../../errors.ts';
import type { RequeueReason } from '../../queues/delivery-outcome.ts';
import type { DeliveryLevel } from '../../queues/delivery-source.ts';
import type { Getter } from '../../queues/ports.ts';
import type { RemoteDelivery } from '../../queues/remote-delivery.ts';
import type { RemoteQueue } from '../../queues/remote-queue.ts';
import type { KnownMetadata } from '../known-metadata.ts';
import {
  acquisitionsAt,
  COUNTED,
  DELIVER_HEAD_BYTES,
  EMPTY,
  FAILED,
  failuresAt,
  flagsAt,
  logIdAt,
  numberAt,
  offsetAt,
  REDELIVERED,
  ReceivedMemory,
  remainingAt,
  tagAt,
} from './deliver-frame.ts';
import { unseen } from './remote-consumer.ts';
import { ACK, DROP, kindOf } from './settle-frame.ts';
import type { Settled, SettleWriter } from './settle-writer.ts';

interface PendingGet {
  readonly queue: RemoteQueue;
  readonly noAck: boolean;
  readonly getter: Getter;
}

const content = new ContentView();

/** basic.get from queues of one other shard: one question each, and what the answers gave is settled there under one number, 0. */
export class RemoteGets implements FrameReceiver, DeliveryLevel, RemoteDelivery, Settled {
  readonly number = 0;
  readonly session = 0;
  readonly remote = this;
  readonly shard: number;
  lastEntry = 0;
  lastRound = 0;
  /** Of the message that was got. */
  logId = 0;
  offset = 0;
  queue: { readonly name: string } = { name: '' };
  countsFailures = false;
  #acquisitions = 0;
  #failures = 0;
  readonly #link: ShardLink;
  readonly #metadata: KnownMetadata;
  readonly #writer: SettleWriter;
  readonly #memory = new ReceivedMemory();
  /** One for each channel at most, which waits for it. */
  readonly #pending = new Map<number, PendingGet>();
  #lastNumber = 0;

  constructor(room: SharedRoom, link: ShardLink, writer: SettleWriter, metadata: KnownMetadata) {
    this.#metadata = metadata;
    this.#link = link;
    this.shard = link.peer;
    this.#writer = writer;
    room.door.receive(FRAME_GOT, this);
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  get(queue: RemoteQueue, noAck: boolean, getter: Getter): void {
    do this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    while (this.#pending.has(this.#lastNumber));
    const number = this.#lastNumber;
    this.#pending.set(number, { queue, noAck, getter });
    const { vhost, name, id } = queue;
    this.#link.tell({ op: 'queue.get', vhost, name, id, number, metadata: this.#metadata.number });
  }

  /** Called by the door. */
  frame(_kind: number, buffer: Buffer, start: number, end: number): boolean {
    const memory = this.#memory.of(buffer);
    const number = numberAt(memory, start);
    const pending = this.#pending.get(number);
    if (pending === undefined)
      throw new Error(`shard ${this.#link.peer} answers basic.get ${number}, which nobody asked`);
    this.#pending.delete(number);
    const flags = flagsAt(memory, start);
    if ((flags & EMPTY) !== 0) pending.getter.empty();
    else if ((flags & FAILED) !== 0) pending.getter.failed(errorAt(buffer, start + DELIVER_HEAD_BYTES, end));
    else this.#got(pending, memory, start, flags);
    return true;
  }

  #got({ queue, noAck, getter }: PendingGet, memory: MessageMemory, at: number, flags: number): void {
    const frame = at + DELIVER_HEAD_BYTES;
    const tag = tagAt(memory, at);
    if (!content.parse(memory.buffer, frame + FRAME_HEADER_BYTES, frameContentBytes(memory, frame)))
      throw new Error(`message ${tag} of queue '${queue.name}' cannot be read`);
    this.queue = queue;
    this.countsFailures = (flags & COUNTED) !== 0;
    this.#acquisitions = acquisitionsAt(memory, at);
    this.#failures = failuresAt(memory, at);
    this.logId = logIdAt(memory, at);
    this.offset = offsetAt(memory, at);
    const isAgain = (flags & REDELIVERED) !== 0;
    if (!getter.message(this, tag, memory, frame, isAgain, remainingAt(memory, at), content))
      this.#writer.settle(this, unseen(memory, at), tag);
    else if (noAck) this.#writer.settle(this, ACK, tag);
  }

  failuresOf(): number {
    return this.#failures;
  }

  acquisitionsOf(): number {
    return this.#acquisitions;
  }

  acknowledge(tag: number): void {
    this.#writer.settle(this, ACK, tag);
  }

  reject(tag: number): void {
    this.#writer.settle(this, DROP, tag);
  }

  requeue(tag: number, _bodyBytes: number, reason: RequeueReason): void {
    this.#writer.settle(this, kindOf(reason), tag);
  }
}

function errorAt(buffer: Buffer, start: number, end: number): BrokerError {
  const { kind, message } = JSON.parse(buffer.toString('utf8', start, end)) as {
    readonly kind: BrokerErrorKind;
    readonly message: string;
  };
  return new BrokerError(kind, message);
}
