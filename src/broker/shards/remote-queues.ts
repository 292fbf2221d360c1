import type { Json } from '../../base/value-json.ts';
import type { ShardLink, ShardSeat } from '../doors/shard-link.ts';
import type { Consumer, ConsumerRequest } from '../queues/consumer.ts';
import type { Getter } from '../queues/ports.ts';
import type { QueueCounts, QueueDeletion } from '../queues/queue-port.ts';
import type { QueueHome, RemoteQueue } from '../queues/remote-queue.ts';
import type { Turn } from '../shard/turn.ts';
import { RemoteConsumers } from './consume/remote-consumers.ts';
import { RemoteGets } from './consume/remote-gets.ts';
import { SettleWriter } from './consume/settle-writer.ts';
import type { KnownMetadata } from './known-metadata.ts';
import type { PublishingElsewhere } from './publishing-elsewhere.ts';

/** What this shard has to do with the queues of one other shard. */
interface Home {
  readonly link: ShardLink;
  readonly settles: SettleWriter;
  readonly consumers: RemoteConsumers;
  readonly gets: RemoteGets;
}

/** Queues of other shards: each is asked where it is. */
export class RemoteQueues implements QueueHome {
  /** By the number of the other shard. */
  readonly homes: readonly (Home | undefined)[];
  readonly #metadata: KnownMetadata;
  readonly #publishing: PublishingElsewhere;

  constructor(
    { links, rooms }: ShardSeat,
    turn: Turn,
    metadata: KnownMetadata,
    publishing: PublishingElsewhere,
  ) {
    this.#metadata = metadata;
    this.#publishing = publishing;
    this.homes = links.map((link, peer) => {
      const room = rooms[peer];
      if (link === undefined || room === undefined) return undefined;
      const settles = new SettleWriter(room, turn);
      const consumers = new RemoteConsumers(room, link, settles, turn, metadata);
      return { link, settles, consumers, gets: new RemoteGets(room, link, settles, metadata) };
    });
  }

  async prepareDeletion(queue: RemoteQueue, { ifUnused, ifEmpty }: QueueDeletion): Promise<number> {
    return (await this.#ask('queue.prepare-deletion', queue, { ifUnused, ifEmpty })) as number;
  }

  async purge(queue: RemoteQueue): Promise<number> {
    return (await this.#ask('queue.purge', queue)) as number;
  }

  touch(queue: RemoteQueue): void {
    this.#home(queue).link.tell({ op: 'queue.touch', vhost: queue.vhost, name: queue.name, id: queue.id });
  }

  async counts(queue: RemoteQueue): Promise<QueueCounts> {
    return (await this.#ask('queue.counts', queue)) as unknown as QueueCounts;
  }

  consume(queue: RemoteQueue, request: ConsumerRequest): Promise<Consumer> {
    return this.#settled(queue).consumers.consume(queue, request);
  }

  removeConsumer(queue: RemoteQueue, consumer: Consumer): void {
    this.#home(queue).consumers.cancel(consumer);
  }

  async settled(queue: RemoteQueue): Promise<void> {
    await this.#settled(queue).link.ask({ op: 'metadata.settle' });
  }

  get(queue: RemoteQueue, noAck: boolean, getter: Getter): void {
    this.#settled(queue).gets.get(queue, noAck, getter);
  }

  #ask(op: string, queue: RemoteQueue, fields: { readonly [field: string]: Json } = {}): Promise<Json> {
    const { vhost, name, id } = queue;
    // It may know of the queue later than this shard does.
    const metadata = this.#metadata.number;
    return this.#settled(queue).link.ask({ ...fields, op, vhost, name, id, metadata });
  }

  /** Whoever asks finds there what was published and settled here before. */
  #settled(queue: RemoteQueue): Home {
    const home = this.#home(queue);
    this.#publishing.flush(queue.shard);
    home.settles.flush();
    return home;
  }

  #home({ shard, name }: RemoteQueue): Home {
    const home = this.homes[shard];
    if (home === undefined) throw new Error(`queue '${name}' is in shard ${shard}, which is not there`);
    return home;
  }
}
