import type { Table } from '../../../base/value.ts';
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

  append(given: MessageView, nowMs: number, isStrict: boolean): number {
    const message = given.content === null ? given : parseContent(given.content, this.#parsed);
    const codec = this.#shard.codecs.of(message.protocol);
    const { properties, propertiesStart, propertiesEnd } = message;
    const headers = codec?.headers(properties, propertiesStart, propertiesEnd) ?? null;
    const key = recordKey(message, headers);
    const record = this.#record;
    record.content = writeRecord(message, key, codec, headers);
    if (record.content.length > this.stream.settings.maxMessageBytes) {
      this.#tooLarge(record.content.length, isStrict);
    }
    this.#partitionFor(key, headers, record.content.length, isStrict).gather(record, nowMs);
    record.content = null;
    this.#parsed.clear();
    return this.#shard.currentBlock;
  }

  /** What comes as a dead letter, or from another stream, was promised to be kept. */
  #tooLarge(bytes: number, isStrict: boolean): void {
    const { maxMessageBytes } = this.stream.settings;
    const text =
      `message size ${bytes} is larger than the ${maxMessageBytes} bytes that stream '${this.name}' takes ` +
      "('max.message.bytes')";
    if (isStrict) {
      throw refused(
        `${text}: most Kafka clients cannot read larger ones. Publish it in parts, or raise the setting of the stream`,
      );
    }
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#shard.log.warn(
      { stream: this.name, vhost: this.stream.vhost, bytes, maxMessageBytes },
      'a message came to a stream as a dead letter or from another stream that is larger than max.message.bytes: ' +
        'Kafka clients may have to raise receive.message.max.bytes to read it',
    );
  }

  #partitionFor(key: RecordKey, headers: Table | null, bytes: number, isStrict: boolean): Partition {
    const { partitions } = this.stream;
    const count = partitions.length;
    const chosen = headers?.[CHOSEN_PARTITION_HEADER];
    if (chosen !== undefined) {
      const index = Number(chosen);
      const partition = Number.isSafeInteger(index) ? partitions[index] : undefined;
      if (partition !== undefined) return partition;
      if (isStrict) {
        throw refused(
          `invalid header '${CHOSEN_PARTITION_HEADER}': stream '${this.name}' has the partitions 0 to ${count - 1}`,
        );
      }
    }
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
