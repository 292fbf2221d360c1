import assert from 'node:assert/strict';
import { endTxnV4, initProducerIdV5, listTransactionsV1 } from '@platformatic/kafka';
import type { Producer } from 'kafkajs';
import type { Broker } from './broker.ts';
import { KafkaClient, kafkaJs } from './kafka-client.ts';

const TOPIC = 'in-transactions';
const TO_COMMIT = 'open, to be committed';
const TO_ABORT = 'open, to be aborted';
export const GROUP_IN_TRANSACTION = 'in a transaction';

/** Two transactions that are over, and two that are not. Their producers stay connected: they are told to `open`. */
export async function fillTransactions(broker: Broker, open: Producer[]): Promise<void> {
  const client = await KafkaClient.open(broker);
  await client.createTopic(TOPIC, 1);
  await client.close();
  const kafka = kafkaJs(broker);
  const producerOf = async (transactionalId: string) => {
    const settings = {
      transactionalId,
      idempotent: true,
      maxInFlightRequests: 1,
      transactionTimeout: 600_000,
    };
    const producer = kafka.producer(settings);
    await producer.connect();
    return producer;
  };
  const done = await producerOf('done');
  for (const outcome of ['committed', 'aborted']) {
    const transaction = await done.transaction();
    await transaction.send({
      topic: TOPIC,
      messages: [{ value: `${outcome} 1` }, { value: `${outcome} 2` }],
    });
    const offset = outcome === 'committed' ? '7' : '9';
    await transaction.sendOffsets({
      consumerGroupId: GROUP_IN_TRANSACTION,
      topics: [{ topic: TOPIC, partitions: [{ partition: 0, offset }] }],
    });
    await (outcome === 'committed' ? transaction.commit() : transaction.abort());
  }
  await done.disconnect();
  for (const id of [TO_COMMIT, TO_ABORT]) {
    const producer = await producerOf(id);
    open.push(producer);
    await (await producer.transaction()).send({ topic: TOPIC, messages: [{ value: id }] });
  }
}

/** What is open is open, until it is ended: one by its producer's own id, the other by who takes its place. */
export async function verifyTransactions(broker: Broker): Promise<void> {
  const client = await KafkaClient.open(broker);
  const values = async (committedOnly: boolean) =>
    (await client.read(TOPIC, 0, committedOnly)).records.map(({ value }) => value);
  const all = ['committed 1', 'committed 2', 'aborted 1', 'aborted 2', TO_COMMIT, TO_ABORT];
  assert.deepEqual(await values(false), all);
  assert.deepEqual(await values(true), ['committed 1', 'committed 2']);
  // Three records and a marker of each of the two transactions before them.
  assert.equal((await client.read(TOPIC, 0)).lastStableOffset, 6);
  const { transactionStates } = await listTransactionsV1.api.async(
    client.connection,
    ['Ongoing'],
    [],
    -1n,
    null,
  );
  const ids = transactionStates.map(({ transactionalId }) => transactionalId).sort();
  assert.deepEqual(ids, [TO_ABORT, TO_COMMIT]);
  const first = transactionStates.find(({ transactionalId }) => transactionalId === TO_COMMIT)!;
  await endTxnV4.api.async(client.connection, TO_COMMIT, first.producerId, 0, true);
  await initProducerIdV5.api.async(client.connection, TO_ABORT, 60_000);
  await verifyEnded(client);
  await client.close();
}

export async function verifyEndedTransactions(broker: Broker): Promise<void> {
  const client = await KafkaClient.open(broker);
  await verifyEnded(client);
  await client.close();
}

async function verifyEnded(client: KafkaClient): Promise<void> {
  const { records, highWatermark, lastStableOffset } = await client.read(TOPIC, 0, true);
  assert.deepEqual(
    records.map(({ value }) => value),
    ['committed 1', 'committed 2', TO_COMMIT],
  );
  assert.deepEqual([highWatermark, lastStableOffset], [10, 10]);
}
