import type { Table } from '../../../base/value.ts';
import type { RecordMessage, RecordPlace } from '../../messages/message-from-record.ts';
import type { Consumer, Gate } from '../../queues/consumer.ts';
import type { RequeueReason } from '../../queues/delivery-outcome.ts';
import type { DeliverySource } from '../../queues/delivery-source.ts';
import type { Pumped } from '../../shard/turn.ts';
import type { StreamExchange } from '../../streams/bindings/stream-exchange.ts';
import {
  type ConsumerShape,
  type QueueShape,
  STREAM_SETTINGS,
  type StreamConsumerRequest,
  type StreamReader,
  type StreamSink,
} from '../../streams/consumers/stream-consumer.ts';
import { RECORD_COST } from './stream-consume-service.ts';

/** What its shard has to know of the offsets of a single active consumer: see `StreamConsumer.settled` and `recovered`. */
export interface Settled {
  readonly partition: number;
  readonly offset: number;
  readonly isRecovered: boolean;
}

interface Kept {
  readonly record: RecordPlace;
  readonly partition: number;
}

/** Places of records that were taken go when there are so many, or nothing else is kept. */
const COMPACT_MIN = 1024;

/** What a consumer uses of the others, and of the door. */
export interface RemoteConsumers {
  readonly message: RecordMessage;
  pumpLater(consumer: RemoteStreamConsumer): void;
  owe(consumer: RemoteStreamConsumer): void;
  detach(consumer: RemoteStreamConsumer): void;
}

/** Where deliveries of a partition are settled. */
class RemotePartitionSource implements DeliverySource {
  readonly #consumer: RemoteStreamConsumer;
  readonly #partition: number;

  constructor(consumer: RemoteStreamConsumer, partition: number) {
    this.#consumer = consumer;
    this.#partition = partition;
  }

  acknowledge(offset: number): void {
    this.#consumer.offsetSettled(this.#partition, offset, false);
  }

  reject(offset: number): void {
    this.#consumer.offsetSettled(this.#partition, offset, false);
  }

  requeue(offset: number, _bodyBytes: number, reason: RequeueReason): void {
    if (reason === 'rejected' || reason === 'returned')
      this.#consumer.offsetSettled(this.#partition, offset, false);
    else if (reason === 'recovered') this.#consumer.offsetSettled(this.#partition, offset, true);
  }
}

/**
 * A client's consumer of a stream in another shard, which reads the stream there and sends the records: never more than its prefetch,
 * nor than its window of bytes. What the channel cannot take now is kept here until it can.
 */
export class RemoteStreamConsumer implements StreamReader, ConsumerShape, Pumped {
  pumpPending = false;
  /** By which both shards call it. */
  readonly number: number;
  readonly tag: string;
  readonly gate: Gate;
  readonly noAck = false;
  readonly exclusive: boolean;
  readonly priority = 0;
  readonly arguments: Table;
  readonly prefetch: number;
  credit: number;
  unacknowledgedCount = 0;
  readonly window = 0;
  isActive = true;
  readonly queue: QueueShape;
  /** Owed to the other shard: messages that were settled, and bytes of records that the channel has taken. */
  settledCount = 0;
  takenBytes = 0;
  /** Only of streams with a single active consumer. */
  readonly settled: Settled[] = [];
  isOwing = false;
  readonly #stream: StreamExchange;
  readonly #sink: StreamSink;
  readonly #consumers: RemoteConsumers;
  readonly #sources: RemotePartitionSource[] = [];
  #kept: Kept[] = [];
  #keptFrom = 0;
  #keptBytes = 0;
  #hasBegun = false;
  #isCancelledThere = false;

