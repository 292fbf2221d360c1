import { connect } from 'amqplib';
import { Kafka, logLevel } from 'kafkajs';

export interface Addresses {
  /** `amqp://127.0.0.1:5672` */
  readonly amqp: string;
  /** `127.0.0.1:9092` */
  readonly kafka: string;
}

/** What each of the readers got. */
export interface Readings {
  /** Offsets and values, as a consumer of Kafka's has them. */
  readonly kafkaGroup: readonly string[];
  /** What an AMQP consumer took from the queue that was bound from the start, and acknowledged. */
  readonly queue: readonly string[];
  /** What was in a queue that was bound when all of it had happened. */
  readonly lateQueue: readonly string[];
}

const TOPIC = 'orders';
const COUNT = 10;
const PATIENCE_MS = 20_000;

/**
 * One record, three readers: a Kafka client writes orders to a topic. A queue that is bound to the topic's exchange gives
 * them to an AMQP consumer, which acknowledges each. A Kafka group reads the same records at their offsets. And a queue
 * that is bound later, from the past, gets all of it.
 */
export async function oneRecordThreeReaders(
  addresses: Addresses,
  say: (line: string) => void,
): Promise<Readings> {
  const kafka = new Kafka({ brokers: [addresses.kafka], clientId: 'demo', logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  if (!(await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }] }))) {
    await admin.disconnect();
    throw new Error(`there is a topic '${TOPIC}' already: npx sluice streams delete ${TOPIC} --force`);
  }
  say(`topic '${TOPIC}' was created over Kafka: there is an exchange of that name now`);

  const amqp = await connect(addresses.amqp);
  const channel = await amqp.createChannel();
  await channel.assertQueue('to-ship', { durable: true });
  // The key of a record is its routing key.
  await channel.bindQueue('to-ship', TOPIC, 'eu.#');
  say("queue 'to-ship' was bound to it over AMQP, with the key 'eu.#'");

  const producer = kafka.producer();
  await producer.connect();
  const messages = Array.from({ length: COUNT }, (_, i) => ({
    key: i % 2 === 0 ? `eu.customer-${i}` : `us.customer-${i}`,
    value: `order ${i}`,
    headers: { 'content-type': 'text/plain' },
  }));
  await producer.send({ topic: TOPIC, messages });
  await producer.disconnect();
  say(`${COUNT} orders were produced over Kafka`);

  const queue: string[] = [];
  await channel.prefetch(3);
  await channel.consume('to-ship', (message) => {
    if (message === null) return;
    queue.push(`${message.fields.routingKey}: ${message.content.toString()}`);
    channel.ack(message);
  });
  await until(() => queue.length === COUNT / 2);
  say(`the AMQP consumer acknowledged ${queue.length}: ${queue.join(', ')}`);

  const kafkaGroup: string[] = [];
  const consumer = kafka.consumer({ groupId: 'auditors' });
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      kafkaGroup.push(`${message.offset}: ${message.value?.toString()}`);
    },
  });
  await until(() => kafkaGroup.length === COUNT);
  await consumer.disconnect();
  say(`the Kafka group 'auditors' read ${kafkaGroup.length}: ${kafkaGroup.join(', ')}`);

  await channel.assertQueue('history', { durable: true });
  await channel.bindQueue('history', TOPIC, '#', { 'x-replay-from': 'first' });
  await untilAsync(async () => (await channel.checkQueue('history')).messageCount === COUNT);
  const lateQueue: string[] = [];
  for (let i = 0; i < COUNT; i++) {
    const message = await channel.get('history', { noAck: true });
    if (message !== false) lateQueue.push(message.content.toString());
  }
  say(
    `queue 'history', bound now and from the first record on, has ${lateQueue.length}: ${lateQueue.join(', ')}`,
  );
  await Promise.all(['to-ship', 'history'].map((each) => channel.deleteQueue(each)));
  await amqp.close();
  await admin.deleteGroups(['auditors']);
  await admin.deleteTopics({ topics: [TOPIC] });
  await admin.disconnect();
  say('the topic, the queues and the group were deleted again');
  return { kafkaGroup, queue, lateQueue };
}

function until(isDone: () => boolean): Promise<void> {
  return untilAsync(async () => isDone());
}

async function untilAsync(isDone: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + PATIENCE_MS; !(await isDone()); ) {
    if (performance.now() > deadline) throw new Error(`not so within ${PATIENCE_MS} ms: ${isDone}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
