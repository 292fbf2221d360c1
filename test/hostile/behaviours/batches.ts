import { connect } from 'amqplib';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { createTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { batchOf } from '../../broker/streams/bindings/records.ts';
import type { KafkaClient } from '../../servers/kafka/kafka-client.ts';
import { topic } from '../../servers/kafka/new-topic.ts';
import { type Behaviour, repeatedly, type Target } from '../behaviour.ts';
import { kafkaLogin } from '../kafka-login.ts';

/** Behaviours of Kafka clients that send compressed batches. */

const MIB = 1024 * 1024;
const PARTITIONS = 100;
const CONSUMERS = 20;

const TOPICS: readonly (readonly [name: string, configs: Readonly<Record<string, string>>])[] = [
  ['bombs-kept', {}],
  ['bombs-compacted', { 'cleanup.policy': 'compact' }],
  ['bombs-recompressed', { 'compression.type': 'lz4' }],
];

async function create(target: Target): Promise<KafkaClient> {
  const client = await kafkaLogin(target);
  await client.request(createTopics, 5, {
    topics: TOPICS.map(([name, configs]) => topic(name, PARTITIONS, configs)),
  });
  return client;
}

function send(client: KafkaClient, name: string, batches: readonly Buffer[]) {
  return client.request(produce, 9, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name, partitionData: batches.map((records, index) => ({ index, records })) }],
  });
}

const bombs: Behaviour = {
  name: 'decompression-bombs',
  title: '100 zstd batches of 2 KB in one Produce, which would be 6.4 GB, on 6 connections',
  async run(target) {
    const setup = await create(target);
    setup.socket.destroy();
    const batch = batchOf([{ key: 'k', value: Buffer.alloc(64 * MIB) }], 'zstd');
    const batches = Array.from({ length: PARTITIONS }, () => batch);
    await repeatedly(target, 6, async (turn) => {
      using client = await kafkaLogin(target);
      while (!target.signal.aborted) await send(client, TOPICS[turn % TOPICS.length][0], batches);
    });
  },
};

const largeBatches: Behaviour = {
  name: 'large-batches',
  title: `gzip batches that become 12 MiB are produced, and read by ${CONSUMERS} AMQP consumers with a prefetch of 1`,
  async run(target) {
    const { amqpPort, user, password } = target;
    const client = await create(target);
    const records = Array.from({ length: 60_000 }, (_, index) => ({
      key: `k${index % 100}`,
      value: 'the same text again, '.repeat(10),
    }));
    const batch = batchOf(records, 'gzip');
    const connection = await connect(`amqp://${user}:${password}@127.0.0.1:${amqpPort}`);
    connection.on('error', () => undefined);
    for (let i = 0; i < CONSUMERS; i++) {
      const channel = await connection.createChannel();
      await channel.prefetch(1);
      await channel.consume('bombs-kept', (message) => message !== null && channel.ack(message), {
        arguments: { 'x-stream-offset': 'first' },
      });
    }
    await repeatedly(target, 2, async (turn) => {
      await send(client, 'bombs-kept', [batch]);
      if (turn > 20) await send(client, 'bombs-recompressed', [batch]);
    });
  },
};

export const BATCH_BEHAVIOURS: readonly Behaviour[] = [bombs, largeBatches];
