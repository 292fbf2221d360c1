import { consumerGroupHeartbeat } from '../../../src/wire/kafka/messages/consumer-groups.ts';
import { joinGroup } from '../../../src/wire/kafka/messages/group-membership.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { shareFetch } from '../../../src/wire/kafka/messages/share-fetch.ts';
import { shareGroupHeartbeat } from '../../../src/wire/kafka/messages/share-groups.ts';
import { createTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { initProducerId } from '../../../src/wire/kafka/messages/transactions.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import { topic } from '../../servers/kafka/new-topic.ts';
import { ignoreAnswers, writeForever } from '../amqp-login.ts';
import { type Behaviour, repeatedly, untilOver } from '../behaviour.ts';
import { kafkaLogin } from '../kafka-login.ts';

/** What members of groups can do, and producers with ids. */

const members: Behaviour = {
  name: 'group-members',
  title: '10,000 members join one group with 1,000 partitions, each by a heartbeat',
  async run(target) {
    const client = await kafkaLogin(target);
    await client.request(createTopics, 5, { topics: [topic('shared-out', 1000)] });
    const subscription = {
      rebalanceTimeoutMs: 1000,
      subscribedTopicNames: ['shared-out'],
      topicPartitions: [],
    };
    let member = 0;
    await repeatedly(target, 8, async () => {
      using each = await kafkaLogin(target);
      while (!target.signal.aborted && member < 10_000) {
        const memberId = `m${member++}`;
        await each.request(consumerGroupHeartbeat, 1, {
          groupId: 'crowd',
          memberId,
          memberEpoch: 0,
          ...subscription,
        });
      }
      await untilOver(target);
    });
  },
};

const joins: Behaviour = {
  name: 'classic-members',
  title: '1,000 connections that join one classic group and go, again and again',
  run: (target) =>
    repeatedly(target, 200, async () => {
      using client = await kafkaLogin(target);
      const join = {
        groupId: 'restless',
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 10_000,
        memberId: '',
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.alloc(1000) }],
      };
      for (let i = 0; i < 5; i++) client.send(joinGroup, 3, join);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }),
};

const shareHolders: Behaviour = {
  name: 'share-holders',
  title: 'members of share groups that acquire all records they can and acknowledge none',
  async run(target) {
    const client = await kafkaLogin(target);
    const { topics } = await client.request(createTopics, 7, { topics: [topic('held', 10)] });
    const topicId = topics[0].topicId;
    const records = batchOf(Array.from({ length: 2000 }, () => 'held'));
    for (let i = 0; i < 100; i++) {
      const partitionData = [{ index: i % 10, records }];
      await client.request(produce, 9, {
        acks: -1,
        timeoutMs: 1000,
        topicData: [{ name: 'held', partitionData }],
      });
    }
    await repeatedly(target, 20, async (turn) => {
      using each = await kafkaLogin(target);
      const [groupId, memberId] = [`holders-${turn % 5}`, crypto.randomUUID()];
      const heartbeat = { groupId, memberId, subscribedTopicNames: ['held'] };
      await each.request(shareGroupHeartbeat, 1, { ...heartbeat, memberEpoch: 0 });
      const partitions = Array.from({ length: 10 }, (_, partitionIndex) => ({
        partitionIndex,
        acknowledgementBatches: [],
      }));
      const limits = {
        maxWaitMs: 500,
        minBytes: 1,
        maxBytes: 50_000_000,
        maxRecords: 100_000,
        batchSize: 100_000,
      };
      for (let epoch = 0; epoch < 100 && !target.signal.aborted; epoch++) {
        await each.request(shareFetch, 1, {
          groupId,
          memberId,
          shareSessionEpoch: epoch,
          ...limits,
          topics: epoch === 0 ? [{ topicId, partitions }] : [],
          forgottenTopicsData: [],
        });
      }
    });
  },
};

const producerIds: Behaviour = {
  name: 'producer-ids',
  title: 'producer ids without end, on four connections',
  run: (target) =>
    repeatedly(target, 4, async () => {
      using client = await kafkaLogin(target);
      const request = { transactionalId: null, transactionTimeoutMs: 60_000 };
      const one = client.encode(initProducerId, 4, request).bytes;
      const many = Buffer.concat(Array.from({ length: 100 }, () => one));
      ignoreAnswers(client);
      await writeForever(target, client, () => many);
    }),
};

const transactionalIds: Behaviour = {
  name: 'transactional-ids',
  title: 'new transactional ids of 200 bytes without end, on four connections',
  run: (target) =>
    repeatedly(target, 4, async (turn) => {
      using client = await kafkaLogin(target);
      ignoreAnswers(client);
      let count = 0;
      await writeForever(target, client, () => {
        const one = () => {
          const transactionalId = `${turn}-${count++}`.padEnd(200, 't');
          return client.encode(initProducerId, 4, { transactionalId, transactionTimeoutMs: 60_000 }).bytes;
        };
        return Buffer.concat(Array.from({ length: 50 }, one));
      });
    }),
};

export const KAFKA_GROUP_BEHAVIOURS: readonly Behaviour[] = [
  members,
  joins,
  shareHolders,
  producerIds,
  transactionalIds,
];
