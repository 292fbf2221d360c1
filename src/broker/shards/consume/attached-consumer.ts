import type { MessageMemory } from '../../../log/memory/chunks.ts';
import type { ContentView } from '../../../records/record-content.ts';
import { FRAME_DELIVER } from '../../doors/frame-kinds.ts';
import type { Consumer, DeliverySink, Gate } from '../../queues/consumer.ts';
import type { DeliveryLevel } from '../../queues/delivery-source.ts';
import type { PriorityLevel } from '../../queues/priority-level.ts';
import { Unacknowledged } from '../../queues/unacknowledged.ts';
import { COUNTED, DeliverHead, messageBytes, REDELIVERED, WANTS_CREDIT } from './deliver-frame.ts';
import type { DeliverOutput, WaitsForRoom } from './deliver-output.ts';

/** Messages of one consumer on their way to the output of its client. */
const WINDOW_MESSAGES = 1000;

/** Of the message that is being written: there is one at a time. */
export const head = new DeliverHead();

/** What an attached consumer knows of the shard that its client is in. */
export interface ConsumersPeer {
  readonly output: DeliverOutput;
  /** Bytes that each of its consumers may have on their way. */
  readonly windowBytes: number;
  /** The broker has cancelled it. */
  cancelled(attached: AttachedConsumer): void;
}

/** Writes what belongs to a message's queue into the head. */
export function describe(
  level: DeliveryLevel,
  offset: number,
  redelivered: boolean,
  number: number,
  tag: number,
): void {
  head.number = number;
  head.tag = tag;
  head.flags = redelivered ? REDELIVERED : 0;
  head.acquisitions = 0;
  head.failures = 0;
  head.remaining = 0;
  // A queue of this shard delivers from its own levels.
  head.logId = (level as PriorityLevel).log.id;
  head.offset = offset;
  if (!level.countsFailures) return;
  head.flags |= COUNTED;
  head.acquisitions = level.acquisitionsOf(offset);
  head.failures = level.failuresOf(offset);
}

/**
 * A consumer of a queue of this shard whose client is in another one. To the queue it is one as any other, which acknowledges; it keeps
 * what is not settled under tags of its own. How much may be on its way to the client is limited beside the prefetch.
 */
export class AttachedConsumer implements DeliverySink, WaitsForRoom {
  readonly number: number;
  readonly gate: Gate;
  readonly unacknowledged = new Unacknowledged();
  isWaiting = false;
  /** Null until the queue has taken it. */
  consumer: Consumer | null = null;
  readonly #peer: ConsumersPeer;
  /** On their way, as far as this shard was told. */
  #messages = 0;
  #bytes = 0;

  /** It is given messages with tags up to this one. */
  #allowance: number;

  constructor(number: number, allowance: number, peer: ConsumersPeer) {
    this.number = number;
    this.#allowance = allowance;
    this.gate = { open: allowance > 0 };
    this.#peer = peer;
  }

  /** Whether nothing can come of it any more. */
  get isOver(): boolean {
    return this.consumer?.isActive !== true && this.unacknowledged.count === 0;
  }

  deliver(
    consumer: Consumer,
    level: DeliveryLevel,
    offset: number,
    memory: MessageMemory,
    at: number,
    redelivered: boolean,
    content: ContentView,
  ): boolean {
    const peer = this.#peer;
    const messages = this.#messages + 1;
    const bytes = this.#bytes + messageBytes(memory, at);
    describe(level, offset, redelivered, this.number, this.unacknowledged.nextTag);
    if (2 * messages >= WINDOW_MESSAGES || 2 * bytes >= peer.windowBytes) head.flags |= WANTS_CREDIT;
    if (!peer.output.message(FRAME_DELIVER, head, memory, at)) {
      peer.output.whenRoom(this);
      return false;
    }
    const tag = this.unacknowledged.add(level, consumer, offset, memory, at, content);
    this.#messages = messages;
    this.#bytes = bytes;
    if (messages >= WINDOW_MESSAGES || bytes >= peer.windowBytes || tag >= this.#allowance)
      this.gate.open = false;
    return true;
  }

  /** So much has left the window. */
  credit(messages: number, bytes: number): void {
    this.#messages -= messages;
    this.#bytes -= bytes;
    if (!this.gate.open && 2 * this.#messages <= WINDOW_MESSAGES && 2 * this.#bytes <= this.#peer.windowBytes)
      this.#openGate();
  }

  /** Up to this tag. */
  allow(allowance: number): void {
    this.#allowance = allowance;
    if (allowance < this.unacknowledged.nextTag) this.gate.open = false;
    else if (!this.gate.open && this.#messages < WINDOW_MESSAGES && this.#bytes < this.#peer.windowBytes)
      this.#openGate();
  }

  #openGate(): void {
    if (this.#allowance < this.unacknowledged.nextTag) return;
    this.gate.open = true;
    this.consumer?.wake();
  }

  thereIsRoom(): void {
    this.consumer?.wake();
  }

  cancelled(): void {
    this.#peer.cancelled(this);
  }
}
