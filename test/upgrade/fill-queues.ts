import type { ConsumeMessage, Options } from 'amqplib';
import { AmqpClient, GUEST } from './amqp-client.ts';
import type { Broker } from './broker.ts';
import { eventually } from './eventually.ts';
import { changed, delivered, type ExpectedMessage, type ExpectedQueue, publish } from './expected-message.ts';

const HOUR_MS = 3_600_000;

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
    await fillLarge(client),
    await fillBacklog(client),
    ...(await fillDeadLetters(broker, client)),
  ];
  // Last, as these have to be waited for.
  return [...filled, await fillRetrying(client), await fillDelayed(client)];
}

async function declare(
  { channel }: AmqpClient,
  name: string,
  queueArguments: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  await channel.assertQueue(name, { durable: true, arguments: queueArguments });
  return name;
}

function expected(name: string, messages: readonly ExpectedMessage[]): ExpectedQueue {
  return { login: GUEST, name, messages: [...messages] };
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
  for (const at of [4, 1, 6, 2]) channel.ack(held[at]!);
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

async function eventuallyReady(channel: AmqpClient['channel'], queue: string, count: number): Promise<void> {
  const look = async () => (await channel.checkQueue(queue)).messageCount;
  await eventually(look, (ready) => ready === count, `messages ready in ${queue}`);
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
  return expected(name, [delivered(changed(twice, { 'x-delivery-count': 2 })), never]);
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

/** A message that failed and waits until it is delivered again. */
async function fillRetrying(client: AmqpClient): Promise<ExpectedQueue> {
  const { channel } = client;
  const name = await declare(client, 'retrying', {
    'x-queue-type': 'quorum',
    'x-delayed-retry-type': 'all',
    'x-delayed-retry-min': 5000,
    'x-delayed-retry-max': 5000,
  });
  const failed = publish(channel, '', name, 'failed once');
  await channel.waitForConfirms();
  const message = await channel.get(name);
  if (message !== false) channel.reject(message, true);
  await eventuallyReady(channel, name, 0);
  return expected(name, [delivered(changed(failed, { 'x-delivery-count': 1 }))]);
}

/** One message that is due soon, and one that stays away for longer than the test takes. */
async function fillDelayed(client: AmqpClient): Promise<ExpectedQueue> {
  const { channel } = client;
  const name = await declare(client, 'delayed');
  await channel.assertExchange('later', 'x-delayed-message', { arguments: { 'x-delayed-type': 'direct' } });
  await channel.bindQueue(name, 'later', 'due');
  publish(channel, 'later', 'due', 'in an hour', { headers: { 'x-delay': HOUR_MS } });
  const soon = publish(channel, 'later', 'due', 'in five seconds', { headers: { 'x-delay': 5000 } });
  await channel.waitForConfirms();
  return expected(name, [changed(soon, { 'x-delay': -5000 })]);
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

/** Every reason for which a message is dead-lettered, and what is left in the queue that it comes from. */
async function fillDeadLetters(broker: Broker, client: AmqpClient): Promise<ExpectedQueue[]> {
  const { channel } = client;
  const name = await declare(client, 'dead');
  const dead = async (queue: string, more: Readonly<Record<string, unknown>>) =>
    await declare(client, queue, {
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': name,
      ...more,
    });
  const death = (message: ExpectedMessage, queue: string, reason: string): ExpectedMessage => {
    const headers: Record<string, unknown> = {
      'x-death': [{ count: 1, exchange: '', queue, reason, 'routing-keys': [queue] }],
    };
    for (const which of ['first', 'last']) {
      headers[`x-${which}-death-exchange`] = '';
      headers[`x-${which}-death-queue`] = queue;
      headers[`x-${which}-death-reason`] = reason;
    }
    return changed(message, headers, { exchange: '', routingKey: name });
  };
  const arrived = async (count: number) => await eventuallyReady(channel, name, count);

  const rejecting = await dead('rejecting', {});
  const rejected = publish(channel, '', rejecting, 'rejected', { headers: { mine: 1 } });
  await channel.waitForConfirms();
  const message = await channel.get(rejecting);
  if (message !== false) channel.reject(message, false);
  await arrived(1);

  const short = await dead('short', { 'x-max-length': 2, 'x-overflow': 'drop-head' });
  const [dropped, ...kept] = [0, 1, 2].map((at) => publish(channel, '', short, `short ${at}`));
  await arrived(2);

  const expiring = await dead('expiring', { 'x-message-ttl': 1 });
  const expired = publish(channel, '', expiring, 'expired');
  await arrived(3);

  const limited = await dead('limited', { 'x-queue-type': 'quorum', 'x-delivery-limit': 1 });
  const failing = publish(channel, '', limited, 'failed too often');
  await channel.waitForConfirms();
  const consumer = await AmqpClient.open(broker);
  await consumer.channel.consume(limited, (each) => each !== null && consumer.channel.reject(each, true));
  await arrived(4);
  await consumer.close();

  return [
    expected(name, [
      death(rejected, rejecting, 'rejected'),
      death(dropped!, short, 'maxlen'),
      death(expired, expiring, 'expired'),
      death(failing, limited, 'delivery_limit'),
    ]),
    { ...expected(short, kept), dropsMore: true },
    { ...expected(expiring, []), dropsMore: true },
    ...[rejecting, limited].map((queue) => expected(queue, [])),
  ];
}
