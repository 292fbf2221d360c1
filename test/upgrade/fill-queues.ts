import type { ConsumeMessage, Options } from 'amqplib';
import { AmqpClient } from './amqp-client.ts';
import type { Broker } from './broker.ts';
import { declare, eventuallyReady, expected } from './declared-queue.ts';
import { eventually } from './eventually.ts';
import { changed, delivered, type ExpectedMessage, type ExpectedQueue, publish } from './expected-message.ts';
import { fillDeadLetters } from './fill-dead-letters.ts';
import { fillDelayed, fillExpiring, fillRetrying } from './fill-timed.ts';

const HOUR_MS = 3_600_000;
const DEDUPLICATING = 'deduplicating';
const NAMED = { 'x-deduplication-header': 'a name' };

/** One of each type that a header can have. */
const HEADERS = {
  text: 'größer als 日本',
  empty: '',
  yes: true,
  no: false,
  nothing: null,
  byte: { '!': 'byte', value: -7 },
  short: { '!': 'short', value: -32_000 },
  int: { '!': 'int', value: 2_000_000_000 },
  long: { '!': 'long', value: 1_000_000_000_000 },
  float: { '!': 'float', value: 0.5 },
  double: { '!': 'double', value: 1.1 },
  decimal: { '!': 'decimal', value: { digits: 12_345, places: 2 } },
  timestamp: { '!': 'timestamp', value: 1_700_000_000 },
  bytes: Buffer.from([0, 1, 128, 255]),
  list: [1, 'two', [true], { three: 3 }],
  table: { inner: { deep: 'value' }, number: 1 },
};

const PROPERTIES: Options.Publish = {
  contentType: 'application/json',
  contentEncoding: 'identity',
  priority: 7,
  correlationId: 'correlation',
  replyTo: 'answers',
  expiration: String(100 * HOUR_MS),
  messageId: 'message-1',
  timestamp: 1_600_000_000,
  type: 'order',
  userId: 'guest',
  appId: 'test',
  headers: HEADERS,
};

/** A queue for each way in which a message waits. Connections that hold messages stay open, and are told to `open`. */
export async function fillQueues(broker: Broker, open: AmqpClient[]): Promise<ExpectedQueue[]> {
  const client = await AmqpClient.open(broker);
  open.push(client);
  const filled = [
    await fillPlain(client),
    await fillHoles(client),
    await fillPriorities(client),
    await fillRequeued(client),
    await fillAcknowledged(broker),
    await fillDeduplicating(client),
    await fillLarge(client),
    await fillBacklog(client),
    ...(await fillDeadLetters(broker, client)),
  ];
  // Last, as these have to be waited for.
  const waiting = [await fillRetrying(client), await fillDelayed(client), ...(await fillExpiring(client))];
  return [...filled, ...waiting];
}

async function fillPlain(client: AmqpClient): Promise<ExpectedQueue> {
  const { channel } = client;
  const name = await declare(client, 'plain', {
    'x-message-ttl': 100 * HOUR_MS,
    'x-expires': 100 * HOUR_MS,
    'x-max-length': 1000,
    'x-max-length-bytes': 100_000_000,
    'x-overflow': 'reject-publish',
    'x-consumer-timeout': HOUR_MS,
    'x-single-active-consumer': true,
  });
  const messages = [
    publish(channel, '', name, 'all properties', PROPERTIES),
    publish(channel, '', name, '', { headers: { CC: ['nowhere'] } }),
    publish(channel, '', name, 'transient', { deliveryMode: 1 }),
    publish(channel, '', name, Buffer.from([0, 255, 206, 0])),
  ];
  await channel.waitForConfirms();
  return expected(name, messages);
}

/** Some acknowledged, out of order; some delivered and not acknowledged; some never delivered. */
async function fillHoles(client: AmqpClient): Promise<ExpectedQueue> {
  const { channel } = client;
  const name = await declare(client, 'holes');
  const sent = Array.from({ length: 12 }, (_, at) => publish(channel, '', name, `hole ${at}`));
  await channel.waitForConfirms();
  const held = await hold(client, name, 8);
  for (const at of [4, 1, 6, 2]) channel.ack(held[at]);
  await eventuallyReady(channel, name, 0);
  // The acknowledged ones made room: all have been delivered, but for what is published now.
  return expected(name, keepAll(sent, [0, 3, 5, 7, 8, 9, 10, 11]).map(delivered));
}

function keepAll<Each>(all: readonly Each[], places: readonly number[]): Each[] {
  return places.map((at) => all[at]!);
}

