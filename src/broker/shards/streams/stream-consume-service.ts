import type { Work } from '../../../base/turn-time.ts';
import { type Json, tableFromJson } from '../../../base/value-json.ts';
import {
  FRAME_STREAM_CANCELLED,
  FRAME_STREAM_CREDIT,
  FRAME_STREAM_DETACH,
  FRAME_STREAM_RECORD,
} from '../../doors/frame-kinds.ts';
import type { FrameReceiver } from '../../doors/ring-reader.ts';
import type { ShardNote } from '../../doors/shard-link.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import type { RecordPlace } from '../../messages/message-from-record.ts';
import type { Gate } from '../../queues/consumer.ts';
import type { StreamExchange } from '../../streams/bindings/stream-exchange.ts';
import type { RecordSink, StreamConsumer } from '../../streams/consumers/stream-consumer.ts';
import type { OffsetSpecification } from '../../topology/offset-specification.ts';
import { flag, number, text } from '../command-codec.ts';
import { FrameQueue } from './frame-queue.ts';

/** Bytes of records that one consumer may have on the way; it always may have one record. */
const CONSUMER_BYTES = 256 * 1024;
/** All of another shard: beyond, each may have one record. */
const ALL_BYTES = 16 * 1024 * 1024;
/** What a record counts beside its content. */
export const RECORD_COST = 64;
/** In front of the content, see `RemoteRecords.record`. */
export const RECORD_HEAD_BYTES = 32;
export const FOREIGN_ENVELOPE = 1;
/** In front of the offsets, see `StreamConsumeService.frame`. */
export const SETTLED_HEAD_BYTES = 8;
export const SETTLED_BYTES = 16;
/** It was given back by basic.recover. */
export const SETTLED_RECOVERED = 1;

/** The consumers that another shard has of streams here. None of them ever fills the ring: each has so many bytes on the way. */
export class StreamConsumeService implements FrameReceiver {
  readonly frames: FrameQueue;
  /** On the way, of all consumers. */
  bytes = 0;
  readonly #byNumber = new Map<number, RemoteRecords>();

  constructor(room: SharedRoom) {
    this.frames = new FrameQueue(room, () => this.#wakeAll());
  }

  get count(): number {
    return this.#byNumber.size;
  }

  /** @throws BrokerError as `StreamExchange.consume` */
  *consume(stream: StreamExchange, question: ShardNote): Work<true> {
    const records = new RemoteRecords(number(question, 'number'), this);
    records.consumer = yield* stream.consumeHere({
      tag: text(question, 'tag'),
      sink: records,
      gate: records,
      credit: number(question, 'credit'),
      exclusive: flag(question, 'exclusive'),
      arguments: tableFromJson(question.arguments as { readonly [key: string]: Json }),
      start: question.start as unknown as OffsetSpecification,
      filter: question.filter as readonly string[] | null,
      matchUnfiltered: flag(question, 'matchUnfiltered'),
    });
    this.#byNumber.set(records.number, records);
    return true;
  }

  /**
   *     CREDIT   0              4                     8                16
   *              | consumer u32 | settled, u32        | taken, f64     |       messages that it may have more, and bytes
   *     SETTLED  | consumer u32 | zero                | partition u32  | flags u32 | offset f64 | …
   *     DETACH   | consumer u32 | zero                |
   *
   * What comes for one that is gone is late.
   */
  frame(kind: number, buffer: Buffer, start: number, end: number): boolean {
    const records = this.#byNumber.get(buffer.readUInt32LE(start));
    if (records === undefined) return true;
    if (kind === FRAME_STREAM_CREDIT) {
      records.credited(buffer.readUInt32LE(start + 4), buffer.readDoubleLE(start + 8));
    } else if (kind === FRAME_STREAM_DETACH) {
      this.remove(records);
      records.consumer.cancel();
    } else {
      for (let at = start + SETTLED_HEAD_BYTES; at < end; at += SETTLED_BYTES)
        settle(records.consumer, buffer, at);
    }
    return true;
  }

  remove(records: RemoteRecords): void {
    if (!this.#byNumber.delete(records.number)) return;
    this.bytes -= records.bytes;
    records.bytes = 0;
  }

  #wakeAll(): void {
    for (const { consumer } of this.#byNumber.values()) consumer.wake();
  }
}

function settle(consumer: StreamConsumer, buffer: Buffer, at: number): void {
  const partition = buffer.readUInt32LE(at);
  const offset = buffer.readDoubleLE(at + 8);
  if (buffer.readUInt32LE(at + 4) === SETTLED_RECOVERED) consumer.recovered(partition, offset);
  else consumer.settled(partition, offset);
}

/** Where the records of one such consumer go, and the gate that closes while enough of them are on the way. */
class RemoteRecords implements RecordSink, Gate {
  readonly number: number;
  consumer!: StreamConsumer;
  /** On the way. */
  bytes = 0;
  readonly #service: StreamConsumeService;

  constructor(number: number, service: StreamConsumeService) {
    this.number = number;
    this.#service = service;
  }

  get open(): boolean {
    const { frames, bytes } = this.#service;
    if (frames.isWaiting) return false;
    return this.bytes === 0 || (this.bytes < CONSUMER_BYTES && bytes < ALL_BYTES);
  }

  credited(messages: number, bytes: number): void {
    this.bytes -= bytes;
    this.#service.bytes -= bytes;
    if (messages > 0) {
      this.consumer.unacknowledgedCount -= messages;
      this.consumer.addCredit(messages);
    } else {
      this.consumer.wake();
    }
  }

  /**
   *     0               4               8           16              24          28     32
   *     | consumer, u32 | partition u32 | offset f64 | timestamp f64 | flags u32 | zero | content |
   */
  record(record: RecordPlace, partition: number): void {
    const { bytes, contentStart, contentEnd, offset, timestampMs, hasForeignEnvelope } = record;
    const service = this.#service;
    const cost = contentEnd - contentStart + RECORD_COST;
    this.bytes += cost;
    service.bytes += cost;
    this.consumer.unacknowledgedCount++;
    const { head } = service.frames;
    head.setUint32(0, this.number, true);
    head.setUint32(4, partition, true);
    head.setFloat64(8, offset, true);
    head.setFloat64(16, timestampMs, true);
    head.setUint32(24, hasForeignEnvelope ? FOREIGN_ENVELOPE : 0, true);
    head.setUint32(28, 0, true);
    service.frames.send(FRAME_STREAM_RECORD, RECORD_HEAD_BYTES, bytes, contentStart, contentEnd);
  }

  cancelled(): void {
    const service = this.#service;
    service.remove(this);
    service.frames.head.setUint32(0, this.number, true);
    service.frames.head.setUint32(4, 0, true);
    service.frames.send(FRAME_STREAM_CANCELLED, 8);
  }
}
