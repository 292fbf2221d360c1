import { type Json, tableToJson } from '../../../base/value-json.ts';
import { FRAME_STREAM_CANCELLED, FRAME_STREAM_RECORD, FRAME_STREAM_STORED } from '../../doors/frame-kinds.ts';
import type { ShardLink } from '../../doors/shard-link.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import type { AnyQueue } from '../../queues/any-queue.ts';
import type { QueueCounts } from '../../queues/queue-port.ts';
import type { Shard } from '../../shard/shard.ts';
import type { SnapshotSection } from '../../shard/snapshot-section.ts';
import type { StreamConsumerRequest, StreamReader } from '../../streams/consumers/stream-consumer.ts';
import { RemoteStream, type StreamHome } from '../../streams/remote-stream.ts';
import type { VirtualHost } from '../../topology/virtual-host.ts';
import type { VirtualHosts } from '../../topology/virtual-hosts.ts';
import { RemoteStreamConsumers } from './remote-stream-consumers.ts';
import { StreamAppendWriter } from './stream-append-writer.ts';
import { decodeStreamFactsOperation, STREAM_FACTS_PREFIX } from './stream-facts.ts';

/** The streams of shard 0, in a shard that follows: their exchanges are told which there are, and what they need goes from here. */
export class RemoteStreams implements StreamHome, SnapshotSection {
  readonly prefix = STREAM_FACTS_PREFIX;
  readonly #shard: Shard;
  readonly #link: ShardLink;
  readonly #appends: StreamAppendWriter;
  readonly #consumers: RemoteStreamConsumers;
  #vhosts!: VirtualHosts<AnyQueue>;

  constructor(shard: Shard, room: SharedRoom, link: ShardLink | undefined) {
    this.#shard = shard;
    this.#link = link as ShardLink;
    this.#appends = new StreamAppendWriter(room, shard.waits);
    this.#consumers = new RemoteStreamConsumers(shard, room);
    room.door.receive(FRAME_STREAM_STORED, this.#appends);
    room.door.receive(FRAME_STREAM_RECORD, this.#consumers);
    room.door.receive(FRAME_STREAM_CANCELLED, this.#consumers);
  }

  begin(vhosts: VirtualHosts<AnyQueue>): void {
    this.#vhosts = vhosts;
  }

  apply(bytes: Uint8Array): void {
    const operation = decodeStreamFactsOperation(bytes);
    const { op, vhost: vhostName, name, id } = operation;
    const vhost = this.#vhosts.get(vhostName);
    if (vhost === undefined)
      throw new Error(`stream '${name}' is in vhost '${vhostName}', which is not there`);
    const known = knownIn(vhost, name);
    if (op === 'remote-stream.detach') {
      if (known?.facts.id === id) vhost.detachFollowedStream(name);
      return;
    }
    const { op: _op, ...facts } = operation;
    if (known?.facts.id === id) known.facts = facts;
    else vhost.attachStream(new RemoteStream(facts, this, this.#shard.codecs));
  }

  /** They come from shard 0 with each start. */
  *snapshot(): Iterable<Uint8Array> {}

  takeToken(parts: number): number {
    return this.#shard.waits.take(parts);
  }

  append(partition: number, content: Buffer, token: number): void {
    this.#appends.append(partition, content, token);
  }

  get mustPause(): boolean {
    return this.#appends.mustPause;
  }

  onResume(listener: () => void): void {
    this.#appends.onResume(listener);
  }

  async counts(stream: RemoteStream): Promise<QueueCounts> {
    return (await this.#ask('stream.counts', stream)) as unknown as QueueCounts;
  }

  async consume(stream: RemoteStream, request: StreamConsumerRequest): Promise<StreamReader> {
    const consumer = this.#consumers.add(stream, request);
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
      this.#consumers.remove(consumer);
      throw error;
    }
    return consumer;
  }

  #ask(
    op: string,
    { facts: { vhost, name, id } }: RemoteStream,
    fields: { readonly [field: string]: Json } = {},
  ): Promise<Json> {
    return this.#link.ask({ ...fields, op, vhost, name, id });
  }
}

function knownIn(vhost: VirtualHost<AnyQueue>, name: string): RemoteStream | null {
  const stream = vhost.findExchange(name)?.stream;
  return stream instanceof RemoteStream ? stream : null;
}
