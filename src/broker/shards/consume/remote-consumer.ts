import type { MessageMemory } from '../../../log/memory/chunks.ts';
import { FRAME_HEADER_BYTES, frameContentBytes } from '../../../log/memory/chunks.ts';
import { ContentView } from '../../../records/record-content.ts';
import { Consumer, type ConsumerRequest, type Parking } from '../../queues/consumer.ts';
import type { RequeueReason } from '../../queues/delivery-outcome.ts';
import type { DeliveryLevel } from '../../queues/delivery-source.ts';
import type { RemoteDelivery } from '../../queues/remote-delivery.ts';
import type { RemoteQueue } from '../../queues/remote-queue.ts';
import type { Pumped, Turn } from '../../shard/turn.ts';
import {
  acquisitionsAt,
  COUNTED,
  DELIVER_HEAD_BYTES,
  failuresAt,
  flagsAt,
  logIdAt,
  messageBytes,
  offsetAt,
  REDELIVERED,
  tagAt,
  WANTS_CREDIT,
} from './deliver-frame.ts';
import { HeldDeliveries } from './held-deliveries.ts';
import { ACK, CANCEL, DROP, kindOf, UNSEEN, UNSEEN_AGAIN } from './settle-frame.ts';
import type { Credited, SettleWriter } from './settle-writer.ts';

/** Of the message that is handed on: there is one at a time. */
const content = new ContentView();

/**
 * A consumer of a queue of another shard, as its client's channel has it: hands on what comes from there, keeps what cannot be handed on
 * yet, and says there what becomes of each message.
 *
 *     ring ── in place ──────────────▶ sink (the channel)
 *       └──── copied ──▶ held ──────────▲    while the gate is closed, or the client has no consume-ok
 */
export class RemoteConsumer implements DeliveryLevel, RemoteDelivery, Credited, Parking, Pumped {
  readonly number: number;
  readonly remote = this;
  readonly shard: number;
  readonly session: number;
  /** Of the message that is handed on. */
  logId = 0;
  offset = 0;
  readonly queue: RemoteQueue;
  readonly consumer: Consumer;
  lastEntry = 0;
  lastRound = 0;
  creditMessages = 0;
  creditBytes = 0;
  owesCredit = false;
  owesAllowance = false;
  /** Of the turn. */
  pumpPending = false;
  countsFailures = false;
  readonly #writer: SettleWriter;
  readonly #turn: Turn;
  /** Null while there is nothing. */
  #held: HeldDeliveries | null = null;
  #isHandingHeldOn = false;
  /** The tag up to which everything was handed on or given back. */
  #doneTag = 0;
  /** The tag up to which the queue may give it messages, as it was told. */
  #allowed = Number.POSITIVE_INFINITY;
  /** Of the message that is handed on. */
  #acquisitions = 0;
  #failures = 0;
  /** The client knows that it consumes. */
  #isStarted = false;
  /** Cancelled by the broker, which the sink is not told of before it has started. */
  #wasCancelled = false;

  constructor(
    number: number,
    queue: RemoteQueue,
    request: ConsumerRequest,
    writer: SettleWriter,
    turn: Turn,
  ) {
    this.number = number;
    this.session = number;
    this.shard = queue.shard;
    this.queue = queue;
    this.consumer = new Consumer(queue, request);
    // For good, so that each time it is woken is known; the first is when consume-ok is written.
    this.consumer.parkedAt = this;
    this.#writer = writer;
    this.#turn = turn;
  }

  failuresOf(): number {
    return this.#failures;
  }

  acquisitionsOf(): number {
    return this.#acquisitions;
  }

