import type { Json } from '../../base/value-json.ts';
import type { ShardLink } from '../doors/shard-link.ts';
import { BrokerError } from '../errors.ts';
import type { Consumer } from '../queues/consumer.ts';
import type { QueueCounts, QueueDeletion } from '../queues/queue-port.ts';
import type { QueueHome, RemoteQueue } from '../queues/remote-queue.ts';
import type { KnownMetadata } from './known-metadata.ts';

/** Queues of other shards: each is asked where it is. */
export class RemoteQueues implements QueueHome {
  readonly #links: readonly (ShardLink | undefined)[];
  readonly #metadata: KnownMetadata;

  constructor(links: readonly (ShardLink | undefined)[], metadata: KnownMetadata) {
    this.#links = links;
    this.#metadata = metadata;
  }

  async prepareDeletion(queue: RemoteQueue, { ifUnused, ifEmpty }: QueueDeletion): Promise<number> {
    return (await this.#ask('queue.prepare-deletion', queue, { ifUnused, ifEmpty })) as number;
  }

  async purge(queue: RemoteQueue): Promise<number> {
    return (await this.#ask('queue.purge', queue)) as number;
  }

  touch(queue: RemoteQueue): void {
    this.#link(queue).tell({ op: 'queue.touch', vhost: queue.vhost, name: queue.name, id: queue.id });
  }

  async counts(queue: RemoteQueue): Promise<QueueCounts> {
    return (await this.#ask('queue.counts', queue)) as unknown as QueueCounts;
  }

  async consume(queue: RemoteQueue): Promise<Consumer> {
    throw notReached(queue);
  }

  removeConsumer(): void {}

  wake(): void {}

  get(queue: RemoteQueue): void {
    throw notReached(queue);
  }

  #ask(op: string, queue: RemoteQueue, fields: { readonly [field: string]: Json } = {}): Promise<Json> {
    const { vhost, name, id } = queue;
    // It may know of the queue later than this shard does.
    const metadata = this.#metadata.number;
    return this.#link(queue).ask({ ...fields, op, vhost, name, id, metadata });
  }

  #link({ shard, name }: RemoteQueue): ShardLink {
    const link = this.#links[shard];
    if (link === undefined) throw new Error(`queue '${name}' is in shard ${shard}, which is not there`);
    return link;
  }
}

function notReached({ name, vhost, shard }: RemoteQueue): BrokerError {
  return new BrokerError(
    'not-implemented',
    `queue '${name}' in vhost '${vhost}' is in shard ${shard}, and cannot be consumed from here`,
  );
}
