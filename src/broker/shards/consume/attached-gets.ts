import type { MessageMemory } from '../../../log/memory/chunks.ts';
import type { ContentView } from '../../../records/record-content.ts';
import { FRAME_GOT } from '../../doors/frame-kinds.ts';
import { BrokerError } from '../../errors.ts';
import type { DeliveryLevel } from '../../queues/delivery-source.ts';
import type { Getter } from '../../queues/ports.ts';
import type { Queue } from '../../queues/queue.ts';
import { describe, head } from './attached-consumer.ts';
import type { AttachedConsumers } from './attached-consumers.ts';
import { DELIVER_HEAD_BYTES, EMPTY, FAILED, memoryOf } from './deliver-frame.ts';
import type { WaitsForRoom } from './deliver-output.ts';

/** A basic.get of a client of another shard, in the shard of the queue. */
export class AttachedGet implements Getter, WaitsForRoom {
  isWaiting = false;
  readonly #peer: AttachedConsumers;
  readonly #queue: Queue;
  readonly #number: number;

  constructor(peer: AttachedConsumers, queue: Queue, number: number) {
    this.#peer = peer;
    this.#queue = queue;
    this.#number = number;
  }

  begin(): void {
    try {
      this.#queue.assertReadable();
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      answerFailed(this.#peer, this.#number, error);
      return;
    }
    if (this.#queue.isRemoved) this.empty();
    // What is got without acknowledgement is acknowledged by the client's shard when the client has it.
    else this.#queue.get(false, this);
  }

  message(
    level: DeliveryLevel,
    offset: number,
    memory: MessageMemory,
    at: number,
    redelivered: boolean,
    remaining: number,
    content: ContentView,
  ): boolean {
    const { gets, output } = this.#peer;
    describe(level, offset, redelivered, this.#number, gets.nextTag);
    head.remaining = remaining;
    if (!output.message(FRAME_GOT, head, memory, at)) {
      output.whenRoom(this);
      return false;
    }
    gets.add(level, null, offset, memory, at, content);
    return true;
  }

  thereIsRoom(): void {
    this.begin();
  }

  empty(): void {
    answer(this.#peer, this.#number, EMPTY, Buffer.alloc(0));
  }

  failed(error: BrokerError): void {
    answerFailed(this.#peer, this.#number, error);
  }
}

/** The queue cannot be read, or is not there. */
export function answerFailed(peer: AttachedConsumers, number: number, { kind, message }: BrokerError): void {
  answer(peer, number, FAILED, Buffer.from(JSON.stringify({ kind, message }), 'utf8'));
}

function answer(peer: AttachedConsumers, number: number, flags: number, text: Buffer): void {
  const memory = memoryOf(Buffer.allocUnsafeSlow(DELIVER_HEAD_BYTES + text.length));
  head.number = number;
  head.flags = flags;
  head.tag = 0;
  head.acquisitions = 0;
  head.failures = 0;
  head.remaining = 0;
  head.logId = 0;
  head.offset = 0;
  head.write(memory, 0);
  text.copy(memory.buffer, DELIVER_HEAD_BYTES);
  peer.output.control(FRAME_GOT, memory.buffer);
}
