import { randomBytes } from 'node:crypto';
import { awaited, type Work } from '../../base/turn-time.ts';

/** What a requester consumes from, and gives as the address for the answer: it stands for an address of its own. */
export const REPLY_TO = 'amq.rabbitmq.reply-to';
const PREFIX = `${REPLY_TO}.`;

/**
 * Somebody who waits for answers without a queue: what is published to its address by the default exchange is handed to
 * it at once, or not at all. Nothing is stored, and so nothing reaches the disk.
 */
export interface ReplyConsumer {
  /** Whether it takes one more answer now. If not, the answer counts as unroutable. */
  readonly isReady: boolean;
  /** The message as `record-content.ts` lays it out; it must be copied before returning. */
  deliver(content: Buffer, contentBytes: number): void;
}

/** Those of other shards, where there are several: what shard an address is of can be told by its end. */
export interface RepliesElsewhere {
  /** What the addresses of this shard end with. */
  readonly suffix: string;
  /** Who has this address in another shard, if anybody has; null if it is of no other shard. */
  at(address: string): ReplyConsumer | null;
  /** Whether somebody has it there. */
  has(address: string): Promise<boolean>;
}

export function isReplyAddress(routingKey: string): boolean {
  return routingKey.startsWith(PREFIX);
}

/**
 * The reply consumers of a virtual host, by address. They come and go with each caller: so they are no part of the
 * topology, and do not touch the routes that are remembered for everybody else.
 */
export class DirectReplyConsumers {
  /** Null with one shard. */
  elsewhere: RepliesElsewhere | null = null;
  readonly #byAddress = new Map<string, ReplyConsumer>();

  get size(): number {
    return this.#byAddress.size;
  }

  /** Returns its address, of 128 random bits: nobody can guess it, and only who got a request can answer. */
  add(consumer: ReplyConsumer): string {
    const address = `${PREFIX}${randomBytes(16).toString('base64url')}${this.elsewhere?.suffix ?? ''}`;
    this.#byAddress.set(address, consumer);
    return address;
  }

  remove(address: string): void {
    this.#byAddress.delete(address);
  }

  has(address: string): boolean {
    return this.#byAddress.has(address);
  }

  get(address: string): ReplyConsumer | undefined {
    return this.#byAddress.get(address);
  }

  /** Whether somebody of another shard has this address. */
  *isElsewhere(address: string): Work<boolean> {
    if (this.elsewhere === null || !isReplyAddress(address)) return false;
    return yield* awaited(this.elsewhere.has(address));
  }

  /** Those of these routing keys who are there and ready. Of those of another shard only that can tell, and passes over who is not. */
  readyAt(routingKeys: readonly string[]): ReplyConsumer[] {
    const ready = new Set<ReplyConsumer>();
    for (const key of routingKeys) {
      const consumer = this.#byAddress.get(key) ?? this.#remote(key);
      if (consumer?.isReady) ready.add(consumer);
    }
    return [...ready];
  }

  #remote(key: string): ReplyConsumer | null {
    return this.elsewhere !== null && isReplyAddress(key) ? this.elsewhere.at(key) : null;
  }
}
