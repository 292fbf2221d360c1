import assert from 'node:assert/strict';
import type { ConsumeMessage, GetMessage, Options } from 'amqplib';
import { AmqpClient, GUEST } from './amqp-client.ts';
import type { Broker, Json } from './broker.ts';
import { eventually } from './eventually.ts';
import { delivered, type ExpectedMessage, type ExpectedQueue, publish, seen } from './expected-message.ts';
import { KafkaClient } from './kafka-client.ts';

const STREAM = 'a stream';
const REMEMBERING = 'remembering';
const FED = 'fed by remembering';
const REPLAYED = 'fed from the past';
const SOURCE = 'a-topic-with-bindings';

export interface ExpectedStreams {
  /** What is read of the stream, from its beginning. */
  readonly messages: readonly ExpectedMessage[];
  /** What the streams have fed. */
  readonly queues: readonly ExpectedQueue[];
}

export async function fillStreams(broker: Broker): Promise<ExpectedStreams> {
  const client = await AmqpClient.open(broker);
  const messages = await fillStream(client);
  const queues = [await fillRemembering(broker, client), await fillReplayed(broker, client)];
  await client.close();
  return { messages, queues };
}

/** A queue of type `stream`: a transient message in it is kept, too. */
async function fillStream({ channel }: AmqpClient): Promise<ExpectedMessage[]> {
  const settings = { 'x-queue-type': 'stream', 'x-max-length-bytes': 1_000_000_000, 'x-max-age': '7D' };
  await channel.assertQueue(STREAM, { arguments: settings });
  const options: Options.Publish[] = [{ headers: { at: 0 }, messageId: 'first' }, { deliveryMode: 1 }, {}];
  const sent = options.map((each, at) => publish(channel, '', STREAM, `in a stream ${at}`, each));
  await channel.waitForConfirms();
  return sent;
}

/** What an exchange remembers reaches the queue by way of the log; some of it has been consumed. */
async function fillRemembering(broker: Broker, { channel }: AmqpClient): Promise<ExpectedQueue> {
  await channel.assertExchange(REMEMBERING, 'topic');
  await channel.assertQueue(FED);
  await channel.bindQueue(FED, REMEMBERING, 'wanted.#');
  const definition = { remember: true, 'remember-partitions': 1, 'retention-ms': 86_400_000 };
  const policy = { pattern: `^${REMEMBERING}$`, 'apply-to': 'exchanges', definition };
  await broker.put('/api/policies/%2F/remember', policy);
  const sent: ExpectedMessage[] = [];
  for (let at = 0; at < 10; at++) {
    publish(channel, REMEMBERING, 'unwanted', `unwanted ${at}`);
    sent.push(publish(channel, REMEMBERING, `wanted.${at}`, `wanted ${at}`, { headers: { at } }));
  }
  await channel.waitForConfirms();
  await fed(channel, FED, 10);
  const got: GetMessage[] = [];
  for (let at = 0; at < 4; at++) {
    const message = await channel.get(FED);
    if (message !== false) got.push(message);
  }
  for (const at of [0, 1, 3]) channel.ack(got[at]);
  channel.nack(got[2], false, true);
  await fed(channel, FED, 7);
  return { login: GUEST, name: FED, messages: [delivered(sent[2]), ...sent.slice(4)] };
}

/** Bound when there were records already: filled from the first one, and then fed with what comes. */
async function fillReplayed(broker: Broker, { channel }: AmqpClient): Promise<ExpectedQueue> {
  const kafka = await KafkaClient.open(broker);
  // Its records are older than a retention that is not said.
  await kafka.createTopic(SOURCE, 1, { 'retention.ms': '-1' });
  const before = await produceSome(kafka);
  await channel.assertQueue(REPLAYED);
  await channel.bindQueue(REPLAYED, SOURCE, '#', { 'x-replay-from': 'first' });
  const after = await produceSome(kafka);
  await kafka.close();
  await fed(channel, REPLAYED, 10);
  return { login: GUEST, name: REPLAYED, messages: [...before, ...after] };
}

/** Resolves with what AMQP clients make of these records. */
async function produceSome(kafka: KafkaClient): Promise<ExpectedMessage[]> {
  const keys = ['one.key', 'another.key', 'x', 'y', 'z'];
  const timestamp = 1_700_000_000_000;
  const records = keys.map((key) => ({
    key: Buffer.from(key),
    value: Buffer.from(`record of ${key}`),
    timestamp: BigInt(timestamp),
  }));
  const first = await kafka.produce(SOURCE, 0, records);
  return records.map(({ key, value }, at) => {
    const position = { 'x-stream-offset': first + at, 'x-stream-partition': 0 };
    const headers = { 'x-record-timestamp': timestamp, ...position };
    const properties = { deliveryMode: 2, timestamp: timestamp / 1000, headers };
    return { exchange: SOURCE, routingKey: key.toString(), body: value, properties, wasDelivered: false };
  });
}

async function fed(channel: AmqpClient['channel'], queue: string, count: number): Promise<void> {
  await eventually(
    async () => (await channel.checkQueue(queue)).messageCount,
    (ready) => ready === count,
    `messages ready in '${queue}'`,
  );
}

/** Reads the stream, and publishes to each. @returns what is there then; the queues have not been read yet */
export async function verifyStreams(broker: Broker, expected: ExpectedStreams): Promise<ExpectedStreams> {
  const client = await AmqpClient.open(broker);
  const { channel } = client;
  assert.deepEqual(await readStream(broker, 'first', expected.messages.length), [...expected.messages]);
  assert.deepEqual(await readStream(broker, 2, expected.messages.length - 2), expected.messages.slice(2));
  const messages = [...expected.messages, publish(channel, '', STREAM, 'added to the stream')];
  const added = publish(channel, REMEMBERING, 'wanted.more', 'added', { headers: { at: 10 } });
  await channel.waitForConfirms();
  const kafka = await KafkaClient.open(broker);
  const produced = await produceSome(kafka);
  await kafka.close();
  const more: Readonly<Record<string, readonly ExpectedMessage[]>> = {
    [FED]: [added],
    [REPLAYED]: produced,
  };
  const queues = expected.queues.map((queue) => ({
    ...queue,
    messages: [...queue.messages, ...more[queue.name]],
  }));
  await allFed(broker);
  for (const { name, messages: wanted } of queues) await fed(channel, name, wanted.length);
  await client.close();
  return { messages, queues };
}

/** What has gone through the bindings would be counted here once more if its position were lost. */
async function allFed(broker: Broker): Promise<void> {
  const look = async () => (await broker.get('/api/streams')) as readonly Json[];
  const isFed = (streams: readonly Json[]) => streams.every((stream) => stream.messages_to_feed === 0);
  await eventually(look, isFed, 'streams that are fed');
}

async function readStream(broker: Broker, offset: unknown, count: number): Promise<ExpectedMessage[]> {
  const client = await AmqpClient.open(broker);
  const { channel } = client;
  const got: ConsumeMessage[] = [];
  await channel.prefetch(100);
  const settings = { arguments: { 'x-stream-offset': offset } };
  await channel.consume(STREAM, (message) => message !== null && got.push(message), settings);
  await eventually(
    () => got.length,
    (length) => length >= count,
    'records of the stream',
  );
  await client.close();
  const first = typeof offset === 'number' ? offset : 0;
  return got.map((message, at) => {
    const { 'x-stream-offset': position, 'x-stream-partition': _, ...headers } = message.properties.headers!;
    assert.equal(position, first + at, 'offset in the stream');
    const found = seen(message);
    return { ...found, properties: { ...found.properties, headers } };
  });
}
