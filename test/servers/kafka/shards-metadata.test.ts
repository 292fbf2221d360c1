import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { KafkaServer } from '../../../src/servers/kafka/server.ts';
import { ReservedPort } from '../../../src/servers/listener/reserved-port.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { describeQuorum } from '../../../src/wire/kafka/messages/cluster.ts';
import { describeConfigs, incrementalAlterConfigs } from '../../../src/wire/kafka/messages/configs.ts';
import { findCoordinator } from '../../../src/wire/kafka/messages/group-membership.ts';
import {
  describeCluster,
  describeTopicPartitions,
  metadata,
} from '../../../src/wire/kafka/messages/metadata.ts';
import { alterPartitionReassignments, electLeaders } from '../../../src/wire/kafka/messages/replicas.ts';
import { createPartitions, createTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { pem } from '../../support/certificates.ts';
import { KafkaClient } from './kafka-client.ts';
import { KafkaShards } from './kafka-shards.ts';

const SHARDS = [0, 1, 2];
const BROKER = 4;

function look(client: KafkaClient, names: readonly string[] | null, isWanted = false) {
  return client.request(metadata, 12, {
    topics: names?.map((name) => ({ name })) ?? null,
    allowAutoTopicCreation: isWanted,
  });
}

function leaders({ topics }: Awaited<ReturnType<typeof look>>): number[] | undefined {
  return topics[0]?.partitions.map(({ leaderId }) => leaderId);
}

describe('several shards, to Kafka clients', () => {
  it('are a broker each, with an id and a port of its own, whichever is asked', async () => {
    await using test = await KafkaShards.start();
    const brokers = test.ports.map((port, shard) => [shard + 1, '127.0.0.1', port]);
    for (const shard of SHARDS) {
      using client = await test.connect(shard);
      const found = await look(client, null);
      assert.deepEqual(
        found.brokers.map(({ nodeId, host, port }) => [nodeId, host, port]),
        brokers,
      );
      assert.equal(found.controllerId, 1);
      const cluster = await client.request(describeCluster, 0, { includeClusterAuthorizedOperations: false });
      assert.deepEqual(
        cluster.brokers.map(({ brokerId, host, port }) => [brokerId, host, port]),
        brokers,
      );
      assert.deepEqual([cluster.controllerId, cluster.clusterId], [1, found.clusterId]);
      for (const keyType of [0, 1]) {
        const { coordinators } = await client.request(findCoordinator, 4, {
          keyType,
          coordinatorKeys: ['a'],
        });
        assert.deepEqual([coordinators[0]?.nodeId, coordinators[0]?.port], [1, test.ports[0]]);
      }
    }
    using client = await test.connectAs(2, 'guest');
    const { nodes } = await client.request(describeQuorum, 2, { topics: [] });
    assert.deepEqual(
      nodes.map(({ nodeId, listeners }) => [nodeId, listeners[0]?.port]),
      [[1, test.ports[0]]],
    );
  });

  it('are advertised at the host that is set, with ports as far apart as they are', async () => {
    await using test = await KafkaShards.start(2, { advertised: { host: 'kafka.example', port: 9092 } });
    using client = await test.connect(1);
    const { brokers } = await look(client, null);
    assert.deepEqual(
      brokers.map(({ host }) => host),
      ['kafka.example', 'kafka.example'],
    );
    const [first, second] = test.ports as [number, number];
    assert.equal(brokers[0]?.port, 9092);
    const expected = 9092 + second - first;
    assert.equal(brokers[1]?.port, expected >= 1 && expected <= 65_535 ? expected : second);
  });

  it('name the TLS ports to clients that use TLS', async () => {
    const tls = {
      cert: pem('server.pem'),
      key: pem('server.key'),
      ca: pem('authority.pem'),
      verify: 'none',
      loginFrom: 'common-name',
    } as const;
    await using test = await KafkaShards.start(2);
    const secured = await KafkaShards.serve(test.shards, { tls });
    try {
      const socket = connectTls({
        host: '127.0.0.1',
        port: secured[1]!.port,
        servername: 'localhost',
        ca: tls.ca,
      });
      await once(socket, 'secureConnect');
      using client = KafkaClient.over(socket);
      // The second is forwarded, as it makes a topic.
      for (const names of [null, ['made']]) {
        const { brokers } = await look(client, names, true);
        assert.deepEqual(
          brokers.map(({ port }) => port),
          secured.map(({ port }) => port),
        );
      }
    } finally {
      await Promise.all(secured.map((server) => server.close()));
    }
  });

  it('have the partitions of a new topic one after the other, and all tell the same leaders', async () => {
    await using test = await KafkaShards.start();
    using client = await test.connect(1);
    await test.createTopic(client, 't', 5);
    for (const shard of SHARDS) {
      using other = await test.connect(shard);
      const found = await look(other, ['t']);
      assert.deepEqual(leaders(found), [1, 2, 3, 1, 2]);
      const epochs = found.topics[0]?.partitions.map(({ leaderEpoch }) => leaderEpoch);
      assert.ok(epochs?.every((epoch) => epoch >= 0));
      const { topics } = await other.request(describeTopicPartitions, 0, {
        topics: [{ name: 't' }],
        responsePartitionLimit: 10,
      });
      assert.deepEqual(
        topics[0]?.partitions.map(({ leaderId, replicaNodes }) => [leaderId, replicaNodes]),
        [1, 2, 3, 1, 2].map((id) => [id, [id]]),
      );
    }
  });

  it('make a topic that a client asks for at any of them', async () => {
    await using test = await KafkaShards.start();
    using client = await test.connect(2);
    const found = await look(client, ['made'], true);
    assert.deepEqual(leaders(found), [1, 2, 3]);
    assert.equal(found.brokers.length, 3);
    assert.deepEqual(
      errorName((await look(client, ['not made'], true)).topics[0]!.errorCode),
      'INVALID_TOPIC_EXCEPTION',
    );
    assert.equal(
      errorName((await look(client, ['unwanted'])).topics[0]!.errorCode),
      'UNKNOWN_TOPIC_OR_PARTITION',
    );
  });

  it('take assignments of partitions to any of them, and to nobody else', async () => {
    await using test = await KafkaShards.start();
    using client = await test.connect(1);
    const assigned = async (name: string, brokerIds: readonly (readonly number[])[]) => {
      const assignments = brokerIds.map((ids, partitionIndex) => ({ partitionIndex, brokerIds: ids }));
      const topic = { name, numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
      const { topics } = await client.request(createTopics, 7, { topics: [topic], timeoutMs: 1000 });
      return [errorName(topics[0]!.errorCode), topics[0]!.errorMessage];
    };
    assert.deepEqual(await assigned('t', [[3], [1], [3]]), ['NONE', null]);
    assert.deepEqual(leaders(await look(client, ['t'])), [3, 1, 3]);
    assert.match((await assigned('u', [[4]])).join(), /INVALID_REPLICA_ASSIGNMENT.*broker 4.*registered/);
    assert.match((await assigned('u', [[1, 2]])).join(), /INVALID_REPLICA_ASSIGNMENT.*1 replica/);
    assert.match((await assigned('u', [[2, 2]])).join(), /broker 2 more than once/);
    const extend = async (name: string, count: number, brokerIds: number[] | null) => {
      const assignments = brokerIds === null ? null : brokerIds.map((id) => ({ brokerIds: [id] }));
      const topics = [{ name, count, assignments }];
      const { results } = await client.request(createPartitions, 2, {
        topics,
        timeoutMs: 1000,
        validateOnly: false,
      });
      return errorName(results[0]!.errorCode);
    };
    assert.equal(await extend('t', 4, [2]), 'NONE');
    assert.deepEqual(leaders(await look(client, ['t'])), [3, 1, 3, 2]);
    assert.equal(await extend('t', 5, [7]), 'INVALID_REPLICA_ASSIGNMENT');
    assert.equal(await extend('t', 7, null), 'NONE');
    assert.deepEqual(new Set(leaders(await look(client, ['t']))?.slice(4)), new Set([1, 2, 3]));
    const topic = { name: 'r', numPartitions: 1, replicationFactor: 3, assignments: [], configs: [] };
    const { topics } = await client.request(createTopics, 7, { topics: [topic], timeoutMs: 1000 });
    assert.match(topics[0]?.errorMessage ?? '', /shards of one process/);
  });

  it('do not move partitions, nor elect others', async () => {
    await using test = await KafkaShards.start();
    using client = await test.connectAs(2, 'guest');
    await test.createTopic(client, 't');
    const reassign = async (replicas: number[]) => {
      const { responses } = await client.request(alterPartitionReassignments, 0, {
        timeoutMs: 1000,
        topics: [{ name: 't', partitions: [{ partitionIndex: 1, replicas }] }],
      });
      return errorName(responses[0]!.partitions[0]!.errorCode);
    };
    assert.equal(await reassign([2]), 'NONE');
    assert.equal(await reassign([3]), 'INVALID_REPLICA_ASSIGNMENT');
    const { replicaElectionResults } = await client.request(electLeaders, 2, {
      electionType: 0,
      topicPartitions: [{ topic: 't', partitions: [1] }],
      timeoutMs: 1000,
    });
    assert.equal(errorName(replicaElectionResults[0]!.partitionResult[0]!.errorCode), 'ELECTION_NOT_NEEDED');
  });

  it('are described and set by the id of any of them', async () => {
    await using test = await KafkaShards.start();
    using client = await test.connectAs(1, 'guest');
    const describeBroker = async (name: string) => {
      const { results } = await client.request(describeConfigs, 1, {
        resources: [{ resourceType: BROKER, resourceName: name, configurationKeys: null }],
      });
      const { errorMessage, configs } = results[0]!;
      return { errorMessage, configOf: (key: string) => configs.find((each) => each.name === key)?.value };
    };
    for (const shard of SHARDS) {
      const { configOf } = await describeBroker(`${shard + 1}`);
      assert.equal(configOf('node.id'), `${shard + 1}`);
      assert.equal(configOf('advertised.listeners'), `PLAINTEXT://127.0.0.1:${test.ports[shard]}`);
    }
    assert.match((await describeBroker('4')).errorMessage ?? '', /expected 1 to 3/);
    const configs = [{ name: 'log.retention.ms', configOperation: 0, value: '5000' }];
    await client.request(incrementalAlterConfigs, 1, {
      resources: [{ resourceType: BROKER, resourceName: '3', configs }],
      validateOnly: false,
    });
    for (const name of ['1', '2', '3'])
      assert.equal((await describeBroker(name)).configOf('log.retention.ms'), '5000');
  });

  it('can be one: nothing is told of others, and nothing is forwarded', async () => {
    await using test = await KafkaShards.start(1);
    using client = await test.connect(0);
    await test.createTopic(client, 't', 2);
    const found = await look(client, ['t']);
    assert.deepEqual([found.brokers.length, leaders(found)], [1, [1, 1]]);
  });

  it('serve one kind of listener once', async () => {
    await using test = await KafkaShards.start(2);
    const reserved = await ReservedPort.open({ host: '127.0.0.1', port: 0 });
    const again = KafkaServer.listen(test.broker(0), {
      host: '127.0.0.1',
      port: reserved.port,
      reserved,
      ports: [reserved.port, 1],
    });
    await assert.rejects(again, /'kafka' is served already/);
    reserved.take().server.close();
  });
});
