import { awaited, type Work } from '../../../base/turn-time.ts';
import type { Table } from '../../../base/value.ts';
import { MessageView } from '../../../records/message-view.ts';
import { BrokerError } from '../../errors.ts';
import type { QueueCounts } from '../../queues/queue-port.ts';
import type { Shard } from '../../shard/shard.ts';
import type { StreamPort, StreamRecord } from '../../topology/ports.ts';
import { resourceText } from '../../topology/refusals.ts';
import { remotePartitions } from '../any-partition.ts';
import type { StreamConsumer, StreamConsumerRequest, StreamReader } from '../consumers/stream-consumer.ts';
import { StreamConsumers } from '../consumers/stream-consumers.ts';
import type { PartitionReads } from '../partition-homes.ts';
import type { Stream } from '../stream.ts';
import { type RecordTarget, StreamRecords } from './stream-records.ts';

/** The shard that has the consumers of all streams, for the others. */
export interface StreamHome {
  counts(stream: StreamExchange): Promise<QueueCounts>;
  /** @throws BrokerError as `StreamConsumers.add` */
  consume(stream: StreamExchange, request: StreamConsumerRequest): Promise<StreamReader>;
}

/** What there is where there are several shards. */
export interface StreamsElsewhere {
  /** Null in the shard that is it. */
  readonly home: StreamHome | null;
  readonly reads: PartitionReads;
}

/** The stream of an exchange, for those who publish messages and not records. */
export class StreamExchange implements StreamPort, RecordTarget {
  readonly stream: Stream;
  declaredAs: Table | null = null;
  readonly consumers: StreamConsumers;
  readonly #shard: Shard;
  readonly #elsewhere: StreamsElsewhere | null;
  readonly #records: StreamRecords;
  /** One is used for all records. */
  readonly #record = new MessageView();
  /** The record that was written last, and where it goes. */
  #written: Buffer | null = null;
  #partition = 0;
  /** Of a message that is too large, once. */
  #hasWarned = false;

  constructor(stream: Stream, shard: Shard, elsewhere: StreamsElsewhere | null = null) {
    this.stream = stream;
    this.#shard = shard;
    this.#elsewhere = elsewhere;
    this.#records = new StreamRecords(this, shard.codecs);
    this.consumers = new StreamConsumers(this, shard);
  }

  get name(): string {
    return this.stream.name;
  }

  get partitionCount(): number {
    return this.stream.partitions.length;
  }

  get otherShards(): readonly number[] {
    return this.stream.otherShards;
  }

  get maxMessageBytes(): number {
    return this.stream.settings.maxMessageBytes;
  }

  get counts(): QueueCounts | null {
    const isAllHere = this.otherShards.length === 0 && this.#home === null;
    return isAllHere ? this.#knownCounts : null;
  }

  *askCounts(): Work<QueueCounts> {
    if (this.#home !== null) return yield* awaited(this.#home.counts(this));
    yield* this.askOffsets();
    return this.#knownCounts;
  }

  *askOffsets(): Work<void> {
    if (this.otherShards.length > 0)
      yield* awaited(this.#elsewhere?.reads.ask(remotePartitions(this.stream.partitions)));
  }

  /** @throws BrokerError as `StreamConsumers.add`; not-found */
  *consume(request: StreamConsumerRequest): Work<StreamReader> {
    if (this.#home !== null) return yield* awaited(this.#home.consume(this, request));
    return yield* this.consumeHere(request);
  }

  /** In the shard that has the consumers of all streams. */
  *consumeHere(request: StreamConsumerRequest): Work<StreamConsumer> {
    yield* this.askOffsets();
    const { isRemoved, name, vhost } = this.stream;
    if (isRemoved) throw new BrokerError('not-found', `no ${resourceText('queue', name, vhost)}`);
    return this.consumers.add(request);
  }

  check(messageView: MessageView): void {
    this.#records.check(messageView);
  }

  write(messageView: MessageView, isStrict: boolean): number {
    const content = this.#records.write(messageView, isStrict);
    if (content.length > this.maxMessageBytes) this.#warnOfSize(content.length);
    this.#written = content;
    this.#partition = this.#records.partition;
    if (this.otherShards.length === 0) return -1;
    const { isRemote, shard } = this.stream.partitions[this.#partition];
    return isRemote ? shard : -1;
  }

  append(nowMs: number): void {
    const record = this.#record;
    record.content = this.#takeWritten();
    this.stream.own(this.#partition).gather(record, nowMs);
    record.content = null;
  }

  send(token: number): void {
    const { shard, logId, content } = this.take();
    const appends = this.#shard.remoteAppends;
    if (appends === null) throw new Error(`shard ${shard} is not there`);
    appends.append(shard, logId, content, token);
  }

  take(): StreamRecord {
    const { shard, id } = this.stream.partitions[this.#partition];
    return { shard, logId: id, content: this.#takeWritten(), hasForeignEnvelope: false };
  }

  get #home(): StreamHome | null {
    return this.#elsewhere?.home ?? null;
  }

  get #knownCounts(): QueueCounts {
    let ready = 0;
    for (const { startOffset, highWatermark } of this.stream.partitions) ready += highWatermark - startOffset;
    return { ready, consumers: this.consumers.count };
  }

  #takeWritten(): Buffer {
    const content = this.#written;
    if (content === null) throw new Error('a record is appended that was not written');
    this.#written = null;
    return content;
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
