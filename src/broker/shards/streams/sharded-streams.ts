import type { Json } from '../../../base/value-json.ts';
import {
  FRAME_PARTITION_READ,
  FRAME_STREAM_APPEND,
  FRAME_STREAM_CREDIT,
  FRAME_STREAM_DETACH,
  FRAME_STREAM_SETTLED,
  FRAME_STREAM_STORED,
} from '../../doors/frame-kinds.ts';
import type { ShardLink, ShardNote, ShardSeat } from '../../doors/shard-link.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import { BrokerError } from '../../errors.ts';
import type { RemoteAppends } from '../../shard/remote-appends.ts';
import type { Shard } from '../../shard/shard.ts';
import { ownPartitions } from '../../streams/any-partition.ts';
import type { StreamExchange, StreamsElsewhere } from '../../streams/bindings/stream-exchange.ts';
import type { StreamExchanges } from '../../streams/bindings/stream-exchanges.ts';
import type { Partition } from '../../streams/partition.ts';
import type { Stream } from '../../streams/stream.ts';
import type { StreamObserver, Streams } from '../../streams/streams.ts';
import { resourceText } from '../../topology/refusals.ts';
import { text } from '../command-codec.ts';
import type { KnownMetadata } from '../known-metadata.ts';
import { PartitionReadService } from './partition-read-service.ts';
import { RemotePartitionReads } from './remote-partition-reads.ts';
import { RemoteStreamConsumers } from './remote-stream-consumers.ts';
import { StreamAppendService } from './stream-append-service.ts';
import { StreamAppendWriter } from './stream-append-writer.ts';
import { StreamConsumeService } from './stream-consume-service.ts';

/** What there is between this shard and one other. */
interface Peer {
  /** Records for partitions there. */
  readonly appends: StreamAppendWriter;
  /** Reads partitions here. */
  readonly reading: PartitionReadService;
  /** In shard 0: consumers of clients there. */
  readonly consuming: StreamConsumeService | null;
}

/**
 * Streams between shards: records go to the shard of their partition and are read from there; consumers of AMQP are all in shard 0,
 * which has those of clients of the others.
 */
export class ShardedStreams implements StreamObserver, StreamsElsewhere, RemoteAppends {
  /** In all shards but 0. */
  readonly home: RemoteStreamConsumers | null;
  readonly reads: RemotePartitionReads;
  readonly #shard: Shard;
  /** By the number of the other shard. */
  readonly #peers: readonly (Peer | undefined)[];
  /** Those of this shard, by the id of their log. */
  readonly #partitions = new Map<number, Partition>();
  #streams!: Streams;
  #streamExchanges!: StreamExchanges;

  constructor(seat: ShardSeat, shard: Shard, metadata: KnownMetadata) {
    this.#shard = shard;
    this.reads = new RemotePartitionReads(seat, { shard, metadata });
    const [room, link] = [seat.rooms[0], seat.links[0]];
    this.home =
      seat.number === 0 ? null : new RemoteStreamConsumers(shard, room as SharedRoom, link as ShardLink);
    this.#peers = seat.rooms.map((each) =>
      each === undefined ? undefined : this.#newPeer(each, metadata, seat.number === 0),
    );
  }

  #newPeer(room: SharedRoom, metadata: KnownMetadata, isHome: boolean): Peer {
    const { door } = room;
    const find = (logId: number): Partition | undefined => this.#partitions.get(logId);
    const appends = new StreamAppendWriter(room, this.#shard.waits, metadata);
    door.receive(FRAME_STREAM_STORED, appends);
    door.receiveServed(FRAME_STREAM_APPEND, new StreamAppendService(this.#shard, room, find, metadata));
    const reading = new PartitionReadService(this.#shard, room, find);
    door.receive(FRAME_PARTITION_READ, reading);
    if (!isHome) return { appends, reading, consuming: null };
    const consuming = new StreamConsumeService(room);
    for (const kind of [FRAME_STREAM_CREDIT, FRAME_STREAM_SETTLED, FRAME_STREAM_DETACH])
      door.receive(kind, consuming);
    return { appends, reading, consuming };
  }

  begin(streams: Streams, streamExchanges: StreamExchanges): void {
    this.#streams = streams;
    this.#streamExchanges = streamExchanges;
    streams.observe(this);
  }

  /** The partition of this shard with this log. */
  partition(logId: number): Partition | undefined {
    return this.#partitions.get(logId);
  }

  /** The stream that has a partition with this log in this shard. */
  exchangeWith(logId: number): StreamExchange | undefined {
    const stream = this.#streams.byId(this.#partitions.get(logId)?.stream.id ?? '');
    return stream === undefined ? undefined : this.#streamExchanges.of(stream);
  }

  streamAdded(stream: Stream): void {
    for (const partition of ownPartitions(stream.partitions)) this.#partitions.set(partition.id, partition);
  }

  streamChanged(stream: Stream): void {
    this.streamAdded(stream);
  }

  streamRemoved(stream: Stream): void {
    for (const { id } of stream.partitions) this.#partitions.delete(id);
  }

  append(shard: number, logId: number, content: Buffer, token: number): void {
    this.#peerOf(shard).appends.append(logId, content, token);
  }

  mustPause(shards: readonly number[]): boolean {
    return shards.some((shard) => this.#peerOf(shard).appends.mustPause);
  }

  onResume(shards: readonly number[], listener: () => void): void {
    const paused = shards.find((shard) => this.#peerOf(shard).appends.mustPause);
    if (paused === undefined) listener();
    else this.#peerOf(paused).appends.onResume(listener);
  }

  /** The other shard wants to know how far partitions go, or not any more. */
  listen(from: number, note: ShardNote): void {
    this.#peerOf(from).reading.listen(note);
  }

  /** Null if it is none of these questions. @throws BrokerError */
  answer(from: number, question: ShardNote): Promise<Json> | Json {
    if (question.op === 'stream.counts') return this.#counts(this.#stream(question), question);
    const { consuming, reading } = this.#peerOf(from);
    if (question.op !== 'stream.consume') return reading.answer(question);
    if (consuming === null) throw new Error('consumers of streams are in shard 0');
    const work = consuming.consume(this.#stream(question), question);
    return this.#shard.turnTime.run(work, { protocol: 'AMQP', request: question.op, user: '' });
  }

  async #counts(stream: StreamExchange, { op }: ShardNote): Promise<Json> {
    const owner = { protocol: 'AMQP', request: op, user: '' };
    return { ...(stream.counts ?? (await this.#shard.turnTime.run(stream.askCounts(), owner))) };
  }

  /** It may have been deleted, and another one may have its name. */
  #stream(question: ShardNote): StreamExchange {
    const stream = this.#streams.byId(text(question, 'id'));
    const streamExchange = stream === undefined ? undefined : this.#streamExchanges.of(stream);
    if (streamExchange !== undefined) return streamExchange;
    throw new BrokerError(
      'not-found',
      `no ${resourceText('queue', text(question, 'name'), text(question, 'vhost'))}`,
    );
  }

  #peerOf(shard: number): Peer {
    const peer = this.#peers[shard];
    if (peer === undefined) throw new Error(`there is no shard ${shard}`);
    return peer;
  }
}
