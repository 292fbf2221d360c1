import type { Table } from '../../base/value.ts';
import { nodeName } from '../events/node-name.ts';
import type { InternalMessages } from '../publishing/internal-messages.ts';
import { traceExchangeName } from '../topology/predeclared-exchanges.ts';

/** A message that passes a connection. The tracer copies the body: it may lie in memory that is used again. */
export interface TracedMessage {
  readonly exchange: string;
  /** The routing key, then those of its copies. */
  readonly routingKeys: readonly string[];
  /** By RabbitMQ's names: `content_type`, `headers`, … */
  readonly properties: Table;
  readonly body: Buffer;
}

/** Where it passes. */
export interface TracePoint {
  readonly connection: string;
  readonly channel: number;
  readonly user: string;
}

/**
 * The firehose of one virtual host: copies of its messages, for who debugs what clients do. Names and fields are
 * those of RabbitMQ. Messages of the trace exchange are not traced, or the first copy would never end.
 */
export class MessageTracer {
  readonly vhost: string;
  readonly #messages: Pick<InternalMessages, 'post'>;

  constructor(vhost: string, messages: Pick<InternalMessages, 'post'>) {
    this.vhost = vhost;
    this.#messages = messages;
  }

  published(message: TracedMessage, at: TracePoint, routedQueues: readonly string[]): void {
    if (message.exchange === traceExchangeName) return;
    this.#post(`publish.${message.exchange}`, message, {
      node: nodeName,
      vhost: this.vhost,
      connection: at.connection,
      channel: at.channel,
      user: at.user,
      routed_queues: routedQueues,
    });
  }

  delivered(message: TracedMessage, at: TracePoint, queue: string, redelivered: boolean): void {
    if (message.exchange === traceExchangeName) return;
    this.#post(`deliver.${queue}`, message, {
      node: nodeName,
      vhost: this.vhost,
      connection: at.connection,
      channel: at.channel,
      user: at.user,
      redelivered: redelivered ? 1 : 0,
    });
  }

  #post(
    routingKey: string,
    { exchange, routingKeys, properties, body }: TracedMessage,
    headers: Table,
  ): void {
    this.#messages.post({
      vhost: this.vhost,
      exchange: traceExchangeName,
      routingKey,
      headers: { exchange_name: exchange, routing_keys: routingKeys, properties, ...headers },
      body: Buffer.from(body),
    });
  }
}
