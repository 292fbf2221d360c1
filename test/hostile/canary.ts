import { connect } from 'amqplib';
import { fetch } from '../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../src/wire/kafka/messages/produce.ts';
import { createTopics } from '../../src/wire/kafka/messages/topics.ts';
import { batchOf } from '../broker/streams/batches.ts';
import { kafkaLogin } from './kafka-login.ts';

/**
 * Ordinary clients, in a process of their own: every five milliseconds a message is published and consumed, over AMQP
 * (confirmed and acknowledged) and over Kafka (acks=all, a fetch that waits), and what that took is told.
 */
const PAUSE_MS = 5;
const SILENCE_MS = 20_000;

export interface CanaryOrder {
  readonly amqpPort: number;
  readonly kafkaPort: number;
  readonly user: string;
  readonly password: string;
  /** Messages before those that are told. */
  readonly warmUp: number;
}

export type Song =
  | { readonly ready: true }
  | { readonly protocol: 'amqp' | 'kafka'; readonly ms: number }
  | { readonly problem: string };

function tell(song: Song): void {
  process.send?.(song);
}

async function singAmqp({ amqpPort, user, password }: CanaryOrder): Promise<() => Promise<void>> {
  // With Nagle's algorithm the acknowledgement waits 40 ms for that of the kernel.
  const connection = await connect(`amqp://${user}:${password}@127.0.0.1:${amqpPort}`, { noDelay: true });
  connection.on('error', (error) => tell({ problem: `amqp: ${error}` }));
  connection.on('close', () => tell({ problem: 'amqp: the connection was closed' }));
  const channel = await connection.createConfirmChannel();
  channel.on('error', (error) => tell({ problem: `amqp: ${error}` }));
  const { queue } = await channel.assertQueue('', { exclusive: true });
  let delivered: (text: string) => void = () => undefined;
  await channel.consume(queue, (message) => {
    if (message === null) return tell({ problem: 'amqp: the consumer was cancelled' });
    channel.ack(message);
    delivered(message.content.toString());
  });
  let count = 0;
  return async () => {
    const sent = String(count++);
    const delivery = new Promise<string>((resolve) => (delivered = resolve));
    channel.sendToQueue(queue, Buffer.from(sent), { persistent: count % 10 === 0 });
    const [text] = await Promise.all([delivery, channel.waitForConfirms()]);
    if (text !== sent) tell({ problem: `amqp: message ${sent} was sent, ${text} came` });
  };
}

async function singKafka(order: CanaryOrder): Promise<() => Promise<void>> {
  const [producer, consumer] = await Promise.all([kafkaLogin(order), kafkaLogin(order)]);
  const topic = `canary-${process.pid}`;
  const created = await producer.request(createTopics, 5, {
    topics: [{ name: topic, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 10_000,
  });
  if (created.topics[0]?.errorCode !== 0)
    throw new Error(`the canary's topic: ${created.topics[0]?.errorMessage}`);
  let offset = 0;
  return async () => {
    const wait = { maxWaitMs: 10_000, minBytes: 1, maxBytes: 1_000_000 };
    const partitions = [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1_000_000 }];
    const fetched = consumer.request(fetch, 11, {
      ...wait,
      topics: [{ topic, partitions }],
      forgottenTopicsData: [],
    });
    const records = batchOf([String(offset)], Date.now());
    const produced = await producer.request(produce, 9, {
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    });
    const error = produced.responses[0]?.partitionResponses[0]?.errorCode;
    if (error !== 0) tell({ problem: `kafka: a record was refused with error ${error}` });
    const [partition] = (await fetched).responses[0]?.partitions ?? [];
    if (partition?.errorCode !== 0 || partition.records === null) tell({ problem: 'kafka: no record came' });
    offset++;
  };
}

async function sing(protocol: 'amqp' | 'kafka', once: () => Promise<void>): Promise<never> {
  for (;;) {
    const begin = performance.now();
    const silence = setTimeout(
      () => tell({ problem: `${protocol}: nothing for ${SILENCE_MS} ms` }),
      SILENCE_MS,
    );
    await once();
    clearTimeout(silence);
    tell({ protocol, ms: performance.now() - begin });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

process.once('message', async (order: CanaryOrder) => {
  try {
    const amqp = await singAmqp(order);
    const kafka = await singKafka(order);
    for (let i = 0; i < order.warmUp; i++) await Promise.all([amqp(), kafka()]);
    tell({ ready: true });
    await Promise.all([sing('amqp', amqp), sing('kafka', kafka)]);
  } catch (error) {
    tell({ problem: String(error) });
  }
});
process.on('disconnect', () => process.exit());
