import type { Table } from '../../../base/value.ts';
import { FILTER_VALUE_HEADER } from '../../messages/mapping-headers.ts';
import type { RecordMessage, RecordPlace } from '../../messages/message-from-record.ts';
import type { Consumer, ConsumerOwner, Gate } from '../../queues/consumer.ts';
import type { RequeueReason } from '../../queues/delivery-outcome.ts';
import type { DeliverySource } from '../../queues/delivery-source.ts';
import { type QueueSettings, settingsFromArguments } from '../../queues/queue-settings.ts';
import type { Pumped, Turn } from '../../shard/turn.ts';
import type { OffsetSpecification } from '../../topology/offset-specification.ts';
import type { AnyPartition } from '../any-partition.ts';
import type { PartitionOffsets } from '../readable-partition.ts';
import type { Stream } from '../stream.ts';
import { offsetAtTime } from './offset-at-time.ts';
import { PartitionReader, type Visited } from './partition-reader.ts';

/** How many records one consumer looks at before others get their turn. */
const RECORDS_MAX = 2048;

/** Where a consumer's messages go: implemented by the servers. */
export interface StreamSink {
  /** Takes one message, and copies it before it returns. */
  deliver(
    consumer: StreamReader,
    message: RecordMessage,
    partition: number,
    offset: number,
    timestampMs: number,
  ): void;
  /** So many bytes more, or fewer, are kept for the consumer until the client takes them. */
  kept(difference: number): void;
  /** The stream was deleted under the consumer, or cannot be read any more. */
  cancelled(consumer: StreamReader): void;
}

/** Where a consumer's records go that are to be read as messages elsewhere. */
export interface RecordSink {
  /** Takes one record, and copies it before it returns. */
  record(record: RecordPlace, partition: number): void;
  /** As `StreamSink.cancelled`. */
  cancelled(): void;
}

/** A consumer of a stream, here or in another shard, as its channel knows it. */
export interface StreamReader {
  readonly isActive: boolean;
  readonly queue: { readonly name: string };
  /** As what is held for it has to know it. */
  readonly asConsumer: Consumer;
  sourceOf(partition: number): DeliverySource;
  /** The client knows of it: from now on it may get messages. */
  begin(): void;
  cancel(): void;
}

/** A stream that is consumed as if it were a queue. */
export interface ConsumedStream {
  readonly name: string;
  readonly stream: Stream;
  /** The arguments of the queue that it was declared as; null if it was made in another way. */
  readonly declaredAs: Table | null;
}

/** All consumers of a stream, as one of them sees them. */
export interface StreamConsumerOwner {
  readonly source: ConsumedStream;
  /** The single active consumer, where there is one. */
  readonly active: unknown;
  /** Whether all but one of them wait until that one is gone. */
  readonly isSingle: boolean;
  remove(consumer: StreamConsumer): void;
  /** The stream cannot be read any more by this consumer. */
  fail(consumer: StreamConsumer): void;
}

export interface StreamConsumerRequest {
  readonly tag: string;
  readonly sink: StreamSink | RecordSink;
  readonly gate: Gate;
  /** How many messages may be unacknowledged. */
  readonly credit: number;
  readonly exclusive: boolean;
  readonly arguments: Table;
  readonly start: OffsetSpecification;
  /** Only what was published with one of these values; null for everything. */
  readonly filter: readonly string[] | null;
  /** With a filter: also what was published without any value. */
  readonly matchUnfiltered: boolean;
}

/** What everything that is held for a consumer has to know of it. */
export type ConsumerShape = Pick<
  Consumer,
  | 'tag'
  | 'gate'
  | 'noAck'
  | 'exclusive'
  | 'priority'
  | 'arguments'
  | 'prefetch'
  | 'credit'
  | 'unacknowledgedCount'
  | 'window'
  | 'isActive'
> & {
  deliverySettled(): void;
  keepExtension(): void;
  addCredit(count: number): void;
  wake(): void;
  cancel(): void;
};

/** What it has to know of the consumer's queue. */
export type QueueShape = Pick<ConsumerOwner, 'name' | 'vhost' | 'settings'> & {
  readonly arguments: Table;
  readonly consumers: { readonly active: unknown };
};

/** Of a stream as a queue. */
export const STREAM_SETTINGS: QueueSettings = settingsFromArguments({});

