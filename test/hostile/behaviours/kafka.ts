import { deleteAcls } from '../../../src/wire/kafka/messages/acls.ts';
import { describeConfigs } from '../../../src/wire/kafka/messages/configs.ts';
import { consumerGroupHeartbeat } from '../../../src/wire/kafka/messages/consumer-groups.ts';
import { offsetFetch } from '../../../src/wire/kafka/messages/group-offsets.ts';
import { createTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { addPartitionsToTxn, initProducerId } from '../../../src/wire/kafka/messages/transactions.ts';
import type { KafkaClient } from '../../servers/kafka/kafka-client.ts';
import { topic } from '../../servers/kafka/new-topic.ts';
import { type Behaviour, repeatedly, type Target, untilOver } from '../behaviour.ts';
import { kafkaLogin } from '../kafka-login.ts';

/** Behaviours of a user who has logged in over Kafka's protocol. */

async function withClient(target: Target, use: (client: KafkaClient) => Promise<unknown>): Promise<void> {
  using client = await kafkaLogin(target);
  while (!target.signal.aborted && !client.isClosed) await use(client);
}

const announced: Behaviour = {
  name: 'announced-frames',
  title: '100 connections that announce 100 MiB and send the first MiB',
  async run(target) {
    for (let i = 0; i < 100; i++) {
      const client = await kafkaLogin(target);
      const head = Buffer.alloc(1024 * 1024);
      head.writeInt32BE(100 * 1024 * 1024);
      client.socket.write(head);
    }
    await untilOver(target);
  },
};

const expressions: Behaviour = {
  name: 'expressions',
  title: 'subscriptions by expressions that a backtracking engine takes seconds for',
  run: (target) =>
    repeatedly(target, 4, (turn) =>
      withClient(target, (client) =>
        client.request(consumerGroupHeartbeat, 1, {
          groupId: `g${turn}`,
          memberId: `m${turn}`,
          memberEpoch: 0,
          rebalanceTimeoutMs: 1000,
          subscribedTopicRegex: `${'(a|a)*'.repeat(4)}${'.*'.repeat(12)}b${turn}`,
          topicPartitions: [],
        }),
      ),
    ),
};

const repeatedConfigs: Behaviour = {
  name: 'repeated-configs',
  title: 'DescribeConfigs that names one topic 10,000 times',
  async run(target) {
    const client = await kafkaLogin(target);
    await client.request(createTopics, 5, { topics: [topic('described', 1)] });
    const resource = { resourceType: 2, resourceName: 'described', configurationKeys: null };
    const resources = Array.from({ length: 10_000 }, () => resource);
    await repeatedly(target, 4, () =>
      withClient(target, (each) =>
        each.request(describeConfigs, 4, { resources, includeDocumentation: true }),
      ),
    );
  },
};

const aclFilters: Behaviour = {
  name: 'acl-filters',
  title: 'DeleteAcls with 300,000 filters',
  run: (target) => {
    const filter = {
      resourceTypeFilter: 2,
      patternTypeFilter: 3,
      hostFilter: null,
      operation: 3,
      permissionType: 3,
    };
    const filters = Array.from({ length: 300_000 }, (_, i) => ({
      ...filter,
      resourceNameFilter: `t${i}`,
      principalFilter: `User:u${i}`,
    }));
    return repeatedly(target, 2, () =>
      withClient(target, (client) => client.request(deleteAcls, 3, { filters })),
    );
  },
};

const manyGroups: Behaviour = {
  name: 'many-offset-fetches',
  title: 'OffsetFetch of 300,000 groups',
  run: (target) => {
    const groups = Array.from({ length: 300_000 }, (_, i) => ({ groupId: `g${i}`, topics: null }));
    return repeatedly(target, 2, () =>
      withClient(target, (client) => client.request(offsetFetch, 8, { groups })),
    );
  },
};

const manyPartitions: Behaviour = {
  name: 'many-partitions',
  title: 'topics with 10,000 partitions each are created without end, and all are added to one transaction',
  async run(target) {
    const client = await kafkaLogin(target);
    const made: string[] = [];
    for (let i = 0; i < 16 && !target.signal.aborted; i++) {
      const { topics } = await client.request(createTopics, 5, { topics: [topic(`big${i}`, 10_000)] });
      if (topics[0]?.errorCode === 0) made.push(`big${i}`);
    }
    const id = {
      transactionalId: 'hostile',
      transactionTimeoutMs: 60_000,
      producerId: -1n,
      producerEpoch: -1,
    };
    const { producerId, producerEpoch } = await client.request(initProducerId, 4, { ...id, producerId: -1 });
    const partitions = Array.from({ length: 10_000 }, (_, i) => i);
    await repeatedly(target, 1, async () => {
      await client.request(addPartitionsToTxn, 3, {
        v3AndBelowTransactionalId: 'hostile',
        v3AndBelowProducerId: producerId,
        v3AndBelowProducerEpoch: producerEpoch,
        v3AndBelowTopics: made.map((name) => ({ name, partitions })),
      });
    });
  },
};

export const KAFKA_BEHAVIOURS: readonly Behaviour[] = [
  announced,
  expressions,
  repeatedConfigs,
  aclFilters,
  manyGroups,
  manyPartitions,
];
