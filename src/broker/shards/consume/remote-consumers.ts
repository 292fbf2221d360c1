import { type Json, tableToJson } from '../../../base/value-json.ts';
import { FRAME_CANCELLED, FRAME_DELIVER, FRAME_ENDED } from '../../doors/frame-kinds.ts';
import type { FrameReceiver } from '../../doors/ring-reader.ts';
import type { ShardLink } from '../../doors/shard-link.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import type { Consumer, ConsumerRequest } from '../../queues/consumer.ts';
import type { RemoteQueue } from '../../queues/remote-queue.ts';
import type { Turn } from '../../shard/turn.ts';
import type { KnownMetadata } from '../known-metadata.ts';
import { numberAt, ReceivedMemory } from './deliver-frame.ts';
import { RemoteConsumer } from './remote-consumer.ts';
import type { SettleWriter } from './settle-writer.ts';

/** The consumers here of queues of one other shard. */
export class RemoteConsumers implements FrameReceiver {
  readonly #link: ShardLink;
  readonly #writer: SettleWriter;
  readonly #turn: Turn;
  readonly #metadata: KnownMetadata;
  readonly #memory = new ReceivedMemory();
  /** Until nothing can come of them any more. */
  readonly #byNumber = new Map<number, RemoteConsumer>();
  readonly #byConsumer = new Map<Consumer, RemoteConsumer>();
  #lastNumber = 0;

  constructor(room: SharedRoom, link: ShardLink, writer: SettleWriter, turn: Turn, metadata: KnownMetadata) {
    this.#metadata = metadata;
    this.#link = link;
    this.#writer = writer;
    this.#turn = turn;
    for (const kind of [FRAME_DELIVER, FRAME_CANCELLED, FRAME_ENDED]) room.door.receive(kind, this);
  }

  get size(): number {
    return this.#byNumber.size;
  }

  /**
   * Asks the queue's shard for a consumer. It gets nothing before it is woken for the first time. Rejects with BrokerError as
   * `Queue.addConsumer` throws it.
   */
  async consume(queue: RemoteQueue, request: ConsumerRequest): Promise<Consumer> {
    const remote = new RemoteConsumer(this.#newNumber(), queue, request, this.#writer, this.#turn);
    const { number, consumer } = remote;
    this.#byNumber.set(number, remote);
    this.#byConsumer.set(consumer, remote);
    try {
      const metadata = this.#metadata.number;
      await this.#link.ask({
        op: 'consumer.attach',
        ...requestFields(queue, request),
        ...remote.firstAllowance(),
        number,
        metadata,
      });
    } catch (error) {
      this.#forget(remote);
      throw error;
    }
    return consumer;
  }

  /** By the client, or because its channel ends. */
  cancel(consumer: Consumer): void {
    this.#byConsumer.get(consumer)?.cancel();
  }

  /** Called by the door. */
  frame(kind: number, buffer: Buffer, start: number, _end: number): boolean {
    const memory = this.#memory.of(buffer);
    const number = numberAt(memory, start);
    const remote = this.#byNumber.get(number);
    if (remote === undefined)
      throw new Error(`consumer ${number} of shard ${this.#link.peer} is not known here`);
    if (kind === FRAME_DELIVER) remote.received(memory, start);
    else if (kind === FRAME_CANCELLED) remote.cancelledThere();
    else this.#forget(remote);
    return true;
  }

  #forget(remote: RemoteConsumer): void {
    this.#byNumber.delete(remote.number);
    this.#byConsumer.delete(remote.consumer);
  }

  #newNumber(): number {
    do this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    while (this.#lastNumber === 0 || this.#byNumber.has(this.#lastNumber));
    return this.#lastNumber;
  }
}

function requestFields(
  { vhost, name, id }: RemoteQueue,
  { tag, credit, noAck, exclusive, priority = 0, arguments: args }: ConsumerRequest,
): { readonly [field: string]: Json } {
  // Without a limit of its own the consumer has a window, which is a matter of its channel.
  const prefetch = noAck || !Number.isFinite(credit) ? 0 : credit;
  return { vhost, name, id, tag, prefetch, exclusive, priority, arguments: tableToJson(args) };
}