  constructor(
    number: number,
    stream: StreamExchange,
    request: StreamConsumerRequest,
    consumers: RemoteConsumers,
  ) {
    if ('record' in request.sink) throw new Error('what comes from another shard is read as messages here');
    this.number = number;
    this.tag = request.tag;
    this.gate = request.gate;
    this.exclusive = request.exclusive;
    this.arguments = request.arguments;
    this.prefetch = request.credit;
    this.credit = request.credit;
    this.#stream = stream;
    this.#sink = request.sink;
    this.#consumers = consumers;
    const { name, vhost } = stream.stream;
    this.queue = {
      name,
      vhost,
      settings: STREAM_SETTINGS,
      arguments: stream.declaredAs ?? {},
      // Which one that is, its own shard knows.
      consumers: { active: null },
    };
  }

  get asConsumer(): Consumer {
    return this as unknown as Consumer;
  }

  sourceOf(partition: number): DeliverySource {
    this.#sources[partition] ??= new RemotePartitionSource(this, partition);
    return this.#sources[partition];
  }

  /** Whether the channel takes a record that comes now. */
  get isReady(): boolean {
    return this.#hasBegun && this.isActive && this.gate.open && this.#kept.length === 0;
  }

  begin(): void {
    this.#hasBegun = true;
    if (this.#isCancelledThere) this.#sink.cancelled(this);
    else this.pumpLater();
  }

  keep(record: RecordPlace, partition: number): void {
    if (!this.isActive) return;
    this.#kept.push({ record, partition });
    this.#keepMore(costOf(record));
    this.pumpLater();
  }

  /** Hands a record to the channel, which copies it. */
  take(record: RecordPlace, partition: number): void {
    this.takenBytes += costOf(record);
    this.#consumers.owe(this);
    const { message } = this.#consumers;
    if (!message.read(record, this.#stream.name, partition)) {
      // Nobody can read it, and so nobody acknowledges it.
      this.offsetSettled(partition, record.offset, false);
      this.settledCount++;
      return;
    }
    message.otherKeys();
    this.credit--;
    this.#sink.deliver(this, message, partition, record.offset, record.timestampMs);
  }

  pumpLater(): void {
    if (this.#hasBegun && this.isActive && this.#kept.length > 0 && this.gate.open)
      this.#consumers.pumpLater(this);
  }

  pump(): void {
    const kept = this.#kept;
    while (this.#keptFrom < kept.length && this.isActive && this.gate.open) {
      const { record, partition } = kept[this.#keptFrom++];
      this.#keepMore(-costOf(record));
      this.take(record, partition);
    }
    if (!this.isActive) return;
    if (this.#keptFrom < COMPACT_MIN && this.#keptFrom < kept.length) return;
    this.#kept = kept.slice(this.#keptFrom);
    this.#keptFrom = 0;
  }

  /** From the channel: a delivery of the partition is settled, or was given back by basic.recover. */
  offsetSettled(partition: number, offset: number, isRecovered: boolean): void {
    if (!this.isActive || this.#stream.declaredAs?.['x-single-active-consumer'] !== true) return;
    this.settled.push({ partition, offset, isRecovered });
    this.#consumers.owe(this);
  }

  deliverySettled(): void {
    this.unacknowledgedCount--;
    this.credit++;
    this.settledCount++;
    this.#consumers.owe(this);
  }

  keepExtension(): void {}

  addCredit(count: number): void {
    this.credit += count;
  }

  wake(): void {
    this.pumpLater();
  }

  cancel(): void {
    if (!this.isActive) return;
    this.#end();
    this.#consumers.detach(this);
  }

  /** The stream was deleted there, or cannot be read any more. */
  cancelledThere(): void {
    this.#end();
    if (this.#hasBegun) this.#sink.cancelled(this);
    else this.#isCancelledThere = true;
  }

  #end(): void {
    this.isActive = false;
    this.#kept = [];
    this.#keptFrom = 0;
    this.#keepMore(-this.#keptBytes);
  }

  #keepMore(difference: number): void {
    this.#keptBytes += difference;
    this.#sink.kept(difference);
  }
}

function costOf({ contentStart, contentEnd }: RecordPlace): number {
  return contentEnd - contentStart + RECORD_COST;
}
