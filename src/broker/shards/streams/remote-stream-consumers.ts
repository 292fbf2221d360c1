import { type Json, tableToJson } from '../../../base/value-json.ts';
import {
  FRAME_STREAM_CANCELLED,
  FRAME_STREAM_CREDIT,
  FRAME_STREAM_DETACH,
  FRAME_STREAM_RECORD,
  FRAME_STREAM_SETTLED,
} from '../../doors/frame-kinds.ts';
import type { FrameReceiver } from '../../doors/ring-reader.ts';
import type { ShardLink } from '../../doors/shard-link.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import { RecordMessage } from '../../messages/message-from-record.ts';
import type { QueueCounts } from '../../queues/queue-port.ts';
import type { Shard } from '../../shard/shard.ts';
import type { Pumped } from '../../shard/turn.ts';
import type { StreamExchange, StreamHome } from '../../streams/bindings/stream-exchange.ts';
import type { StreamConsumerRequest } from '../../streams/consumers/stream-consumer.ts';
import { FrameQueue } from './frame-queue.ts';
import { RemoteStreamConsumer, type Settled } from './remote-stream-consumer.ts';
import {
  FOREIGN_ENVELOPE,
  RECORD_HEAD_BYTES,
  SETTLED_BYTES,
  SETTLED_HEAD_BYTES,
  SETTLED_RECOVERED,
} from './stream-consume-service.ts';

const SETTLED_MAX = 4096;
/** Records of more are copied into memory of their own. */
const SCRATCH_BYTES = 64 * 1024;

