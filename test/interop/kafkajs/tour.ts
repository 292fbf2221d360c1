/** What an application relies on, with kafkajs. The broker is at KAFKA_BOOTSTRAP. All of it holds for Apache Kafka too. */
import assert from 'node:assert/strict';
import kafkajs, { type Consumer, type ConsumerConfig, type KafkaMessage } from 'kafkajs';
import {
  BOOTSTRAP,
  eventually,
  fresh,
  numbers,
  SASL_BOOTSTRAP,
  type Step,
  tour,
} from '../kafka-steps/steps.ts';

// A CommonJS module, whose names Node does not find.
const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
const { CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs;

const kafka = new Kafka({ brokers: [BOOTSTRAP], logLevel: logLevel.NOTHING });
// Who has not logged in administers nothing: where guest can log in, guest does.
const admin = new Kafka({
  brokers: [SASL_BOOTSTRAP ?? BOOTSTRAP],
  logLevel: logLevel.NOTHING,
  ...(SASL_BOOTSTRAP === undefined
    ? {}
    : { sasl: { mechanism: 'plain' as const, username: 'guest', password: 'guest' } }),
}).admin();
await admin.connect();

async function makeTopic(partitions = 1, configs: Record<string, string> = {}): Promise<string> {
  const topic = fresh('topic');
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }] });
  return topic;
}

async function send(topic: string, values: readonly string[], partition = 0, acks = -1): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, acks, messages: values.map((value) => ({ value, partition })) });
  await producer.disconnect();
}

type Got = KafkaMessage & { readonly partition: number };

/** A consumer that runs, and what it has got. */
async function consume(
  topic: string,
  config: Partial<ConsumerConfig> = {},
  autoCommit = false,
): Promise<{ consumer: Consumer; got: Got[] }> {
  const consumer = kafka.consumer({
    groupId: fresh('group'),
    heartbeatInterval: 200,
    sessionTimeout: 6000,
    rebalanceTimeout: 6000,
    maxWaitTimeInMs: 200,
    ...config,
  });
  const got: Got[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit,
    eachMessage: async ({ message, partition }) => {
      got.push({ ...message, partition });
    },
  });
  return { consumer, got };
}

async function readAll(topic: string, count: number, config: Partial<ConsumerConfig> = {}): Promise<Got[]> {
  const { consumer, got } = await consume(topic, config);
  await eventually(`${count} messages come`, () => got.length >= count);
  await consumer.disconnect();
  assert.equal(got.length, count);
  return got;
}

const values = (messages: readonly Got[]) => messages.map(({ value }) => value?.toString());

async function roundTrip(compression: kafkajs.CompressionTypes): Promise<void> {
  const topic = await makeTopic();
  const producer = kafka.producer();
  await producer.connect();
  const large = '0123456789'.repeat(20_000);
  const headers = { text: 'größer als 日本', bytes: Buffer.from([0, 1, 255]), twice: ['first', 'second'] };
  const sent = await producer.send({
    topic,
    compression,
    messages: [
      { key: 'key', value: 'value', timestamp: '1000000000000', headers },
      { key: 'tombstone', value: null },
      { value: '' },
      { key: '', value: large },
    ],
  });
  assert.equal(sent[0]?.baseOffset, '0');
  await producer.disconnect();
  const [first, tombstone, empty, last] = await readAll(topic, 4);
  assert.equal(first.key?.toString(), 'key');
  assert.equal(first.value?.toString(), 'value');
  assert.equal(first.timestamp, '1000000000000');
  assert.equal(first.headers?.text?.toString(), headers.text);
  assert.deepEqual(first.headers?.bytes, headers.bytes);
  assert.deepEqual(String(first.headers?.twice), 'first,second');
  assert.equal(tombstone.value, null);
  assert.equal(empty.key, null);
  assert.equal(empty.value?.length, 0);
  assert.equal(last.value?.toString(), large);
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
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (let i = 0; i < 50; i++) await producer.send({ topic, messages: [{ value: String(i) }] });
  await producer.disconnect();
  assert.deepEqual(values(await readAll(topic, 50)), numbers(0, 50));
}

