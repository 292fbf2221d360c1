import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { offsetCommit } from '../../../src/wire/kafka/messages/group-offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { createTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import { methodBytes, publishBytes, type RawClient } from '../../servers/amqp091/raw-client.ts';
import type { KafkaClient } from '../../servers/kafka/kafka-client.ts';
import { amqpChannel, declareQueue } from '../amqp-login.ts';
import { type Behaviour, repeatedly, type Target } from '../behaviour.ts';
import { kafkaLogin } from '../kafka-login.ts';

/** Behaviours of users who ask for very much in one method or request, which the broker does in slices. */

const MESSAGES = 50_000;
const BINDINGS = 10_000;
const PARTITIONS = 10_000;

async function fill(client: RawClient, queue: string): Promise<void> {
  const message = publishBytes(1, '', queue, Buffer.from('0123456789'));
  const thousand = Buffer.concat(Array.from({ length: 1000 }, () => message));
  for (let sent = 0; sent < MESSAGES; sent += 1000) {
    client.write(thousand);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const acknowledgements: Behaviour = {
  name: 'acknowledgements-at-once',
  title: `${MESSAGES} deliveries are given back in one basic.nack, again and again`,
  async run(target) {
    const client = await amqpChannel(target);
    client.patienceMs = 10_000;
    declareQueue(client, 'nacked', {}, { durable: true });
    await client.expect('queue.declare-ok');
    await fill(client, 'nacked');
    const consume = { noLocal: false, noAck: false, exclusive: false, noWait: false, arguments: {} };
    client.method(1, { name: 'basic.consume', queue: 'nacked', consumerTag: '', ...consume });
    let lastTag = 0;
    while (!target.signal.aborted && !client.isClosed) {
      const { method } = await client.next();
      if (method?.name !== 'basic.deliver') continue;
      if (Number(method.deliveryTag) - lastTag < MESSAGES) continue;
      lastTag = Number(method.deliveryTag);
      client.method(1, { name: 'basic.nack', deliveryTag: 0, multiple: true, requeue: true });
    }
  },
};

const deletions: Behaviour = {
  name: 'deletions-at-once',
  title: `queues with ${MESSAGES} messages and ${BINDINGS} bindings are purged and deleted`,
  run: (target) =>
    repeatedly(target, 2, async (turn) => {
      using client = await amqpChannel(target);
      client.patienceMs = 10_000;
      for (let round = 0; !target.signal.aborted; round++) {
        const queue = `deleted${turn}-${round}`;
        declareQueue(client, queue, {}, { durable: true });
        await client.expect('queue.declare-ok');
        const bind = { exchange: 'amq.topic', queue, noWait: true, arguments: {} };
        const bindings = Array.from({ length: BINDINGS }, (_, i) =>
          methodBytes(1, { name: 'queue.bind', routingKey: `k.${i}`, ...bind }),
        );
        client.write(Buffer.concat(bindings));
        await fill(client, queue);
        if (round % 2 === 0) {
          client.method(1, { name: 'queue.purge', queue, noWait: false });
          await client.expect('queue.purge-ok');
        }
        client.method(1, { name: 'queue.delete', queue, ifUnused: false, ifEmpty: false, noWait: false });
        await client.expect('queue.delete-ok');
      }
    }),
};

async function withTopic(target: Target, name: string): Promise<KafkaClient> {
  const client = await kafkaLogin(target);
  await client.request(createTopics, 5, {
    topics: [{ name, numPartitions: PARTITIONS, replicationFactor: 1, assignments: [], configs: [] }],
  });
  return client;
}

function send(client: KafkaClient, name: string, batches: readonly { index: number; records: Buffer }[]) {
  return client.request(produce, 7, {
    transactionalId: null,
    acks: 1,
    timeoutMs: 1000,
    topicData: [{ name, partitionData: batches }],
  });
}

const fetches: Behaviour = {
  name: 'fetches-of-many',
  title: `four clients wait for records of ${PARTITIONS} partitions, to which others append`,
  async run(target) {
    const client = await withTopic(target, 'waited-for');
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({
      partition,
      fetchOffset: 0,
      partitionMaxBytes: 1000,
    }));
    const wait = { maxWaitMs: 500, minBytes: 1_000_000_000, maxBytes: 1_000_000, isolationLevel: 0 };
    const waiting = repeatedly(target, 4, async () => {
      using reader = await kafkaLogin(target);
      const topics = [{ topic: 'waited-for', partitions }];
      const session = { sessionId: 0, sessionEpoch: -1, forgottenTopicsData: [], rackId: '' };
      while (!target.signal.aborted) await reader.request(fetch, 11, { ...wait, ...session, topics });
    });
    const records = batchOf(['one']);
    while (!target.signal.aborted && !client.isClosed) {
      const batches = Array.from({ length: 100 }, (_, index) => ({ index, records: Buffer.from(records) }));
      await send(client, 'waited-for', batches);
    }
    await waiting;
  },
};

const batches: Behaviour = {
  name: 'batches-at-once',
  title: '100,000 batches in one Produce, on two connections',
  async run(target) {
    const client = await withTopic(target, 'many-batches');
    client.socket.destroy();
    const records = batchOf(['one']);
    const all = Array.from({ length: 100_000 }, (_, i) => ({ index: i % PARTITIONS, records }));
    await repeatedly(target, 2, async () => {
      using producer = await kafkaLogin(target);
      while (!target.signal.aborted) await send(producer, 'many-batches', all);
    });
  },
};

const offsets: Behaviour = {
  name: 'offset-metadata',
  title: 'OffsetCommit with 12 MB of metadata',
  async run(target) {
    const client = await withTopic(target, 'committed');
    client.socket.destroy();
    const partitions = Array.from({ length: 3000 }, (_, partitionIndex) => ({
      partitionIndex,
      committedOffset: 1,
      committedLeaderEpoch: -1,
      committedMetadata: 'm'.repeat(4000),
    }));
    const request = {
      groupId: 'committed',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
    };
    await repeatedly(target, 2, async () => {
      using committer = await kafkaLogin(target);
      const topics = [{ name: 'committed', partitions }];
      while (!target.signal.aborted) await committer.request(offsetCommit, 8, { ...request, topics });
    });
  },
};

export const AT_ONCE_BEHAVIOURS: readonly Behaviour[] = [
  acknowledgements,
  deletions,
  fetches,
  batches,
  offsets,
];
