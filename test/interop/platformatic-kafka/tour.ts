/** What an application relies on, with @platformatic/kafka. The broker is at KAFKA_BOOTSTRAP; all holds for Apache Kafka. */
import assert from 'node:assert/strict';
import {
  Admin,
  type CompressionAlgorithmValue,
  Consumer,
  type ConsumerOptions,
  FetchIsolationLevels,
  type Message,
  type MessagesStream,
  Producer,
  type ProducerOptions,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';
import {
  BOOTSTRAP,
  eventually,
  fresh,
  numbers,
  SASL_BOOTSTRAP,
  type Step,
  tour,
} from '../kafka-steps/steps.ts';

type Text = string;
type Got = Message<Text, Text, Text, Text>;
type TextConsumer = Consumer<Text, Text, Text, Text>;
type TextStream = MessagesStream<Text, Text, Text, Text>;

// Guest, who rules the cluster, where it can log in: for its transactions this client sends AddPartitionsToTxn as brokers do.
const base = {
  clientId: 'tour',
  bootstrapBrokers: [SASL_BOOTSTRAP ?? BOOTSTRAP],
  ...(SASL_BOOTSTRAP === undefined
    ? {}
    : { sasl: { mechanism: 'PLAIN' as const, username: 'guest', password: 'guest' } }),
};
const admin = new Admin(base);

async function makeTopic(partitions = 1, configs: Record<string, string> = {}): Promise<string> {
  const topic = fresh('topic');
  const entries = Object.entries(configs).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs: entries });
  return topic;
}

function makeProducer(
  options: Partial<ProducerOptions<Text, Text, Text, Text>> = {},
): Producer<Text, Text, Text, Text> {
  return new Producer({ ...base, serializers: stringSerializers, ...options });
}

async function send(topic: string, values: readonly string[], partition = 0, acks = -1): Promise<void> {
  const producer = makeProducer();
  await producer.send({ acks, messages: values.map((value) => ({ topic, value, partition })) });
  await producer.close();
}

function makeConsumer(options: Partial<ConsumerOptions<Text, Text, Text, Text>> = {}): TextConsumer {
  const timing = { sessionTimeout: 6000, heartbeatInterval: 500, maxWaitTime: 300 };
  return new Consumer({
    ...base,
    groupId: fresh('group'),
    deserializers: stringDeserializers,
    ...timing,
    ...options,
  } as ConsumerOptions<Text, Text, Text, Text>);
}

async function open(
  consumer: TextConsumer,
  topic: string,
  mode: 'earliest' | 'latest' | 'committed' = 'earliest',
): Promise<{ stream: TextStream; got: Got[] }> {
  const stream = await consumer.consume({
    topics: [topic],
    mode,
    fallbackMode: 'earliest',
    autocommit: false,
  });
  const got: Got[] = [];
  stream.on('data', (message: Got) => got.push(message));
  return { stream, got };
}

async function readAll(
  topic: string,
  count: number,
  options: Partial<ConsumerOptions<Text, Text, Text, Text>> = {},
): Promise<Got[]> {
  const consumer = makeConsumer(options);
  const { got } = await open(consumer, topic, 'committed');
  await eventually(`${count} messages come`, () => got.length >= count);
  await consumer.close(true);
  assert.equal(got.length, count);
  return got;
}

const values = (messages: readonly Got[]) => messages.map(({ value }) => value);

async function roundTrip(compression: CompressionAlgorithmValue): Promise<void> {
  const topic = await makeTopic();
  const producer = makeProducer();
  const large = '0123456789'.repeat(20_000);
  const headers = new Map([
    ['text', 'größer als 日本'],
    ['empty', ''],
  ]);
  const { offsets } = await producer.send({
    compression,
    messages: [
      { topic, key: 'key', value: 'value', timestamp: 1_000_000_000_000n, headers, partition: 0 },
      { topic, key: 'large', value: large, partition: 0 },
    ],
  });
  assert.equal(offsets?.[0]?.offset, 0n);
  await producer.close();
  const [first, last] = await readAll(topic, 2);
  assert.deepEqual([first.key, first.value, first.timestamp], ['key', 'value', 1_000_000_000_000n]);
  assert.deepEqual(first.headers, headers);
  assert.equal(last.value, large);
}

async function acknowledgements(): Promise<void> {
  for (const acks of [0, 1, -1]) {
    const topic = await makeTopic();
    await send(topic, numbers(0, 200), 0, acks);
    assert.deepEqual(values(await readAll(topic, 200)), numbers(0, 200));
  }
}

async function idempotence(): Promise<void> {
  const topic = await makeTopic();
  const producer = makeProducer({ idempotent: true });
  for (const value of numbers(0, 50)) await producer.send({ messages: [{ topic, value }] });
  await producer.close();
  assert.deepEqual(values(await readAll(topic, 50)), numbers(0, 50));
}

async function latest(): Promise<void> {
  const topic = await makeTopic();
  await send(topic, ['old']);
  const consumer = makeConsumer();
  const { got } = await open(consumer, topic, 'latest');
  await new Promise((resolve) => setTimeout(resolve, 500));
  await send(topic, ['new']);
  await eventually('the new one comes', () => got.length > 0);
  assert.deepEqual(values(got), ['new']);
  await consumer.close(true);
}