/** Where deliveries of a partition are settled. To a stream it is all one whether they are acknowledged or rejected. */
class PartitionSource implements DeliverySource, QueueShape {
  readonly settings = STREAM_SETTINGS;
  readonly #consumer: StreamConsumer;
  readonly #partition: number;

  constructor(consumer: StreamConsumer, partition: number) {
    this.#consumer = consumer;
    this.#partition = partition;
  }

  get name(): string {
    return this.#consumer.owner.source.name;
  }

  get vhost(): string {
    return this.#consumer.owner.source.stream.vhost;
  }

  get arguments(): Table {
    return this.#consumer.owner.source.declaredAs ?? {};
  }

  get consumers(): { readonly active: unknown } {
    return { active: this.#consumer.owner.active };
  }

  acknowledge(offset: number): void {
    this.#consumer.settled(this.#partition, offset);
  }

  reject(offset: number): void {
    this.#consumer.settled(this.#partition, offset);
  }

  /** It stays where it is for everybody; who gave it back does not get it again. */
  requeue(offset: number, _bodyBytes: number, reason: RequeueReason): void {
    if (reason === 'rejected' || reason === 'returned') this.#consumer.settled(this.#partition, offset);
    else if (reason === 'recovered') this.#consumer.recovered(this.#partition, offset);
  }
}

/**
 * Reads a stream for one consumer, all of its partitions, each in order. An acknowledgement gives credit, and nothing
 * else: what a consumer has read is its own business.
 */
export class StreamConsumer implements Pumped, ConsumerShape, StreamReader {
  pumpPending = false;
  readonly owner: StreamConsumerOwner;
  readonly tag: string;
  readonly gate: Gate;
  readonly noAck = false;
  readonly exclusive: boolean;
  readonly priority = 0;
  readonly arguments: Table;
  readonly prefetch: number;
  credit: number;
  unacknowledgedCount = 0;
  /** It always has a limit. */
  readonly window = 0;
  isActive = true;
  /** One of the two is null. */
  readonly #sink: StreamSink | null;
  readonly #records: RecordSink | null;
  readonly #turn: Turn;
  readonly #message: RecordMessage;
  readonly #filter: ReadonlySet<string> | null;
  readonly #matchUnfiltered: boolean;
  readonly #partitions: PartitionReader[] = [];
  readonly #sources: PartitionSource[] = [];
  readonly #stops: (() => void)[] = [];
  /** Delivered and not acknowledged, by partition, where somebody else may have to go on from there. */
  readonly #held: number[][] = [];
  /** The oldest that was given back by basic.recover, by partition: nobody else has it, and nobody acknowledges it. */
  readonly #recovered: number[] = [];
  /** Begins once it is known where. */
  #isSeeking = 0;
  #first = 0;

  constructor(
    owner: StreamConsumerOwner,
    request: StreamConsumerRequest,
    turn: Turn,
    message: RecordMessage,
  ) {
    this.owner = owner;
    this.tag = request.tag;
    this.#records = 'record' in request.sink ? request.sink : null;
    this.#sink = 'record' in request.sink ? null : request.sink;
    this.gate = request.gate;
    this.exclusive = request.exclusive;
    this.arguments = request.arguments;
    this.prefetch = request.credit;
    this.credit = request.credit;
    this.#turn = turn;
    this.#message = message;
    this.#filter = request.filter === null ? null : new Set(request.filter);
    this.#matchUnfiltered = request.matchUnfiltered;
    for (const partition of owner.source.stream.partitions) this.#open(partition, request.start);
  }

  get asConsumer(): Consumer {
    return this as unknown as Consumer;
  }

  sourceOf(partition: number): DeliverySource {
    return this.#sources[partition];
  }

  get queue(): QueueShape {
    return this.#sources[0];
  }

  /** From where each partition would have to be read on by somebody else. */
  positions(): number[] {
    return this.#partitions.map(({ next }, index) =>
      Math.min(this.#held[index]?.[0] ?? next, this.#recovered[index] ?? next),
    );
  }

  /** Goes on where another one was. */
  takeOver(positions: readonly number[]): void {
    for (const [index, offset] of positions.entries()) this.#partitions[index]?.seek(offset);
    this.pumpLater();
  }

