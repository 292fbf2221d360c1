import type { Table } from '../../../base/value.ts';
import type { Store } from '../../../log/store.ts';
import { parseContent } from '../../../records/message-parser.ts';
import { MessageView } from '../../../records/message-view.ts';
import { BrokerError } from '../../errors.ts';
import type { PropertyCodecs } from '../../messages/property-codec.ts';
import { type RecordKey, recordKey, writeRecord } from '../../messages/record-from-message.ts';
import { CHOSEN_PARTITION_HEADER } from '../../messages/record-headers.ts';
import type { StreamPort } from '../../topology/ports.ts';
import { StreamConsumers, type StreamConsumersDeps } from '../consumers/stream-consumers.ts';
import type { Partition } from '../partition.ts';
import { partitionOfKey } from '../partitioner.ts';
import type { Stream } from '../stream.ts';

/** What has no key stays with one partition for so many bytes, as batches had better be large. */
const STICKY_BYTES = 64 * 1024;

/** A stream, as those see it who publish messages and not records. */
export class StreamExchange implements StreamPort {
  readonly stream: Stream;
  declaredAs: Table | null = null;
  readonly consumers: StreamConsumers;
  readonly #store: Store;
  readonly #codecs: PropertyCodecs;
  /** One is used for all messages that come as complete contents, and one for their records. */
  readonly #parsed = new MessageView();
  readonly #record = new MessageView();
  #sticky = 0;
  #stickyBytes = 0;

  constructor(stream: Stream, deps: StreamConsumersDeps) {
    this.stream = stream;
    this.#store = deps.store;
    this.#codecs = deps.codecs;
    this.consumers = new StreamConsumers(this, deps);
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
    const deps = given.content === null ? given : parseContent(given.content, this.#parsed);
    const codec = this.#codecs.of(deps.protocol);
    const { properties, propertiesStart, propertiesEnd } = deps;
    const headers = codec?.headers(properties, propertiesStart, propertiesEnd) ?? null;
    const key = recordKey(deps, headers);
    const record = this.#record;
    record.content = writeRecord(deps, key, codec, headers);
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
