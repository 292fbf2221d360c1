import { walked } from '../../../base/turn-time.ts';
import { BrokerError } from '../../errors.ts';
import { RecordMessage } from '../../messages/message-from-record.ts';
import type { Shard } from '../../shard/shard.ts';
import { resourceText } from '../../topology/refusals.ts';
import {
  type ConsumedStream,
  StreamConsumer,
  type StreamConsumerOwner,
  type StreamConsumerRequest,
} from './stream-consumer.ts';

/** The consumers of one stream. */
export class StreamConsumers implements StreamConsumerOwner {
  readonly source: ConsumedStream;
  /** The one that gets everything, where only one does. */
  active: StreamConsumer | null = null;
  readonly #shard: Shard;
  readonly #consumers = new Set<StreamConsumer>();
  #message: RecordMessage | null = null;

  constructor(source: ConsumedStream, shard: Shard) {
    this.source = source;
    this.#shard = shard;
  }

  get count(): number {
    return this.#consumers.size;
  }

  /** Whether all but one of them wait until that one is gone, and go on where it was. */
  get isSingle(): boolean {
    return this.source.declaredAs?.['x-single-active-consumer'] === true;
  }

  /** @throws BrokerError access-refused, if somebody else is there exclusively or this one wants to be */
  add(request: StreamConsumerRequest): StreamConsumer {
    const { store, codecs, turn } = this.#shard;
    // There is no other beside an exclusive one.
    const first = this.#consumers.values().next().value;
    if (request.exclusive ? first !== undefined : first?.exclusive === true) {
      const { name, stream } = this.source;
      throw new BrokerError(
        'access-refused',
        `${resourceText('queue', name, stream.vhost)} in exclusive use`,
      );
    }
    // What was published in this turn was published before.
    store.flushAccumulator();
    this.#message ??= new RecordMessage(codecs);
    const consumer = new StreamConsumer(this, request, turn, this.#message);
    this.#consumers.add(consumer);
    if (this.isSingle) this.active ??= consumer;
    consumer.pumpLater();
    return consumer;
  }

  remove(consumer: StreamConsumer): void {
    if (!this.#consumers.delete(consumer)) return;
    const positions = consumer.positions();
    consumer.close();
    if (this.active !== consumer) return;
    this.active = this.#consumers.values().next().value ?? null;
    this.active?.takeOver(positions);
  }

  /** The stream has more partitions. */
  extend(): void {
    for (const consumer of this.#consumers) consumer.extend();
  }

  /** The stream cannot be read any more by this consumer. */
  fail(consumer: StreamConsumer): void {
    this.remove(consumer);
    consumer.tellCancelled();
  }

  /** The stream is gone. They get nothing more from now on, and are told in steps. */
  removeAll(): void {
    this.active = null;
    const consumers = [...this.#consumers];
    this.#consumers.clear();
    // What they read of is going.
    for (const consumer of consumers) consumer.close();
    if (consumers.length === 0) return;
    this.#shard.inBackground(
      walked(consumers, tellCancelled),
      `to tell the consumers of stream '${this.source.name}'`,
    );
  }
}

function tellCancelled(consumer: StreamConsumer): void {
  consumer.tellCancelled();
}