/** Consumes until there are `count` of them, and keeps them. */
async function hold({ channel }: AmqpClient, queue: string, count: number): Promise<ConsumeMessage[]> {
  const got: ConsumeMessage[] = [];
  await channel.prefetch(count);
  await channel.consume(queue, (message) => message !== null && got.push(message));
  await eventually(
    () => got.length,
    (length) => length >= count,
    `messages of ${queue} to hold`,
  );
  return got;
}

async function fillPriorities(client: AmqpClient): Promise<ExpectedQueue> {
  const { channel } = client;
  const name = await declare(client, 'priorities', { 'x-max-priority': 5 });
  const sent = [3, 0, 5, 1, 5, 9, 0].map((priority, at) =>
    publish(channel, '', name, `priority ${priority}, number ${at}`, { priority }),
  );
  await channel.waitForConfirms();
  const first = await channel.get(name);
  if (first !== false) channel.ack(first);
  await eventuallyReady(channel, name, 6);
  return expected(name, keepAll(sent, [4, 5, 0, 3, 1, 6]));
}

/** Rejected and put back: the number of failures counts against the delivery limit. */
async function fillRequeued(client: AmqpClient): Promise<ExpectedQueue> {
  const { channel } = client;
  const name = await declare(client, 'requeued', { 'x-queue-type': 'quorum', 'x-delivery-limit': 20 });
  const twice = publish(channel, '', name, 'rejected twice');
  const never = publish(channel, '', name, 'never delivered');
  await channel.waitForConfirms();
  for (let round = 0; round < 2; round++) {
    const message = await channel.get(name);
    if (message !== false) channel.reject(message, true);
  }
  await eventuallyReady(channel, name, 2);
  return expected(name, [delivered(changed(twice, { 'x-acquired-count': 2, 'x-delivery-count': 2 })), never]);
}

/** Acknowledged with `multiple`: a beginning is gone. */
async function fillAcknowledged(broker: Broker): Promise<ExpectedQueue> {
  const client = await AmqpClient.open(broker);
  const name = await declare(client, 'acknowledged', { 'x-queue-type': 'classic' });
  const sent = Array.from({ length: 50 }, (_, at) => publish(client.channel, '', name, `acknowledged ${at}`));
  await client.channel.waitForConfirms();
  for (let count = 0; count < 10; count++) {
    const message = await client.channel.get(name);
    if (message !== false && count === 9) client.channel.ack(message, true);
  }
  await eventuallyReady(client.channel, name, 40);
  await client.close();
  return expected(name, sent.slice(10));
}

/** What has the name of a message that waits is swallowed. */
async function fillDeduplicating(client: AmqpClient): Promise<ExpectedQueue> {
  const name = await declare(client, DEDUPLICATING, { 'x-message-deduplication': true });
  const sent = publish(client.channel, '', name, 'the first of its name', { headers: NAMED });
  publish(client.channel, '', name, 'the second of its name', { headers: NAMED });
  await client.channel.waitForConfirms();
  return expected(name, [sent]);
}

/** Publishes what has to be swallowed. */
export async function publishDuplicate(broker: Broker): Promise<void> {
  const client = await AmqpClient.open(broker);
  publish(client.channel, '', DEDUPLICATING, 'the third of its name', { headers: NAMED });
  await client.channel.waitForConfirms();
  await client.close();
}

async function fillLarge(client: AmqpClient): Promise<ExpectedQueue> {
  const name = await declare(client, 'large');
  const body = Buffer.alloc(5 * 1024 * 1024, 'a message of five mebibytes, ');
  const sent = publish(client.channel, '', name, body);
  await client.channel.waitForConfirms();
  return expected(name, [sent]);
}

/** More than the memory for messages: it is paged out to segments, and has holes there. */
async function fillBacklog(client: AmqpClient): Promise<ExpectedQueue> {
  const { channel } = client;
  const name = await declare(client, 'backlog');
  const sent: ExpectedMessage[] = [];
  for (let at = 0; at < 3000; at++) {
    const body = Buffer.alloc(4096, `number ${at} of the backlog, `);
    sent.push(publish(channel, '', name, body, { messageId: String(at) }));
    if (at % 500 === 499) await channel.waitForConfirms();
  }
  const prefetch = 600;
  const messages = await hold(client, name, prefetch);
  const left = sent.filter((_, at) => at >= prefetch || at % 3 === 0);
  for (const [at, message] of messages.entries()) if (at % 3 !== 0) channel.ack(message);
  // As many are delivered for those that were acknowledged.
  await eventuallyReady(channel, name, left.length - prefetch);
  return expected(name, [...left.slice(0, prefetch).map(delivered), ...left.slice(prefetch)]);
}
