import { atOnce, type Work } from '../../../base/turn-time.ts';
import type { Table } from '../../../base/value.ts';
import { MessageView } from '../../../records/message-view.ts';
import type { QueueCounts } from '../../queues/queue-port.ts';
import type { Shard } from '../../shard/shard.ts';
import type { StreamPort } from '../../topology/ports.ts';
import { ownPartitions } from '../any-partition.ts';
import type { StreamConsumerRequest, StreamReader } from '../consumers/stream-consumer.ts';
import { StreamConsumers } from '../consumers/stream-consumers.ts';
import type { Stream } from '../stream.ts';
import { type RecordTarget, StreamRecords } from './stream-records.ts';

/** The stream of an exchange, for those who publish messages and not records. */
export class StreamExchange implements StreamPort, RecordTarget {
  readonly stream: Stream;
  readonly remote = null;
  declaredAs: Table | null = null;
  readonly consumers: StreamConsumers;
  readonly #shard: Shard;
  readonly #records: StreamRecords;
  /** One is used for all records. */
  readonly #record = new MessageView();
  /** Of a message that is too large, once. */
  #hasWarned = false;

  constructor(stream: Stream, shard: Shard) {
    this.stream = stream;
    this.#shard = shard;
    this.#records = new StreamRecords(this, shard.codecs);
    this.consumers = new StreamConsumers(this, shard);
  }

  get name(): string {
    return this.stream.name;
  }

  get partitionCount(): number {
    return this.stream.partitions.length;
  }

  get maxMessageBytes(): number {
    return this.stream.settings.maxMessageBytes;
  }

  get counts(): QueueCounts {
    let ready = 0;
    for (const { startOffset, highWatermark } of ownPartitions(this.stream.partitions))
      ready += highWatermark - startOffset;
    return { ready, consumers: this.consumers.count };
  }

  askCounts(): Work<QueueCounts> {
    return atOnce(() => this.counts);
  }

  /** @throws BrokerError as `StreamConsumers.add` */
  consume(request: StreamConsumerRequest): Work<StreamReader> {
    return atOnce(() => this.consumers.add(request));
  }

  check(messageView: MessageView): void {
    this.#records.check(messageView);
  }

  append(messageView: MessageView, nowMs: number, isStrict: boolean): number {
    const records = this.#records;
    const content = records.write(messageView, isStrict);
    const record = this.#record;
    record.content = content;
    if (content.length > this.maxMessageBytes) this.#warnOfSize(content.length);
    this.stream.own(records.partition).gather(record, nowMs);
    record.content = null;
    return this.#shard.currentBlock;
  }

  /** What comes as a dead letter, or from another stream, was promised to be kept. */
  #warnOfSize(bytes: number): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const { maxMessageBytes } = this;
    this.#shard.log.warn(
      { stream: this.name, vhost: this.stream.vhost, bytes, maxMessageBytes },
      'a message came to a stream as a dead letter or from another stream that is larger than max.message.bytes: ' +
        'Kafka clients may have to raise receive.message.max.bytes to read it',
    );
  }
}