async function commitAndResume(options: Partial<ConsumerOptions<Text, Text, Text, Text>>): Promise<void> {
  const topic = await makeTopic();
  const groupId = fresh('group');
  await send(topic, numbers(0, 10));
  const consumer = makeConsumer({ groupId, ...options });
  const { got } = await open(consumer, topic);
  await eventually('all come', () => got.length === 10);
  await consumer.commit({ offsets: [{ topic, partition: 0, offset: 4n, leaderEpoch: 0 }] });
  await consumer.close(true);
  assert.deepEqual(values(await readAll(topic, 6, { groupId, ...options })), numbers(4, 10));
}

async function twoMembers(options: Partial<ConsumerOptions<Text, Text, Text, Text>>): Promise<void> {
  const topic = await makeTopic(4);
  const groupId = fresh('group');
  const count = (consumer: TextConsumer) =>
    consumer.assignments?.find((each) => each.topic === topic)?.partitions.length ?? 0;
  const one = makeConsumer({ groupId, ...options });
  await open(one, topic);
  await eventually('the first has all', () => count(one) === 4);
  const two = makeConsumer({ groupId, ...options });
  await open(two, topic);
  await eventually('each has half', () => count(one) === 2 && count(two) === 2);
  await two.close(true);
  await eventually('the first has all again', () => count(one) === 4);
  await one.close(true);
}

async function transactions(): Promise<void> {
  const topic = await makeTopic();
  const producer = makeProducer({ idempotent: true, transactionalId: fresh('txn') });
  const consumer = makeConsumer({ isolationLevel: FetchIsolationLevels.READ_COMMITTED });
  const { got } = await open(consumer, topic);
  for (const value of ['first', 'second']) {
    const transaction = await producer.beginTransaction();
    await transaction.send({ messages: [{ topic, value }] });
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.ok(!values(got).includes(value), 'not yet');
    await transaction.commit();
    await eventually('it comes', () => values(got).includes(value));
  }
  // To leave out what was aborted is the client's work, which this one does not do.
  const aborted = await producer.beginTransaction();
  await aborted.send({ messages: [{ topic, value: 'aborted' }] });
  await aborted.abort();
  await producer.close();
  await consumer.close(true);
}

async function largeMessage(): Promise<void> {
  const topic = await makeTopic(1, { 'max.message.bytes': '100000' });
  await send(topic, ['x'.repeat(90_000)]);
  await assert.rejects(send(topic, ['x'.repeat(200_000)]), (error: unknown) =>
    /larger|TOO_LARGE/.test(reasons(error)),
  );
}

/** An error of this client tells in its causes what the broker said. */
function reasons(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const inner = error instanceof AggregateError ? error.errors.map(reasons).join() : '';
  const { apiId } = error as Error & { apiId?: string };
  return `${error.message} ${apiId} ${inner} ${reasons(error.cause)}`;
}

async function administration(): Promise<void> {
  const topic = await makeTopic(2, { 'retention.ms': '60000' });
  await assert.rejects(admin.createTopics({ topics: [topic] }));
  const [node] = (await admin.metadata({ topics: [topic] })).brokers.keys();
  await admin.createPartitions({ topics: [{ name: topic, count: 3, assignments: [{ brokerIds: [node] }] }] });
  assert.equal(
    (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic)?.partitionsCount,
    3,
  );
  const [{ configs }] = await admin.describeConfigs({
    resources: [{ resourceType: 2, resourceName: topic, configurationKeys: ['retention.ms'] }],
  });
  assert.equal(configs[0].value, '60000');
  await send(topic, numbers(0, 10));
  await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 4n }] }] });
  const groupId = fresh('group');
  assert.equal((await readAll(topic, 6, { groupId })).length, 6);
  const described = await admin.describeGroups({ groups: [groupId] });
  assert.equal(described.get(groupId)?.state.toUpperCase(), 'EMPTY');
  assert.ok((await admin.listGroups()).has(groupId));
  await admin.deleteGroups({ groups: [groupId] });
  await admin.deleteTopics({ topics: [topic] });
  assert.ok(!(await admin.listTopics()).includes(topic));
}

async function logIn(mechanism: 'PLAIN'): Promise<void> {
  const login = (password: string) =>
    new Admin({
      ...base,
      bootstrapBrokers: [SASL_BOOTSTRAP ?? ''],
      retries: 0,
      sasl: { mechanism, username: 'guest', password },
    });
  const right = login('guest');
  assert.ok((await right.listTopics()).length > 0);
  await right.close();
  const wrong = login('wrong');
  await assert.rejects(wrong.listTopics());
  await wrong.close();
}

const steps: Step[] = [
  ...(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const).map(
    (codec): Step => [`messages come back as they went in, compressed with ${codec}`, () => roundTrip(codec)],
  ),
  ['with each level of acknowledgement all messages arrive, in order', acknowledgements],
  ['an idempotent producer keeps the order', idempotence],
  ['a consumer begins at the latest', latest],
  ['a group goes on where it has committed', () => commitAndResume({})],
  [
    'a group goes on where it has committed, by the new protocol',
    () => commitAndResume({ groupProtocol: 'consumer' }),
  ],
  ['two members share the partitions', () => twoMembers({})],
  [
    'two members share the partitions, as the broker divides them',
    () => twoMembers({ groupProtocol: 'consumer' }),
  ],
  ['what a transaction writes is read when it is committed, and not before', transactions],
  ['a message beyond max.message.bytes is refused, one within is not', largeMessage],
  ['topics, settings, records and groups are administered', administration],
];
if (SASL_BOOTSTRAP !== undefined)
  steps.push(['guest logs in with PLAIN; a wrong password is refused', () => logIn('PLAIN')]);
await tour(steps);
