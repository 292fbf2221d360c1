import type { MessageMemory } from '../../../log/memory/chunks.ts';
import { FRAME_HEADER_BYTES, frameContentBytes } from '../../../log/memory/chunks.ts';
import { ContentView } from '../../../records/record-content.ts';
import { Consumer, type ConsumerRequest, type Parking } from '../../queues/consumer.ts';
import type { RequeueReason } from '../../queues/delivery-outcome.ts';
import type { DeliveryLevel } from '../../queues/delivery-source.ts';
import type { RemoteQueue } from '../../queues/remote-queue.ts';
import type { Pumped, Turn } from '../../shard/turn.ts';
import {
  acquisitionsAt,
  COUNTED,
  DELIVER_HEAD_BYTES,
  failuresAt,
  flagsAt,
  messageBytes,
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
export class RemoteConsumer implements DeliveryLevel, Credited, Parking, Pumped {
  readonly number: number;
  readonly queue: RemoteQueue;
  readonly consumer: Consumer;
  lastEntry = 0;
  lastRound = 0;
  creditMessages = 0;
  creditBytes = 0;
  owesCredit = false;
  /** Of the turn. */
  pumpPending = false;
  countsFailures = false;
  readonly #writer: SettleWriter;
  readonly #turn: Turn;
  /** Null while there is nothing. */
  #held: HeldDeliveries | null = null;
  #isHandingHeldOn = false;
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
    this.queue = queue;
    this.consumer = new Consumer(queue, request);
    // Until it is woken for the first time, when consume-ok is written.
    this.consumer.parkedAt = this;
    this.#writer = writer;
    this.#turn = turn;
  }

  get heldCount(): number {
    return this.#held?.count ?? 0;
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
    if (!this.consumer.isActive) {
      this.#giveBack(memory, at);
      return;
    }
    // What is held is handed on when the consumer is woken, or has its turn.
    if (!this.pumpPending) this.consumer.parkedAt = this;
    this.#held ??= new HeldDeliveries();
    this.#held.add(memory, at);
  }

  /** The consumer was woken: it may be able to take something. */
  unpark(consumer: Consumer): void {
    consumer.parkedAt = null;
    if (!this.#isStarted) this.#start();
    if (this.#held !== null) this.#turn.pumpLater(this);
  }

  /** Called by the turn. */
  pump(): void {
    const { consumer } = this;
    while (this.#held !== null && this.#isReady) if (!this.#handOnHeld(this.#held)) break;
    if (this.#held !== null) consumer.parkedAt = this;
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
    const { isActive, parkedAt, gate, credit } = this.consumer;
    return isActive && parkedAt === null && gate.open && credit > 0;
  }

  #start(): void {
    this.#isStarted = true;
    if (this.#wasCancelled) this.consumer.sink.cancelled(this.consumer);
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
    const isAgain = (flags & REDELIVERED) !== 0;
    consumer.credit--;
    if (consumer.sink.deliver(consumer, this, tag, memory, frame, isAgain, content) === false) {
      consumer.credit++;
      return false;
    }
    if (consumer.noAck) this.#writer.settle(this, ACK, tag);
    this.creditMessages++;
    this.creditBytes += bytes;
    if ((flags & WANTS_CREDIT) !== 0) this.#writer.creditLater(this);
    return true;
  }

  #giveBack(memory: MessageMemory, at: number): void {
    this.#writer.settle(this, unseen(memory, at), tagAt(memory, at));
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
      tags.push(tagAt(held.memory, held.at));
      kinds.push(unseen(held.memory, held.at));
    }
    for (let i = tags.length - 1; i >= 0; i--) this.#writer.settle(this, kinds[i], tags[i]);
  }
}

/** How a message goes back that the client never got. */
export function unseen(memory: MessageMemory, at: number): number {
  return (flagsAt(memory, at) & REDELIVERED) === 0 ? UNSEEN : UNSEEN_AGAIN;
}