  /** A partition was added: what is in it is all new. */
  extend(): void {
    const { partitions } = this.owner.source.stream;
    for (const partition of partitions.slice(this.#partitions.length))
      this.#open(partition, { kind: 'first' });
    this.pumpLater();
  }

  deliverySettled(): void {
    this.unacknowledgedCount--;
    this.addCredit(1);
  }

  keepExtension(): void {}

  addCredit(count: number): void {
    this.credit += count;
    if (this.gate.open) this.pumpLater();
  }

  wake(): void {
    this.pumpLater();
  }

  begin(): void {
    this.pumpLater();
  }

  /** Tells whoever it belongs to that it gets nothing more. */
  tellCancelled(): void {
    if (this.#records !== null) this.#records.cancelled();
    else this.#sink?.cancelled(this);
  }

  cancel(): void {
    if (this.isActive) this.owner.remove(this);
  }

  settled(partition: number, offset: number): void {
    const held = this.#held[partition];
    const at = held?.indexOf(offset) ?? -1;
    if (at >= 0) held?.splice(at, 1);
  }

  recovered(partition: number, offset: number): void {
    if (!this.owner.isSingle) return;
    this.settled(partition, offset);
    this.#recovered[partition] = Math.min(this.#recovered[partition] ?? offset, offset);
  }

  pumpLater(): void {
    if (this.isActive && this.credit > 0 && this.gate.open) this.#turn.pumpLater(this);
  }

  pump(): void {
    if (!this.#mayDeliver()) return;
    const count = this.#partitions.length;
    let left = RECORDS_MAX;
    let hasMore = false;
    const first = this.#first++;
    for (let i = 0; i < count && this.#mayDeliver(); i++) {
      const index = (first + i) % count;
      const reader = this.#partitions[index];
      // Each partition gets its part of the credit.
      let share = Math.max(1, Math.ceil(this.credit / (count - i)));
      const end = reader.read((): Visited => {
        if (left-- <= 0 || share === 0 || !this.#mayDeliver()) return 'before';
        if (!this.#deliver(reader, index)) return 'on';
        share--;
        return 'on';
      });
      if (end === 'stopped') hasMore = true;
    }
    if (hasMore) this.pumpLater();
  }

  close(): void {
    this.isActive = false;
    for (const reader of this.#partitions) reader.close();
    for (const stop of this.#stops) stop();
  }

  #mayDeliver(): boolean {
    return (
      this.isActive &&
      this.credit > 0 &&
      this.gate.open &&
      this.#isSeeking === 0 &&
      (this.owner.active === null || this.owner.active === this)
    );
  }

  /** False if the record is not for this consumer. */
  #deliver({ cursor }: PartitionReader, partition: number): boolean {
    const message = this.#message;
    const records = this.#records;
    if (records === null || this.#filter !== null) {
      if (!message.read(cursor, this.owner.source.name, partition)) return false;
      if (this.#filter !== null && !this.#passes(message)) return false;
    }
    this.credit--;
    if (this.owner.isSingle) (this.#held[partition] ??= []).push(cursor.offset);
    if (records !== null) {
      records.record(cursor, partition);
      return true;
    }
    message.otherKeys();
    this.#sink?.deliver(this, message, partition, cursor.offset, cursor.timestampMs);
    return true;
  }

  #passes(message: RecordMessage): boolean {
    const value = message.headers()?.[FILTER_VALUE_HEADER];
    if (value === undefined || value === null) return this.#matchUnfiltered;
    return this.#filter?.has(String(value)) === true;
  }

  #open(partition: AnyPartition, start: OffsetSpecification): void {
    const { index } = partition;
    const reader = new PartitionReader(partition, startIn(partition, start), {
      onReady: () => this.pumpLater(),
      onUnreadable: () => {
        if (partition.isCorrupt) this.owner.fail(this);
      },
    });
    this.#partitions.push(reader);
    this.#sources.push(new PartitionSource(this, index));
    this.#stops.push(partition.onAdvance(() => this.pumpLater()));
    if (start.kind === 'time') void this.#seek(partition, reader, start.timeMs);
  }

  async #seek(partition: AnyPartition, reader: PartitionReader, timeMs: number): Promise<void> {
    this.#isSeeking++;
    const offset = await offsetAtTime(partition, timeMs).catch(() => partition.startOffset);
    this.#isSeeking--;
    if (!this.isActive) return;
    reader.seek(offset);
    this.pumpLater();
  }
}

function startIn({ startOffset, endOffset }: PartitionOffsets, start: OffsetSpecification): number {
  if (start.kind === 'first' || start.kind === 'time') return startOffset;
  if (start.kind === 'last') return Math.max(startOffset, endOffset - 1);
  if (start.kind === 'offset') return Math.max(startOffset, start.offset);
  return endOffset;
}
