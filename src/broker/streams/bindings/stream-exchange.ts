import type { Table, Value } from '../../../base/value.ts';
import { MessageView, parseContent } from '../../../records/message-view.ts';
import { BrokerError } from '../../errors.ts';
import { CHOSEN_PARTITION_HEADER } from '../../messages/mapping-headers.ts';
import { type RecordKey, recordKey, writeRecord } from '../../messages/record-from-message.ts';
import type { Shard } from '../../shard/shard.ts';
import type { StreamPort } from '../../topology/ports.ts';
import { StreamConsumers } from '../consumers/stream-consumers.ts';
import type { Partition } from '../partition.ts';
import { partitionOfKey } from '../partitioner.ts';
import type { Stream } from '../stream.ts';

/** What has no key stays with one partition for so many bytes, as batches had better be large. */
const STICKY_BYTES = 64 * 1024;

/** The stream of an exchange, for those who publish messages and not records. */
export class StreamExchange implements StreamPort {
  readonly stream: Stream;
  declaredAs: Table | null = null;
  readonly consumers: StreamConsumers;
  readonly #shard: Shard;
  /** One is used for all messages that come as complete contents, and one for their records. */
  readonly #parsed = new MessageView();
  readonly #record = new MessageView();
  #sticky = 0;
  #stickyBytes = 0;
  /** Of a message that is too large, once. */
  #hasWarned = false;

  constructor(stream: Stream, shard: Shard) {
    this.stream = stream;
    this.#shard = shard;
    this.consumers = new StreamConsumers(this, shard);
  }

  get name(): string {
    return this.stream.name;
  }

  get consumerCount(): number {
    return this.consumers.count;
  }

  get messageCount(): number {
    let count = 0;
    for (const { startOffset, highWatermark } of this.stream.partitions) count += highWatermark - startOffset;
    return count;
  }

  check(given: MessageView): void {
    const { content, headers } = this.#recordOf(given);
    this.#checkRecord(content, headers);
    this.#parsed.clear();
  }

  append(given: MessageView, nowMs: number, isStrict: boolean): number {
    const { content, key, headers } = this.#recordOf(given);
    if (isStrict) this.#checkRecord(content, headers);
    const record = this.#record;
    record.content = content;
    if (content.length > this.stream.settings.maxMessageBytes) this.#warnOfSize(content.length);
    this.#partitionFor(key, headers, content.length).gather(record, nowMs);
    record.content = null;
    this.#parsed.clear();
    return this.#shard.currentBlock;
  }

  #recordOf(given: MessageView): { content: Buffer; key: RecordKey; headers: Table | null } {
    const message = given.content === null ? given : parseContent(given.content, this.#parsed);
    const codec = this.#shard.codecs.of(message.protocol);
    const { properties, propertiesStart, propertiesEnd } = message;
    const headers = codec?.headers(properties, propertiesStart, propertiesEnd) ?? null;
    const key = recordKey(message, headers);
    return { content: writeRecord(message, key, codec, headers), key, headers };
  }

  #checkRecord(content: Buffer, headers: Table | null): void {
    const { maxMessageBytes } = this.stream.settings;
    if (content.length > maxMessageBytes) {
      throw refused(
        `message size ${content.length} is larger than the ${maxMessageBytes} bytes that stream '${this.name}' takes ` +
          "('max.message.bytes'): most Kafka clients cannot read larger ones. Publish it in parts, or raise the setting of " +
          'the stream',
      );
    }
    const chosen = headers?.[CHOSEN_PARTITION_HEADER];
    if (chosen === undefined || this.#chosenPartition(chosen) !== undefined) return;
    throw refused(
      `invalid header '${CHOSEN_PARTITION_HEADER}': stream '${this.name}' has the partitions 0 to ` +
        `${this.stream.partitions.length - 1}`,
    );
  }

  /** What comes as a dead letter, or from another stream, was promised to be kept. */
  #warnOfSize(bytes: number): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const { maxMessageBytes } = this.stream.settings;
    this.#shard.log.warn(
      { stream: this.name, vhost: this.stream.vhost, bytes, maxMessageBytes },
      'a message came to a stream as a dead letter or from another stream that is larger than max.message.bytes: ' +
        'Kafka clients may have to raise receive.message.max.bytes to read it',
    );
  }

  #chosenPartition(chosen: Value): Partition | undefined {
    const index = Number(chosen);
    return Number.isSafeInteger(index) ? this.stream.partitions[index] : undefined;
  }

  #partitionFor(key: RecordKey, headers: Table | null, bytes: number): Partition {
    const { partitions } = this.stream;
    const count = partitions.length;
    const chosen = headers?.[CHOSEN_PARTITION_HEADER];
    const partition = chosen === undefined ? undefined : this.#chosenPartition(chosen);
    if (partition !== undefined) return partition;
    if (key.start >= 0) return partitions[partitionOfKey(key.bytes, key.start, key.end, count)];
    this.#stickyBytes += bytes;
    if (this.#stickyBytes > STICKY_BYTES || this.#sticky >= count) {
      this.#stickyBytes = bytes;
      this.#sticky = (this.#sticky + 1) % count;
    }
    return partitions[this.#sticky];
  }
}

function refused(text: string): BrokerError {
  return new BrokerError('precondition-failed', text);
}