async function positions(): Promise<void> {
  const topic = await makeTopic();
  const producer = kafka.producer();
  await producer.connect();
  const messages = numbers(0, 20).map((value) => ({
    value,
    timestamp: String(1_000_000 + 10 * Number(value)),
  }));
  for (const message of messages) await producer.send({ topic, messages: [message] });
  await producer.disconnect();
  assert.deepEqual(await admin.fetchTopicOffsetsByTimestamp(topic, 1_000_101), [
    { partition: 0, offset: '11' },
  ]);
  const [{ low, high, offset }] = await admin.fetchTopicOffsets(topic);
  assert.deepEqual([low, high, offset], ['0', '20', '20']);
  const { consumer, got } = await consume(topic);
  await eventually('all come', () => got.length === 20);
  consumer.seek({ topic, partition: 0, offset: '17' });
  await eventually('the last come again', () => got.length === 23);
  assert.deepEqual(values(got.slice(20)), numbers(17, 20));
  await consumer.disconnect();
}

async function pause(): Promise<void> {
  const topic = await makeTopic(2);
  const { consumer, got } = await consume(topic);
  consumer.pause([{ topic, partitions: [0] }]);
  await send(topic, numbers(0, 5), 0);
  await send(topic, numbers(0, 5), 1);
  await eventually('some come', () => got.length >= 5);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual([...new Set(got.map(({ partition }) => partition))], [1]);
  consumer.resume([{ topic, partitions: [0] }]);
  await eventually('the others come', () => got.length === 10);
  await consumer.disconnect();
}

async function commitAndResume(): Promise<void> {
  const topic = await makeTopic();
  const groupId = fresh('group');
  await send(topic, numbers(0, 10));
  const first = await consume(topic, { groupId });
  await eventually('all come', () => first.got.length === 10);
  await first.consumer.commitOffsets([{ topic, partition: 0, offset: '4', metadata: 'so far' }]);
  await first.consumer.disconnect();
  assert.deepEqual(values(await readAll(topic, 6, { groupId })), numbers(4, 10));
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] });
  assert.deepEqual([partitions[0].offset, partitions[0].metadata], ['4', 'so far']);
}

async function twoMembers(): Promise<void> {
  const topic = await makeTopic(4);
  const groupId = fresh('group');
  const settle = async (expected: number) => {
    await eventually(`${expected} members share the partitions`, async () => {
      const { groups } = await admin.describeGroups([groupId]);
      return groups[0]?.state === 'Stable' && groups[0].members.length === expected;
    });
  };
  const one = await consume(topic, { groupId });
  await settle(1);
  const two = await consume(topic, { groupId });
  await settle(2);
  // To be described as stable is not yet to have heard of it.
  for (let partition = 0; partition < 4; partition++) await send(topic, numbers(0, 5), partition);
  await eventually('all come', () => one.got.length + two.got.length >= 20);
  assert.equal(new Set(two.got.map(({ partition }) => partition)).size, 2);
  await two.consumer.disconnect();
  await settle(1);
  await one.consumer.disconnect();
}

