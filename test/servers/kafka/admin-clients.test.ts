import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Admin as PlatformaticAdmin } from '@platformatic/kafka';
import kafkajs from 'kafkajs';
import { KafkaTestServer } from './test-server.ts';

const { ConfigResourceTypes, Kafka, logLevel } = kafkajs;

/** Clients that we did not write administer topics. */
describe('KafkaJS', () => {
  async function withAdmin(use: (admin: kafkajs.Admin, test: KafkaTestServer) => Promise<void>) {
    await using test = await KafkaTestServer.start();
    const admin = new Kafka({
      brokers: [test.address],
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
    }).admin();
    await admin.connect();
    try {
      await use(admin, test);
    } finally {
      await admin.disconnect();
    }
  }

  it('makes, describes, extends and deletes topics', async () => {
    await withAdmin(async (admin) => {
      assert.equal(
        await admin.createTopics({ topics: [{ topic: 'a', numPartitions: 3 }, { topic: 'b' }] }),
        true,
      );
      assert.equal(await admin.createTopics({ topics: [{ topic: 'a' }] }), false);
      assert.deepEqual((await admin.listTopics()).sort(), ['a', 'b']);
      await admin.createPartitions({ topicPartitions: [{ topic: 'a', count: 4 }] });
      const { topics } = await admin.fetchTopicMetadata({ topics: ['a'] });
      assert.deepEqual(
        topics[0]?.partitions.map(({ leader, isr }) => [leader, isr]),
        Array.from({ length: 4 }, () => [1, [1]]),
      );
      await admin.deleteTopics({ topics: ['a'] });
      assert.deepEqual(await admin.listTopics(), ['b']);
      await assert.rejects(admin.deleteTopics({ topics: ['a'] }), /does not host this topic-partition/);
    });
  });

  it('is told in its own errors what is refused', async () => {
    await withAdmin(async (admin) => {
      const create = (topic: object) => admin.createTopics({ topics: [{ topic: 'a', ...topic }] });
      await assert.rejects(create({ replicationFactor: 2 }), { name: 'KafkaJSAggregateError' });
      await assert.rejects(create({ topic: 'no good' }), /./);
      await assert.rejects(create({ configEntries: [{ name: 'no.such', value: '1' }] }), {
        name: 'KafkaJSAggregateError',
      });
      assert.deepEqual(await admin.listTopics(), []);
    });
  });

  it('shows and changes settings', async () => {
    await withAdmin(async (admin, test) => {
      await admin.createTopics({ topics: [{ topic: 'a' }] });
      await admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: ConfigResourceTypes.TOPIC,
            name: 'a',
            configEntries: [{ name: 'retention.ms', value: '60000' }],
          },
        ],
      });
      assert.equal(test.broker.streams.get('/', 'a')?.settings.retentionMs, 60_000);
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: 'a', configNames: ['retention.ms'] }],
      });
      assert.equal(resources[0]?.configEntries[0]?.configValue, '60000');
    });
  });

  it('describes the cluster, and finds and deletes records', async () => {
    await withAdmin(async (admin, test) => {
      const { brokers, controller, clusterId } = await admin.describeCluster();
      assert.deepEqual(brokers, [{ nodeId: 1, host: '127.0.0.1', port: test.server.port }]);
      assert.equal(controller, 1);
      assert.equal(clusterId, test.broker.cluster.id);
      const producer = new Kafka({ brokers: [test.address], logLevel: logLevel.NOTHING }).producer();
      await producer.connect();
      await producer.send({ topic: 'made', messages: [{ value: '1' }, { value: '2' }, { value: '3' }] });
      await producer.disconnect();
      const offsets = async () => (await admin.fetchTopicOffsets('made')).map(({ low, high }) => [low, high]);
      assert.deepEqual(await offsets(), [['0', '3']]);
      await admin.deleteTopicRecords({ topic: 'made', partitions: [{ partition: 0, offset: '2' }] });
      assert.deepEqual(await offsets(), [['2', '3']]);
    });
  });
});

describe('@platformatic/kafka', () => {
  it('makes, lists, extends and deletes topics, and shows and changes settings', async () => {
    await using test = await KafkaTestServer.start();
    const sasl = { mechanism: 'PLAIN', username: 'guest', password: 'guest' } as const;
    const bootstrapBrokers = [test.address];
    const admin = new PlatformaticAdmin({ clientId: 'a', bootstrapBrokers, retries: 0, sasl });
    try {
      const [made] = await admin.createTopics({ topics: ['a'], partitions: 2, replicas: 1 });
      assert.deepEqual([made?.name, made?.partitions, made?.replicas], ['a', 2, 1]);
      assert.equal(made?.id.length, 36);
      await admin.createPartitions({ topics: [{ name: 'a', count: 3 }] });
      assert.equal(test.broker.streams.get('/', 'a')?.partitions.length, 3);
      await admin.incrementalAlterConfigs({
        resources: [
          {
            resourceType: 2,
            resourceName: 'a',
            configs: [{ name: 'cleanup.policy', configOperation: 2, value: 'compact' }],
          },
        ],
      });
      assert.equal(test.broker.streams.get('/', 'a')?.configs.get('cleanup.policy'), 'delete,compact');
      const [described] = await admin.describeConfigs({
        resources: [{ resourceType: 2, resourceName: 'a', configurationKeys: ['cleanup.policy'] }],
      });
      assert.equal(described?.configs[0]?.value, 'delete,compact');
      const dirs = await admin.describeLogDirs({ topics: [{ name: 'a', partitions: [0] }] });
      assert.equal(dirs[0]?.results[0]?.topics[0]?.partitions.length, 1);
      assert.deepEqual(await admin.listTopics(), ['a']);
      await admin.deleteTopics({ topics: ['a'] });
      assert.deepEqual(await admin.listTopics(), []);
    } finally {
      await admin.close();
    }
  });
});
