import type { Table, Value } from '../../base/value.ts';
import type { TracedMessage, TracePoint } from '../../broker/connections/message-tracer.ts';
import type { RecordMessage } from '../../broker/messages/message-from-record.ts';
import type { AnyQueue } from '../../broker/queues/any-queue.ts';
import type { Route } from '../../broker/topology/route.ts';
import type { MessageView } from '../../records/message-view.ts';
import type { ContentView } from '../../records/record-content.ts';
import { WireError } from '../../wire/amqp091/errors.ts';
import { decodeProperties } from '../../wire/amqp091/properties.ts';
import type { ChannelContext } from './channel-context.ts';
import type { PropertyBytes } from './deliver/content-frames.ts';

/** The messages of RabbitMQ's firehose tracer (`amq.rabbitmq.trace`), decoded only while the virtual host is traced. */

/** After the message was routed. */
export function tracePublished(
  channel: ChannelContext,
  messageView: MessageView,
  { queues, streams }: Pick<Route<AnyQueue>, 'queues' | 'streams'>,
): void {
  const properties = propertyTable(
    messageView.properties,
    messageView.propertiesStart,
    messageView.propertiesEnd,
  );
  const key = messageView.key.toString('utf8', messageView.keyStart, messageView.keyEnd);
  const message: TracedMessage = {
    exchange: messageView.exchange.toString('utf8', messageView.exchangeStart, messageView.exchangeEnd),
    routingKeys: [key, ...copyKeys(properties)],
    properties,
    body: messageView.body.subarray(messageView.bodyStart, messageView.bodyEnd),
  };
  const routed = [...queues, ...streams].map(({ name }) => name);
  channel.connection.tracer?.published(message, pointOf(channel), routed);
}

/** A message of a stream. */
export function traceRead(channel: ChannelContext, queue: string, message: RecordMessage): void {
  const properties = propertyTable(message.properties, message.propertiesStart, message.propertiesEnd);
  const key = message.key.toString('utf8', message.keyStart, message.keyEnd);
  const traced: TracedMessage = {
    exchange: message.exchange.toString('utf8', message.exchangeStart, message.exchangeEnd),
    routingKeys: [key, ...copyKeys(properties)],
    properties,
    body: message.body.subarray(message.bodyStart, message.bodyEnd),
  };
  channel.connection.tracer?.delivered(traced, pointOf(channel), queue, false);
}

export function traceDelivered(
  channel: ChannelContext,
  queue: string,
  redelivered: boolean,
  buffer: Buffer,
  view: ContentView,
  { buffer: propertyBuffer, start, end }: PropertyBytes,
): void {
  const properties = propertyTable(propertyBuffer, start, end);
  // Both ends of an absent range are -1.
  const key = view.keyStart < 0 ? '' : buffer.toString('utf8', view.keyStart, view.keyEnd);
  const message: TracedMessage = {
    exchange: view.exchangeStart < 0 ? '' : buffer.toString('utf8', view.exchangeStart, view.exchangeEnd),
    routingKeys: [key, ...copyKeys(properties)],
    properties,
    body: buffer.subarray(view.bodyStart, view.bodyEnd),
  };
  channel.connection.tracer?.delivered(message, pointOf(channel), queue, redelivered);
}

function pointOf({ connection, number }: ChannelContext): TracePoint {
  return { connection: connection.info.name, channel: number, user: connection.user };
}

/** By RabbitMQ's names: `content_type`. Empty if the bytes are malformed. */
function propertyTable(bytes: Buffer, start: number, end: number): Table {
  try {
    const entries = Object.entries(decodeProperties(bytes, start, end)).map(
      ([name, value]): [string, Value] => [
        name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        name === 'timestamp' ? new Date(Number(value) * 1000) : value,
      ],
    );
    return Object.fromEntries(entries);
  } catch (error) {
    if (error instanceof WireError) return {};
    throw error;
  }
}

/** RabbitMQ's sender-selected distribution: the routing keys in the header `CC`. */
function copyKeys({ headers }: Table): string[] {
  const copies = typeof headers === 'object' && headers !== null ? (headers as Table).CC : null;
  return Array.isArray(copies) ? copies.filter((key): key is string => typeof key === 'string') : [];
}
