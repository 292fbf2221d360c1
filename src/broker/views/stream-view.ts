import type { Table } from '../../base/value.ts';
import { MessageParts } from '../../log/message-parts.ts';
import type { Store } from '../../log/store.ts';
import { BrokerError } from '../errors.ts';
import type { PropertyCodecs } from '../property-codec.ts';
import type { Partition } from '../streams/partition.ts';
import type { Stream } from '../streams/stream.ts';
import type { StreamPort } from '../topology/ports.ts';
import { parseContent } from './message-parser.ts';
import { partitionOfKey } from './partitioner.ts';
import { CHOSEN_PARTITION_HEADER } from './record-fields.ts';
import { type RecordKey, recordKey, writeRecord } from './record-writer.ts';
import { StreamReaders, type StreamReadersParts } from './stream-readers.ts';

/** What has no key stays with one partition for so many bytes, as batches had better be large. */
const STICKY_BYTES = 64 * 1024;

/** A stream, as those see it who publish messages and not records. */
export class StreamView implements StreamPort {
  readonly stream: Stream;
  declaredAs: Table | null = null;
  readonly readers: StreamReaders;
  readonly #store: Store;
  readonly #codecs: PropertyCodecs;
  /** One is used for all messages that come as complete contents, and one for their records. */
  readonly #parsed = new MessageParts();
  readonly #record = new MessageParts();
  #sticky = 0;
  #stickyBytes = 0;

  constructor(stream: Stream, parts: StreamReadersParts) {
    this.stream = stream;
    this.#store = parts.store;
    this.#codecs = parts.codecs;
    this.readers = new StreamReaders(this, parts);
  }

  get name(): string {
    return this.stream.name;
  }

  get consumerCount(): number {
    return this.readers.count;
  }

  get messageCount(): number {
    let count = 0;
    for (const { startOffset, highWatermark } of this.stream.partitions) count += highWatermark - startOffset;
    return count;
  }

  append(given: MessageParts, nowMs: number, isStrict: boolean): number {
    const parts = given.content === null ? given : parseContent(given.content, this.#parsed);
    const codec = this.#codecs.of(parts.protocol);
    const { properties, propertiesStart, propertiesEnd } = parts;
    const headers = codec?.headers(properties, propertiesStart, propertiesEnd) ?? null;
    const key = recordKey(parts, headers);
    const record = this.#record;
    record.content = writeRecord(parts, key, codec, headers);
    const { maxMessageBytes } = this.stream.settings;
    if (isStrict && record.content.length > maxMessageBytes) {
      throw refused(
        `message size ${record.content.length} is larger than the ${maxMessageBytes} bytes that ` +
          `stream '${this.name}' takes ('max.message.bytes')`,
      );
    }
    this.#partitionFor(key, headers, record.content.length, isStrict).gather(record, nowMs);
    record.content = null;
    this.#parsed.clear();
    return this.#store.journal.blockNumber;
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
    if (key.start >= 0) return partitions[partitionOfKey(key.bytes, key.start, key.end, count)] as Partition;
    this.#stickyBytes += bytes;
    if (this.#stickyBytes > STICKY_BYTES || this.#sticky >= count) {
      this.#stickyBytes = bytes;
      this.#sticky = (this.#sticky + 1) % count;
    }
    return partitions[this.#sticky] as Partition;
  }
}

function refused(text: string): BrokerError {
  return new BrokerError('precondition-failed', text);
}
