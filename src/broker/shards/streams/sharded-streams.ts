import type { Json } from '../../../base/value-json.ts';
import {
  FRAME_STREAM_APPEND,
  FRAME_STREAM_CREDIT,
  FRAME_STREAM_DETACH,
  FRAME_STREAM_SETTLED,
} from '../../doors/frame-kinds.ts';
import type { ShardNote, ShardSeat } from '../../doors/shard-link.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import { BrokerError } from '../../errors.ts';
import type { AnyQueue } from '../../queues/any-queue.ts';
import type { Shard } from '../../shard/shard.ts';
import type { SnapshotSection } from '../../shard/snapshot-section.ts';
import { ownPartitions } from '../../streams/any-partition.ts';
import { StreamExchange } from '../../streams/bindings/stream-exchange.ts';
import type { Partition } from '../../streams/partition.ts';
import type { Stream } from '../../streams/stream.ts';
import type { StreamObserver, Streams } from '../../streams/streams.ts';
import { resourceText } from '../../topology/refusals.ts';
import type { VirtualHosts } from '../../topology/virtual-hosts.ts';
import { text } from '../command-codec.ts';
import { Attachments, factsOf } from './attachments.ts';
import { RemoteStreams } from './remote-streams.ts';
import { StreamAppendService } from './stream-append-service.ts';
import { StreamConsumeService } from './stream-consume-service.ts';
import { encodeAttachment } from './stream-facts.ts';

/** Streams between shards: all of them are in shard 0, whose others reach them from here. */
export class ShardedStreams implements StreamObserver {
  /** In shard 0: tells the others. */
  readonly attachments: Attachments | null;
  /** In all others: those of shard 0. */
  readonly #remotes: RemoteStreams | null;
  readonly #shard: Shard;
  readonly #seat: ShardSeat;
  #vhosts!: VirtualHosts<AnyQueue>;
  /** Those of this shard, by the id of their log. */
  readonly #partitions = new Map<number, Partition>();
  /** By the number of the other shard. */
  readonly #consuming: StreamConsumeService[] = [];

  /** `changed`: tells a change of metadata when that block is durable. */
  constructor(seat: ShardSeat, shard: Shard, changed: (operation: Uint8Array, block: number) => void) {
    this.#seat = seat;
    this.#shard = shard;
    const isHome = seat.number === 0;
    this.attachments = isHome ? new Attachments(shard, changed) : null;
    this.#remotes = isHome ? null : new RemoteStreams(shard, seat.rooms[0] as SharedRoom, seat.links[0]);
  }

  /** Where a shard that follows applies what it is told at its start. */
  get sections(): readonly SnapshotSection[] {
    return this.#remotes === null ? [] : [this.#remotes];
  }

  begin(vhosts: VirtualHosts<AnyQueue>, streams: Streams): void {
    this.#vhosts = vhosts;
    streams.observe(this);
    if (this.#remotes !== null) {
      this.#remotes.begin(vhosts);
      return;
    }
    for (const [peer, room] of this.#seat.rooms.entries()) if (room !== undefined) this.#serve(peer, room);
  }

  #serve(peer: number, room: SharedRoom): void {
    const { door } = room;
    const find = (logId: number): Partition | undefined => this.#partitions.get(logId);
    door.receive(FRAME_STREAM_APPEND, new StreamAppendService(this.#shard, room, find));
    const consuming = new StreamConsumeService(room);
    this.#consuming[peer] = consuming;
    for (const kind of [FRAME_STREAM_CREDIT, FRAME_STREAM_SETTLED, FRAME_STREAM_DETACH])
      door.receive(kind, consuming);
  }

  /** The partition of this shard with this log. */
  partition(logId: number): Partition | undefined {
    return this.#partitions.get(logId);
  }

  /** The stream of this shard that has a partition with this log. */
  exchangeWith(logId: number): StreamExchange | undefined {
    const stream = this.#partitions.get(logId)?.stream;
    if (stream === undefined) return undefined;
    const exchange = this.#vhosts.get(stream.vhost)?.findExchange(stream.name)?.stream;
    return exchange instanceof StreamExchange && exchange.stream === stream ? exchange : undefined;
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

  /** Of a virtual host, for a shard that begins to follow. */
  *attachmentsIn(vhost: string): Generator<Uint8Array> {
    const host = this.#vhosts.get(vhost);
    if (host === undefined) return;
    for (const { name } of host.exchanges()) {
      const stream = host.findExchange(name)?.stream;
      if (stream instanceof StreamExchange) yield encodeAttachment(factsOf(stream));
    }
  }

  /** A change that shard 0 tells of. */
  apply(operation: Uint8Array): void {
    this.#remotes?.apply(operation);
  }

  /** Null if it is none of these questions. @throws BrokerError */
  answer(from: number, question: ShardNote): Json {
    if (question.op === 'stream.counts') return { ...this.#stream(question).counts };
    if (question.op !== 'stream.consume') return null;
    this.#consuming[from].consume(this.#stream(question), question);
    return true;
  }

  /** It may have been deleted, and another one may have its name. */
  #stream(question: ShardNote): StreamExchange {
    const [vhost, name] = [text(question, 'vhost'), text(question, 'name')];
    const stream = this.#vhosts.get(vhost)?.findExchange(name)?.stream;
    if (stream instanceof StreamExchange && stream.stream.id === question.id) return stream;
    throw new BrokerError('not-found', `no ${resourceText('queue', name, vhost)}`);
  }
}
