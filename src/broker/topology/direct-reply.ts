import { randomBytes } from 'node:crypto';

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

export function isReplyAddress(routingKey: string): boolean {
  return routingKey.startsWith(PREFIX);
}

/**
 * The reply consumers of a virtual host, by address. They come and go with each caller: so they are no part of the
 * topology, and do not touch the routes that are remembered for everybody else.
 */
export class DirectReplyConsumers {
  readonly #byAddress = new Map<string, ReplyConsumer>();

  get size(): number {
    return this.#byAddress.size;
  }

  /** Returns its address, of 128 random bits: nobody can guess it, and only who got a request can answer. */
  add(consumer: ReplyConsumer): string {
    const address = `${PREFIX}${randomBytes(16).toString('base64url')}`;
    this.#byAddress.set(address, consumer);
    return address;
  }

  remove(address: string): void {
    this.#byAddress.delete(address);
  }

  has(address: string): boolean {
    return this.#byAddress.has(address);
  }

  /** Those of these routing keys who are there and ready. */
  readyAt(routingKeys: readonly string[]): ReplyConsumer[] {
    const ready = new Set<ReplyConsumer>();
    for (const key of routingKeys) {
      const consumer = this.#byAddress.get(key);
      if (consumer?.isReady) ready.add(consumer);
    }
    return [...ready];
  }
}
