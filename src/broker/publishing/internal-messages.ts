import type { Table } from '../../base/value.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { Shard } from '../shard/shard.ts';
import type { Pumped } from '../shard/turn.ts';
import type { VirtualHosts } from '../topology/virtual-hosts.ts';
import type { RefusedMessages } from './admission.ts';
import { Publisher } from './publisher.ts';

/** A message that the broker itself writes. */
export interface InternalMessage {
  readonly vhost: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly headers: Table;
  readonly body: Buffer;
  /** Milliseconds since 1970; none if the message has no timestamp. */
  readonly timestampMs?: number;
}

/** AMQP and what derives from it carry names as short strings. */
const KEY_BYTES_MAX = 255;

/**
 * Messages that the broker publishes itself: events, and copies of messages that are traced. They are published at the
 * end of the turn in which they were written, and not at once: what they tell of is still going on then, as when a
 * queue's deletion takes its bindings along. Transient: after a restart they would tell of a broker that is gone.
 */
export class InternalMessages implements Pumped {
  pumpPending = false;
  readonly #shard: Shard;
  readonly #vhosts: VirtualHosts<AnyQueue>;
  readonly #publisher: Publisher;
  #waiting: InternalMessage[] = [];

  constructor(shard: Shard, vhosts: VirtualHosts<AnyQueue>, refused: RefusedMessages) {
    this.#shard = shard;
    this.#vhosts = vhosts;
    this.#publisher = new Publisher(shard, refused);
  }

  post(message: InternalMessage): void {
    this.#waiting.push(message);
    this.#shard.turn.pumpLater(this);
  }

  pump(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) this.#publish(message);
    this.#publisher.messageView.clear();
  }

  #publish({ vhost: name, exchange, routingKey, headers, body, timestampMs }: InternalMessage): void {
    const vhost = this.#vhosts.get(name);
    const codec = this.#shard.codecs.own;
    if (vhost === undefined || codec === undefined) return;
    // A stream would keep them.
    if (this.#shard.alarms.isDiskReserved) return;
    const key = Buffer.from(routingKey, 'utf8').subarray(0, KEY_BYTES_MAX);
    const route = vhost.route(vhost.checkExchange(exchange), key.toString('utf8'), {
      headers: () => headers,
      property: () => null,
    });
    if (route.queues.length + route.streams.length === 0) return;
    const properties = codec.encode(
      timestampMs === undefined
        ? { headers, persistent: false }
        : { headers, persistent: false, timestamp: Math.floor(timestampMs / 1000) },
    );
    const { messageView } = this.#publisher;
    messageView.protocol = codec.source;
    messageView.exchange = Buffer.from(exchange, 'utf8');
    messageView.exchangeEnd = messageView.exchange.length;
    messageView.key = key;
    messageView.keyEnd = key.length;
    messageView.properties = properties;
    messageView.propertiesEnd = properties.length;
    messageView.body = body;
    messageView.bodyEnd = body.length;
    // Nobody asks whether it is safe.
    this.#shard.waits.forget(this.#publisher.publish(route, false));
  }
}
