import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import type { AnyQueue } from '../../../src/broker/queues/any-queue.ts';
import type { Route } from '../../../src/broker/topology/route.ts';
import { type ChannelHost, TestChannel } from '../test-channel.ts';
import { fillView, type TestMessage } from '../test-message.ts';
import type { ShardsHistory } from './shards-history.ts';

/** What a channel of one shard needs of the run. */
export interface ShardChannelHost extends ChannelHost {
  readonly shard: number;
  readonly history: ShardsHistory;
  /** What is reported durable is on the disk. */
  readonly isSynced: boolean;
}

/** A client's channel in one shard: publishes to queues of all of them, and consumes from those of its own. */
export class ShardChannel extends TestChannel {
  readonly shard: number;
  readonly #host: ShardChannelHost;
  readonly #publisher: Publisher;

  constructor(id: number, host: ShardChannelHost) {
    super(id, host);
    this.shard = host.shard;
    this.#host = host;
    this.#publisher = new Publisher(host.broker.shard, host.broker.deadLettering);
  }

  override get mustPause(): boolean {
    return this.#publisher.mustPause;
  }

  /** What is journaled of it, and where, the history learns in the shards of its queues. */
  override publish(route: Route<AnyQueue>, message: TestMessage): void {
    const { broker, history, shard } = this.#host;
    const names = route.queues.map((queue) => `${queue.name} in ${queue.shard}`);
    this.#host.note(
      `channel ${this.id} in ${shard}: publish ${message.id} to ${names.join(', ')}` +
        `${message.persistent ? '' : ', transient'}, ${message.size} bytes`,
    );
    history.sent(message, shard, route.queues);
    fillView(this.#publisher.messageView, message);
    const wait = this.#publisher.publish(route, message.persistent);
    history.waiting++;
    broker.shard.whenSafe(wait, { onSafe: (_wait, isRefused) => this.#safe(message.id, isRefused) });
  }

  #safe(id: number, isRefused: boolean): void {
    const { history, isSynced } = this.#host;
    this.#host.note(`channel ${this.id}: ${id} is safe`);
    try {
      history.waiting--;
      history.safe(id, isRefused, isSynced);
    } catch (error) {
      this.#host.fail(error);
    }
  }
}
