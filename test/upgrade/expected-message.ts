import type { ConfirmChannel, ConsumeMessage, GetMessage, Options } from 'amqplib';
import type { Login } from './amqp-client.ts';

export interface ExpectedMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  /** As they are delivered, without those that were not set. */
  readonly properties: Readonly<Record<string, unknown>>;
  /** Whether it was handed to a consumer, and came back. */
  readonly wasDelivered: boolean;
}

export interface ExpectedQueue {
  readonly login: Login;
  readonly name: string;
  /** In the order in which they are delivered. */
  readonly messages: readonly ExpectedMessage[];
  /** Whether a message more would be dropped, or push out another one. */
  readonly dropsMore?: boolean;
}

/** A transient message is in a queue that was opened again only where it had been paged out. */
export function isTransient({ properties }: ExpectedMessage): boolean {
  return properties.deliveryMode === 1;
}

/** Publishes a persistent message, unless `options` says otherwise, and tells as what it will be delivered. */
export function publish(
  channel: ConfirmChannel,
  exchange: string,
  routingKey: string,
  body: string | Buffer,
  options: Options.Publish = {},
): ExpectedMessage {
  const content = Buffer.from(body);
  channel.publish(exchange, routingKey, content, { deliveryMode: 2, ...options });
  const { headers = {}, ...properties } = { deliveryMode: 2, ...options };
  return {
    exchange,
    routingKey,
    body: content,
    properties: { ...properties, headers: asDelivered(headers) },
    wasDelivered: false,
  };
}

/** Adds what the broker has put into the headers, or marks it as delivered. */
export function changed(
  message: ExpectedMessage,
  headers: Readonly<Record<string, unknown>>,
  more: Partial<ExpectedMessage> = {},
): ExpectedMessage {
  const before = message.properties.headers as Record<string, unknown>;
  return { ...message, properties: { ...message.properties, headers: { ...before, ...headers } }, ...more };
}

export function delivered(message: ExpectedMessage): ExpectedMessage {
  return { ...message, wasDelivered: true };
}

/** A delivered message in the form of an expected one. When it was dead-lettered is left out. */
export function seen(message: ConsumeMessage | GetMessage): ExpectedMessage {
  const { exchange, routingKey, redelivered } = message.fields;
  const set = Object.entries(message.properties).filter(([, value]) => value !== undefined);
  const properties = Object.fromEntries(set) as Record<string, unknown>;
  const headers = { ...message.properties.headers } as Record<string, unknown>;
  if (Array.isArray(headers['x-death'])) {
    headers['x-death'] = headers['x-death'].map(({ time: _, ...death }) => death);
  }
  return {
    exchange,
    routingKey,
    body: message.content,
    properties: { ...properties, headers },
    wasDelivered: redelivered,
  };
}

/** The client takes `{'!': type, value}` for a value of an exact type, and delivers most of them as plain ones. */
function asDelivered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asDelivered);
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  if ('!' in value && 'value' in value) {
    return value['!'] === 'timestamp' || value['!'] === 'decimal' ? value : value.value;
  }
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, asDelivered(each)]));
}