  /** A `deliver` frame whose head is at byte `at`, in memory that is used again. */
  received(memory: MessageMemory, at: number): void {
    if (this.#held === null && this.#isReady && this.#handOn(memory, at)) return;
    if (!this.consumer.isActive || this.#room === 0) {
      this.#giveBack(memory, at);
      return;
    }
    this.#held ??= new HeldDeliveries();
    this.#held.add(memory, at);
  }

  /** The consumer was woken: it may be able to take something. */
  unpark(consumer: Consumer): void {
    if (!this.#isStarted) this.#start(consumer);
    if (this.#held !== null) this.#turn.pumpLater(this);
    if (this.#allowed !== Number.POSITIVE_INFINITY) this.#writer.allowLater(this);
  }

  /** What the queue is told when it takes the consumer: how many messages it may give it before more is said. */
  firstAllowance(): { readonly allowance: number | null } {
    this.#allowed = this.#room;
    return { allowance: this.#allowed === Number.POSITIVE_INFINITY ? null : this.#allowed };
  }

  /** From the writer. */
  allowance(): number | null {
    if (!this.consumer.isActive) return null;
    const allowed = this.#doneTag + this.#room;
    const told = this.#allowed;
    // As long as it has more left than it would get, that can wait.
    if (allowed === told || (allowed > told && allowed - told < told - this.#doneTag)) return null;
    this.#allowed = allowed;
    return allowed;
  }

  /** Called by the turn. */
  pump(): void {
    while (this.#held !== null && this.#isReady) if (!this.#handOnHeld(this.#held)) break;
    // Others may take it: this client is not asking for any.
    if (this.#held !== null && this.#room === 0) this.#giveBackHeld();
  }

  /** How many messages its channel takes for it before one is settled: the rest is better off in the queue. */
  get #room(): number {
    const { gate, noAck, window, credit } = this.consumer;
    const room = gate.room?.() ?? Number.POSITIVE_INFINITY;
    if (noAck) return room === 0 ? 0 : Number.POSITIVE_INFINITY;
    return window > 0 ? Math.min(room, credit) : room;
  }

  /** The first of them. The sink may cancel the consumer, and all others are given back then. */
  #handOnHeld(held: HeldDeliveries): boolean {
    const { memory, at } = held;
    this.#isHandingHeldOn = true;
    const isTaken = this.#handOn(memory, at);
    this.#isHandingHeldOn = false;
    if (!this.consumer.isActive) {
      if (!isTaken) this.#giveBack(memory, at);
      return false;
    }
    if (!isTaken) return false;
    held.shift();
    if (held.isEmpty) this.#held = null;
    return true;
  }

  /** By the client: no more deliveries. */
  cancel(): void {
    this.#giveBackHeld();
    this.#writer.add(this, CANCEL, 0, 0);
  }

  /** By the broker, in the queue's shard. */
  cancelledThere(): void {
    if (!this.consumer.isActive) return;
    this.consumer.isActive = false;
    this.#giveBackHeld();
    if (this.#isStarted) this.consumer.sink.cancelled(this.consumer);
    else this.#wasCancelled = true;
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

  get #isReady(): boolean {
    const { isActive, gate, credit } = this.consumer;
    return this.#isStarted && isActive && gate.open && credit > 0;
  }

  #start(consumer: Consumer): void {
    this.#isStarted = true;
    if (this.#wasCancelled) consumer.sink.cancelled(consumer);
  }

  /** False if the sink does not take it. */
  #handOn(memory: MessageMemory, at: number): boolean {
    const { consumer } = this;
    const frame = at + DELIVER_HEAD_BYTES;
    const flags = flagsAt(memory, at);
    const tag = tagAt(memory, at);
    const bytes = messageBytes(memory, frame);
    if (!content.parse(memory.buffer, frame + FRAME_HEADER_BYTES, frameContentBytes(memory, frame)))
      throw new Error(`message ${tag} of queue '${this.queue.name}' cannot be read`);
    this.countsFailures = (flags & COUNTED) !== 0;
    this.#acquisitions = acquisitionsAt(memory, at);
    this.#failures = failuresAt(memory, at);
    this.logId = logIdAt(memory, at);
    this.offset = offsetAt(memory, at);
    const isAgain = (flags & REDELIVERED) !== 0;
    consumer.credit--;
    if (consumer.sink.deliver(consumer, this, tag, memory, frame, isAgain, content) === false) {
      consumer.credit++;
      return false;
    }
    if (consumer.noAck) this.#writer.settle(this, ACK, tag);
    if (tag === this.#allowed) this.#writer.allowLater(this);
    this.#left(tag, bytes, flags);
    return true;
  }

  #giveBack(memory: MessageMemory, at: number): void {
    const tag = tagAt(memory, at);
    this.#writer.settle(this, unseen(memory, at), tag);
    this.#left(tag, messageBytes(memory, at + DELIVER_HEAD_BYTES), flagsAt(memory, at));
    this.#writer.allowLater(this);
  }

  /** It is not on its way any more. */
  #left(tag: number, bytes: number, flags: number): void {
    this.#doneTag = tag;
    this.creditMessages++;
    this.creditBytes += bytes;
    if ((flags & WANTS_CREDIT) !== 0) this.#writer.creditLater(this);
  }

  /** The newest first: the queue then often goes back as if nothing had been delivered. */
  #giveBackHeld(): void {
    const held = this.#held;
    this.#held = null;
    if (held === null) return;
    if (this.#isHandingHeldOn) held.shift();
    const tags: number[] = [];
    const kinds: number[] = [];
    for (; !held.isEmpty; held.shift()) {
      const { memory, at } = held;
      tags.push(tagAt(memory, at));
      kinds.push(unseen(memory, at));
      this.#left(tagAt(memory, at), messageBytes(memory, at + DELIVER_HEAD_BYTES), flagsAt(memory, at));
    }
    if (this.consumer.isActive) this.#writer.allowLater(this);
    for (let i = tags.length - 1; i >= 0; i--) this.#writer.settle(this, kinds[i], tags[i]);
  }
}

/** How a message goes back that the client never got. */
export function unseen(memory: MessageMemory, at: number): number {
  return (flagsAt(memory, at) & REDELIVERED) === 0 ? UNSEEN : UNSEEN_AGAIN;
}
