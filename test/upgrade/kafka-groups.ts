import assert from 'node:assert/strict';
import { Consumer, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka';
import type { Broker } from './broker.ts';
import { eventually } from './eventually.ts';
import { KafkaClient, kafkaJs, TIMEOUTS } from './kafka-client.ts';
import { GROUP_IN_TRANSACTION } from './kafka-transactions.ts';

const TOPIC = 'for-groups';
const CLASSIC = 'classic-group';
const CONSUMER = 'consumer-group';
const RECORDS = 10;
const POLLING = { maxWaitTimeInMs: 100, heartbeatInterval: 500, sessionTimeout: 30_000 };

/** A group of each protocol that has read and committed, and left. */
export async function fillGroups(broker: Broker): Promise<void> {
  const client = await KafkaClient.open(broker);
  await client.createTopic(TOPIC, 2);
  for (const partition of [0, 1]) {
    const values = Array.from({ length: RECORDS }, (_, at) => ({ value: Buffer.from(`${partition}:${at}`) }));
    await client.produce(TOPIC, partition, values);
  }
  await client.close();
  await commitClassic(broker);
  await commitConsumer(broker);
}

async function commitClassic(broker: Broker): Promise<void> {
  const consumer = kafkaJs(broker).consumer({ groupId: CLASSIC, ...POLLING });
  let count = 0;
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async () => {
      count++;
    },
  });
  await eventually(
    () => count,
    (seen) => seen === 2 * RECORDS,
    'records for the classic group',
  );
  await consumer.commitOffsets([
    { topic: TOPIC, partition: 0, offset: '4', metadata: 'so far' },
    { topic: TOPIC, partition: 1, offset: '10' },
  ]);
  await consumer.disconnect();
}

/** By the protocol in which the broker divides the partitions (KIP-848). */
async function commitConsumer(broker: Broker): Promise<void> {
  const consumer = new Consumer({
    clientId: 'upgrade',
    bootstrapBrokers: [`127.0.0.1:${broker.port('kafka')}`],
    sasl: { mechanism: 'PLAIN', username: 'guest', password: 'guest' },
    groupId: CONSUMER,
    groupProtocol: 'consumer',
    deserializers: stringDeserializers,
    maxWaitTime: 100,
    ...TIMEOUTS,
  });
  const stream = await consumer.consume({
    topics: [TOPIC],
    mode: MessagesStreamModes.EARLIEST,
    autocommit: false,
  });
  let count = 0;
  stream.on('data', () => count++);
  await eventually(
    () => count,
    (seen) => seen === 2 * RECORDS,
    'records for the consumer group',
  );
  await consumer.commit({ offsets: [{ topic: TOPIC, partition: 1, offset: 6n, leaderEpoch: 0 }] });
  await consumer.close(true);
}

export async function verifyGroups(broker: Broker): Promise<void> {
  const admin = kafkaJs(broker).admin();
  await admin.connect();
  const offsets = async (groupId: string, topic = TOPIC) => {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return found!.partitions
      .toSorted((one, other) => one.partition - other.partition)
      .map(({ offset, metadata }) => [offset, metadata ?? '']);
  };
  assert.deepEqual(await offsets(CLASSIC), [
    ['4', 'so far'],
    ['10', ''],
  ]);
  assert.deepEqual(await offsets(CONSUMER), [
    ['-1', ''],
    ['6', ''],
  ]);
  assert.deepEqual(await offsets(GROUP_IN_TRANSACTION, 'in-transactions'), [['7', '']]);
  await admin.disconnect();
}

/** A consumer begins where its group has committed. */
export async function verifyGroupGoesOn(broker: Broker): Promise<void> {
  const consumer = kafkaJs(broker).consumer({ groupId: CLASSIC, ...POLLING });
  const got: string[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      got.push(String(message.value));
    },
  });
  await eventually(
    () => got.length,
    (length) => length >= 6,
    'records for the group that goes on',
  );
  await consumer.disconnect();
  assert.deepEqual(got, ['0:4', '0:5', '0:6', '0:7', '0:8', '0:9']);
}