/** The consumers of clients here, which are in shard 0 as all consumers of streams. What they owe that shard goes once per turn. */
export class RemoteStreamConsumers implements StreamHome, FrameReceiver, Pumped {
  pumpPending = false;
  readonly #shard: Shard;
  readonly #link: ShardLink;
  readonly #frames: FrameQueue;
  readonly #byNumber = new Map<number, RemoteStreamConsumer>();
  #nextNumber = 1;
  #owing: RemoteStreamConsumer[] = [];
  #message: RecordMessage | null = null;
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  /** The record that has just come. */
  readonly #place = {
    bytes: this.#scratch,
    contentStart: 0,
    contentEnd: 0,
    offset: 0,
    timestampMs: 0,
    hasForeignEnvelope: false,
  };

  constructor(shard: Shard, room: SharedRoom, link: ShardLink) {
    this.#shard = shard;
    this.#link = link;
    this.#frames = new FrameQueue(room, () => this.pump());
    room.door.receive(FRAME_STREAM_RECORD, this);
    room.door.receive(FRAME_STREAM_CANCELLED, this);
  }

  get count(): number {
    return this.#byNumber.size;
  }

  async counts(stream: StreamExchange): Promise<QueueCounts> {
    return (await this.#ask('stream.counts', stream)) as unknown as QueueCounts;
  }

  async consume(stream: StreamExchange, request: StreamConsumerRequest): Promise<RemoteStreamConsumer> {
    const consumer = new RemoteStreamConsumer(this.#nextNumber++, stream, request, this);
    this.#byNumber.set(consumer.number, consumer);
    const { credit, exclusive, start, filter, matchUnfiltered } = request;
    try {
      await this.#ask('stream.consume', stream, {
        number: consumer.number,
        tag: request.tag,
        credit,
        exclusive,
        arguments: tableToJson(request.arguments),
        start: { ...start },
        filter,
        matchUnfiltered,
      });
    } catch (error) {
      this.#byNumber.delete(consumer.number);
      throw error;
    }
    return consumer;
  }

  #ask(
    op: string,
    { stream: { vhost, name, id } }: StreamExchange,
    fields: { readonly [field: string]: Json } = {},
  ): Promise<Json> {
    return this.#link.ask({ ...fields, op, vhost, name, id });
  }

  /** Made when the first is needed: before, no protocol may be there that has messages. */
  get message(): RecordMessage {
    this.#message ??= new RecordMessage(this.#shard.codecs);
    return this.#message;
  }

  /** Its records go on at the end of the turn. */
  pumpLater(consumer: RemoteStreamConsumer): void {
    this.#shard.turn.pumpLater(consumer);
  }

  /** The client has cancelled it, or its channel has ended. */
  detach(consumer: RemoteStreamConsumer): void {
    if (!this.#byNumber.delete(consumer.number)) return;
    this.#sendOwed(consumer);
    this.#frames.head.setUint32(0, consumer.number, true);
    this.#frames.head.setUint32(4, 0, true);
    this.#frames.send(FRAME_STREAM_DETACH, 8);
  }

  /** It has taken or settled something. */
  owe(consumer: RemoteStreamConsumer): void {
    if (consumer.isOwing) return;
    consumer.isOwing = true;
    this.#owing.push(consumer);
    this.#shard.turn.pumpLater(this);
  }

  /** While there is no room, what they owe adds up. */
  pump(): void {
    if (this.#frames.isWaiting) return;
    const owing = this.#owing;
    this.#owing = [];
    for (const consumer of owing) {
      consumer.isOwing = false;
      if (this.#byNumber.has(consumer.number)) this.#sendOwed(consumer);
    }
  }

  /** See `RemoteRecords.record` in stream-consume-service.ts. */
  frame(kind: number, buffer: Buffer, start: number, end: number): boolean {
    const consumer = this.#byNumber.get(buffer.readUInt32LE(start));
    // It is cancelled, which the other shard will hear.
    if (consumer === undefined) return true;
    if (kind === FRAME_STREAM_CANCELLED) {
      this.#byNumber.delete(consumer.number);
      consumer.cancelledThere();
      return true;
    }
    const place = this.#place;
    const length = end - start - RECORD_HEAD_BYTES;
    const mayUseScratch = length <= SCRATCH_BYTES && consumer.isReady;
    // Shared memory is slow to read in many ways, and written over.
    place.bytes = mayUseScratch ? this.#scratch : Buffer.allocUnsafe(length);
    buffer.copy(place.bytes, 0, start + RECORD_HEAD_BYTES, end);
    place.contentEnd = length;
    place.offset = buffer.readDoubleLE(start + 8);
    place.timestampMs = buffer.readDoubleLE(start + 16);
    place.hasForeignEnvelope = (buffer.readUInt32LE(start + 24) & FOREIGN_ENVELOPE) !== 0;
    const partition = buffer.readUInt32LE(start + 4);
    if (consumer.isReady) consumer.take(place, partition);
    else consumer.keep({ ...place }, partition);
    place.bytes = this.#scratch;
    return true;
  }

  /** See `StreamConsumeService.frame`. */
  #sendOwed(consumer: RemoteStreamConsumer): void {
    const { head } = this.#frames;
    const { settled } = consumer;
    for (let from = 0; from < settled.length; from += SETTLED_MAX) {
      head.setUint32(0, consumer.number, true);
      head.setUint32(4, 0, true);
      const body = encodeSettled(settled, from, Math.min(settled.length, from + SETTLED_MAX));
      this.#frames.send(FRAME_STREAM_SETTLED, SETTLED_HEAD_BYTES, body, 0, body.length, true);
    }
    settled.length = 0;
    if (consumer.settledCount === 0 && consumer.takenBytes === 0) return;
    head.setUint32(0, consumer.number, true);
    head.setUint32(4, consumer.settledCount, true);
    head.setFloat64(8, consumer.takenBytes, true);
    consumer.settledCount = 0;
    consumer.takenBytes = 0;
    this.#frames.send(FRAME_STREAM_CREDIT, 16);
  }
}

function encodeSettled(settled: readonly Settled[], from: number, to: number): Buffer {
  const body = Buffer.allocUnsafe((to - from) * SETTLED_BYTES);
  for (let i = from; i < to; i++) {
    const { partition, offset, isRecovered } = settled[i];
    const at = (i - from) * SETTLED_BYTES;
    body.writeUInt32LE(partition, at);
    body.writeUInt32LE(isRecovered ? SETTLED_RECOVERED : 0, at + 4);
    body.writeDoubleLE(offset, at + 8);
  }
  return body;
}
