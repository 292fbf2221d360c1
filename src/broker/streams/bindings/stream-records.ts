import type { Table, Value } from '../../../base/value.ts';
import { MessageView, parseContent } from '../../../records/message-view.ts';
import { BrokerError } from '../../errors.ts';
import { CHOSEN_PARTITION_HEADER } from '../../messages/mapping-headers.ts';
import type { PropertyCodecs } from '../../messages/property-codec.ts';
import { type RecordKey, recordKey, writeRecord } from '../../messages/record-from-message.ts';
import { partitionOfKey } from '../partitioner.ts';

/** What has no key stays with one partition for so many bytes, as batches had better be large. */
const STICKY_BYTES = 64 * 1024;

/** What of a stream says which records it takes, and in which partition each of them is. */
export interface RecordTarget {
  readonly name: string;
  readonly partitionCount: number;
  /** Of the content of a record. */
  readonly maxMessageBytes: number;
}

/** Makes the records of one stream out of messages, in whichever shard they are published. */
export class StreamRecords {
  /** The partition of the record that `write` has made. */
  partition = 0;
  readonly #target: RecordTarget;
  readonly #codecs: PropertyCodecs;
  /** One is used for all messages that come as complete contents. */
  readonly #parsed = new MessageView();
  #sticky = 0;
  #stickyBytes = 0;

  constructor(target: RecordTarget, codecs: PropertyCodecs) {
    this.#target = target;
    this.#codecs = codecs;
  }

  /** @throws BrokerError precondition-failed, if a strict `write` of the message would be refused */
  check(given: MessageView): void {
    const { content, headers } = this.#recordOf(given);
    this.#checkRecord(content, headers);
    this.#parsed.clear();
  }

  /**
   * The content of the message's record, in memory of its own; `partition` says where it goes.
   * @throws BrokerError precondition-failed, if it `isStrict`, and the message names a partition that is not there or is too large
   */
  write(given: MessageView, isStrict: boolean): Buffer {
    const { content, key, headers } = this.#recordOf(given);
    if (isStrict) this.#checkRecord(content, headers);
    this.partition = this.#partitionFor(key, headers, content.length);
    this.#parsed.clear();
    return content;
  }

  #recordOf(given: MessageView): { content: Buffer; key: RecordKey; headers: Table | null } {
    const message = given.content === null ? given : parseContent(given.content, this.#parsed);
    const codec = this.#codecs.of(message.protocol);
    const { properties, propertiesStart, propertiesEnd } = message;
    const headers = codec?.headers(properties, propertiesStart, propertiesEnd) ?? null;
    const key = recordKey(message, headers);
    return { content: writeRecord(message, key, codec, headers), key, headers };
  }

  #checkRecord(content: Buffer, headers: Table | null): void {
    const { name, maxMessageBytes, partitionCount } = this.#target;
    if (content.length > maxMessageBytes) {
      throw refused(
        `message size ${content.length} is larger than the ${maxMessageBytes} bytes that stream '${name}' takes ` +
          "('max.message.bytes'): most Kafka clients cannot read larger ones. Publish it in parts, or raise the setting of " +
          'the stream',
      );
    }
    const chosen = headers?.[CHOSEN_PARTITION_HEADER];
    if (chosen === undefined || this.#chosenPartition(chosen) >= 0) return;
    throw refused(
      `invalid header '${CHOSEN_PARTITION_HEADER}': stream '${name}' has the partitions 0 to ${partitionCount - 1}`,
    );
  }

  /** -1 if there is none of this number. */
  #chosenPartition(chosen: Value): number {
    const index = Number(chosen);
    return Number.isSafeInteger(index) && index >= 0 && index < this.#target.partitionCount ? index : -1;
  }

  #partitionFor(key: RecordKey, headers: Table | null, bytes: number): number {
    const count = this.#target.partitionCount;
    const chosen = headers?.[CHOSEN_PARTITION_HEADER];
    const partition = chosen === undefined ? -1 : this.#chosenPartition(chosen);
    if (partition >= 0) return partition;
    if (key.start >= 0) return partitionOfKey(key.bytes, key.start, key.end, count);
    this.#stickyBytes += bytes;
    if (this.#stickyBytes > STICKY_BYTES || this.#sticky >= count) {
      this.#stickyBytes = bytes;
      this.#sticky = (this.#sticky + 1) % count;
    }
    return this.#sticky;
  }
}

function refused(text: string): BrokerError {
  return new BrokerError('precondition-failed', text);
}