async function transactions(): Promise<void> {
  const source = await makeTopic();
  const target = await makeTopic();
  const consumerGroupId = fresh('group');
  const producer = kafka.producer({
    transactionalId: fresh('txn'),
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  for (const outcome of ['aborted', 'committed', 'aborted', 'committed']) {
    const transaction = await producer.transaction();
    await transaction.send({ topic: target, messages: [{ value: outcome }] });
    const topics = [
      { topic: source, partitions: [{ partition: 0, offset: outcome === 'aborted' ? '5' : '7' }] },
    ];
    await transaction.sendOffsets({ consumerGroupId, topics });
    await (outcome === 'aborted' ? transaction.abort() : transaction.commit());
  }
  await producer.disconnect();
  assert.deepEqual(values(await readAll(target, 2)), ['committed', 'committed']);
  assert.equal((await readAll(target, 4, { readUncommitted: true })).length, 4);
  const [{ partitions }] = await admin.fetchOffsets({ groupId: consumerGroupId, topics: [source] });
  assert.equal(partitions[0].offset, '7');
}

async function largeMessage(): Promise<void> {
  const topic = await makeTopic(1, { 'max.message.bytes': '100000' });
  await send(topic, ['x'.repeat(90_000)]);
  await assert.rejects(send(topic, ['x'.repeat(200_000)]), { type: 'MESSAGE_TOO_LARGE' });
}

async function administration(): Promise<void> {
  const topic = await makeTopic(2, { 'retention.ms': '60000' });
  assert.equal(await admin.createTopics({ topics: [{ topic }] }), false);
  await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  assert.equal(topics[0].partitions.length, 3);
  const type = ConfigResourceTypes.TOPIC;
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type, name: topic, configEntries: [{ name: 'retention.bytes', value: '5000000' }] }],
  });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type, name: topic }],
  });
  const setting = (name: string) =>
    resources[0].configEntries.find((entry) => entry.configName === name)?.configValue;
  // AlterConfigs replaces all that was set.
  assert.deepEqual([setting('retention.bytes'), setting('retention.ms')], ['5000000', '604800000']);
  await send(topic, numbers(0, 10));
  // This client only knows the leaders of topics that it was asked for.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] });
  const offsets = await admin.fetchTopicOffsets(topic);
  assert.equal(offsets.find(({ partition }) => partition === 0)?.low, '4');
  const groupId = fresh('group');
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '7' }] });
  assert.ok((await admin.listGroups()).groups.some((group) => group.groupId === groupId));
  assert.equal((await readAll(topic, 3, { groupId })).length, 3);
  await admin.deleteGroups([groupId]);
  assert.ok((await admin.describeCluster()).brokers.length >= 1);
  await admin.deleteTopics({ topics: [topic] });
  assert.ok(!(await admin.listTopics()).includes(topic));
}

async function access(): Promise<void> {
  const acl = {
    resourceType: AclResourceTypes.TOPIC,
    resourceName: fresh('topic'),
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: 'User:somebody',
    host: '*',
    operation: AclOperationTypes.READ,
    permissionType: AclPermissionTypes.ALLOW,
  };
  await admin.createAcls({ acl: [acl] });
  await eventually('it is told', async () => (await admin.describeAcls(acl)).resources.length === 1);
  const { filterResponses } = await admin.deleteAcls({ filters: [acl] });
  assert.equal(filterResponses[0].matchingAcls.length, 1);
}

async function logIn(): Promise<void> {
  const login = (password: string) =>
    new Kafka({
      brokers: [SASL_BOOTSTRAP ?? ''],
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
      sasl: { mechanism: 'plain', username: 'guest', password },
    }).admin();
  const right = login('guest');
  await right.connect();
  assert.ok((await right.listTopics()).length > 0);
  await right.disconnect();
  await assert.rejects(login('wrong').connect(), { name: 'KafkaJSSASLAuthenticationError' });
}

const steps: Step[] = [
  ['messages come back as they went in, uncompressed', () => roundTrip(CompressionTypes.None)],
  // The other codecs are plug-ins of kafkajs.
  ['messages come back as they went in, compressed with gzip', () => roundTrip(CompressionTypes.GZIP)],
  ['with each level of acknowledgement all messages arrive, in order', acknowledgements],
  ['an idempotent producer keeps the order', idempotence],
  ['offsets are found by time, and a consumer seeks', positions],
  ['what is paused does not come until it is resumed', pause],
  ['a group goes on where it has committed, with its metadata', commitAndResume],
  ['two members share the partitions', twoMembers],
  ['what is committed is read, what is aborted is not, and offsets go with it', transactions],
  ['a message beyond max.message.bytes is refused, one within is not', largeMessage],
  ['topics, settings, records, offsets and groups are administered', administration],
  ['access is granted, read and withdrawn', access],
];
if (SASL_BOOTSTRAP !== undefined)
  steps.push(['guest logs in with PLAIN; a wrong password is refused', logIn]);
await tour(steps);
