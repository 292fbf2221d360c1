import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RequestInput } from '../../../src/wire/kafka/declaration.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { describeQuorum } from '../../../src/wire/kafka/messages/cluster.ts';
import {
  describeCluster,
  describeTopicPartitions,
  metadata,
} from '../../../src/wire/kafka/messages/metadata.ts';
import { deleteRecords } from '../../../src/wire/kafka/messages/offsets.ts';
import {
  alterPartitionReassignments,
  describeLogDirs,
  electLeaders,
  listPartitionReassignments,
} from '../../../src/wire/kafka/messages/replicas.ts';
import { createPartitions, createTopics, deleteTopics } from '../../../src/wire/kafka/messages/topics.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

type Topic = RequestInput<typeof createTopics>['topics'][number];

function topic(name: string, changes: Partial<Topic> = {}): Topic {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...changes };
}

async function create(client: KafkaClient, ...topics: Topic[]) {
  const response = await client.request(createTopics, 7, { topics, timeoutMs: 1000 });
  return response.topics.map((each) => ({ ...each, error: errorName(each.errorCode) }));
}

function look(
  client: KafkaClient,
  topics: { name: string | null; topicId?: string }[] | null,
  isWanted = false,
) {
  return client.request(metadata, 12, {
    topics,
    allowAutoTopicCreation: isWanted,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: true,
  });
}

async function names(client: KafkaClient): Promise<(string | null)[]> {
  return (await look(client, null)).topics.map(({ name }) => name);
}

describe('CreateTopics', () => {
  it('makes topics, which are there after a restart with the same ids, and says what they are like', async () => {
    await using test = await KafkaTestServer.start({ partitions: 4 });
    let client = await test.connect();
    const configs = [{ name: 'cleanup.policy', value: ' compact , delete ' }];
    const [one, two] = await create(
      client,
      topic('one', { numPartitions: 3, configs }),
      topic('two', { numPartitions: -1, replicationFactor: -1 }),
    );
    assert.deepEqual([one?.error, one?.numPartitions, one?.replicationFactor], ['NONE', 3, 1]);
    assert.deepEqual([two?.error, two?.numPartitions], ['NONE', 4]);
    assert.equal(one?.configs?.find(({ name }) => name === 'cleanup.policy')?.configSource, 1);
    await test.restart();
    client[Symbol.dispose]();
    client = await test.connect();
    const { topics, clusterId } = await look(client, null);
    assert.deepEqual(
      topics.map(({ name, topicId, partitions }) => [name, topicId, partitions.length]),
      [
        ['one', one?.topicId, 3],
        ['two', two?.topicId, 4],
      ],
    );
    assert.equal(test.broker.streams.get('/', 'one')?.configs.get('cleanup.policy'), 'compact,delete');
    assert.equal(clusterId?.length, 22);
    await test.restart();
    client[Symbol.dispose]();
    using last = await test.connect();
    assert.equal((await look(last, null)).clusterId, clusterId);
  });

  it('refuses what a cluster of one broker cannot have, in the words of Kafka', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    await create(client, topic('there.is'));
    const by = (partitionIndex: number, ...brokerIds: number[]) => ({ partitionIndex, brokerIds });
    const assigned = (...assignments: Topic['assignments'][number][]) => ({
      numPartitions: -1,
      replicationFactor: -1,
      assignments,
    });
    const config = (name: string, value: string | null) => ({ configs: [{ name, value }] });
    const cases: [Topic, string, RegExp][] = [
      [topic(''), 'INVALID_TOPIC_EXCEPTION', /the empty string is not allowed/],
      [topic('.'), 'INVALID_TOPIC_EXCEPTION', /'\.' is not allowed/],
      [topic('a b'), 'INVALID_TOPIC_EXCEPTION', /'a b' contains one or more characters other than ASCII/],
      [topic('x'.repeat(250)), 'INVALID_TOPIC_EXCEPTION', /is longer than the max allowed length 249/],
      [topic('there.is'), 'TOPIC_ALREADY_EXISTS', /^Topic 'there\.is' already exists\.$/],
      [topic('there_is'), 'INVALID_TOPIC_EXCEPTION', /collides with existing topic: there\.is/],
      [topic('a', { numPartitions: 0 }), 'INVALID_PARTITIONS', /non-positive/],
      [topic('a', { numPartitions: -2 }), 'INVALID_PARTITIONS', /non-positive/],
      [topic('a', { numPartitions: 10_001 }), 'POLICY_VIOLATION', /Excessively large number of partitions/],
      [topic('a', { replicationFactor: 0 }), 'INVALID_REPLICATION_FACTOR', /larger than 0, or -1/],
      [
        topic('a', { replicationFactor: 3 }),
        'INVALID_REPLICATION_FACTOR',
        /only 1 broker\(s\) are registered/,
      ],
      [topic('a', { assignments: [by(0, 1)] }), 'INVALID_REQUEST', /replication factor was not set to -1/],
      [topic('a', assigned(by(1, 1))), 'INVALID_REPLICA_ASSIGNMENT', /consecutive 0-based/],
      [topic('a', assigned(by(0, 1), by(0, 1))), 'INVALID_REPLICA_ASSIGNMENT', /multiple manual/],
      [topic('a', assigned(by(0, 7))), 'INVALID_REPLICA_ASSIGNMENT', /includes broker 7, but no such/],
      [topic('a', assigned(by(0, 1, 1))), 'INVALID_REPLICA_ASSIGNMENT', /more than once/],
      [topic('a', assigned(by(0))), 'INVALID_REPLICA_ASSIGNMENT', /empty replica list/],
      [topic('a', config('no.such', '1')), 'INVALID_CONFIG', /^Unknown topic config name: no\.such$/],
      [
        topic('a', config('retention.ms', null)),
        'INVALID_CONFIG',
        /Null value not supported for topic configs/,
      ],
      [
        topic('a', config('retention.ms', 'soon')),
        'INVALID_CONFIG',
        /^Invalid value soon for configuration retention\.ms: Not a number of type LONG$/,
      ],
      [topic('a', config('segment.bytes', '14')), 'INVALID_CONFIG', /Value must be at least 1048576/],
      [
        topic('a', config('cleanup.policy', 'burn')),
        'INVALID_CONFIG',
        /String must be one of: compact, delete/,
      ],
      [topic('a', config('remote.storage.enable', 'true')), 'INVALID_CONFIG', /Tiered Storage/],
    ];
    for (const [wanted, error, text] of cases) {
      const [result] = await create(client, wanted);
      assert.equal(result?.error, error, JSON.stringify(wanted));
      assert.match(result?.errorMessage ?? '', text);
    }
    assert.deepEqual(await names(client), ['there.is']);
  });

  it('refuses a name that is there twice once, and makes the others', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const results = await create(client, topic('a'), topic('b'), topic('a'));
    assert.deepEqual(
      results.map(({ name, error, errorMessage }) => [name, error, errorMessage]),
      [
        ['a', 'INVALID_REQUEST', 'Duplicate topic name.'],
        ['b', 'NONE', null],
      ],
    );
  });

  it('can be told to look only, and makes nothing then', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const response = await client.request(createTopics, 7, { topics: [topic('a')], validateOnly: true });
    assert.equal(errorName(response.topics[0]?.errorCode ?? -1), 'NONE');
    assert.deepEqual(await names(client), []);
  });

  it('is answered in all of its versions', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    for (let version = 2; version <= 7; version++) {
      const response = await client.request(createTopics, version, { topics: [topic(`v${version}`)] });
      assert.equal(errorName(response.topics[0]?.errorCode ?? -1), 'NONE');
    }
    assert.equal((await names(client)).length, 6);
  });
});

describe('DeleteTopics', () => {
  it('deletes by name, and since version 6 by id (KIP-516)', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const [a] = await create(client, topic('a'), topic('b'), topic('c'));
    await client.request(deleteTopics, 5, { topicNames: ['b'], timeoutMs: 1000 });
    const response = await client.request(deleteTopics, 6, {
      topics: [{ name: null, topicId: a?.topicId ?? '' }],
      timeoutMs: 1000,
    });
    assert.deepEqual([response.responses[0]?.name, response.responses[0]?.errorCode], ['a', 0]);
    assert.deepEqual(await names(client), ['c']);
    await test.restart();
    using again = await test.connect();
    assert.deepEqual(await names(again), ['c']);
  });

  it('says what is wrong with each that it does not delete', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const [a] = await create(client, topic('a'));
    const ids = { topicId: a?.topicId ?? '' };
    const { responses } = await client.request(deleteTopics, 6, {
      topics: [
        { name: 'none', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' },
        { name: null, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' },
        { name: 'a', ...ids },
        { name: null, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' },
      ],
      timeoutMs: 1000,
    });
    assert.deepEqual(
      responses.map(({ errorCode }) => errorName(errorCode)),
      ['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID', 'INVALID_REQUEST', 'INVALID_REQUEST'],
    );
    assert.deepEqual(await names(client), ['a']);
  });
});

describe('CreatePartitions (KIP-195)', () => {
  it('adds partitions, and refuses to take some away', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    await create(client, topic('a', { numPartitions: 2 }));
    const extend = async (
      name: string,
      count: number,
      assignments: { brokerIds: number[] }[] | null = null,
    ) => {
      const topics = [{ name, count, assignments }];
      const request = { topics, timeoutMs: 1000, validateOnly: false };
      const { results } = await client.request(createPartitions, 3, request);
      return [errorName(results[0]?.errorCode ?? -1), results[0]?.errorMessage];
    };
    assert.deepEqual(await extend('a', 2), ['INVALID_PARTITIONS', 'Topic already has 2 partition(s).']);
    assert.deepEqual(await extend('a', 1), [
      'INVALID_PARTITIONS',
      'The topic a currently has 2 partition(s); 1 would not be an increase.',
    ]);
    assert.equal((await extend('b', 2))[0], 'UNKNOWN_TOPIC_OR_PARTITION');
    assert.equal((await extend('a', 4, [{ brokerIds: [1] }]))[0], 'INVALID_REPLICA_ASSIGNMENT');
    assert.equal((await extend('a', 3, [{ brokerIds: [2] }]))[0], 'INVALID_REPLICA_ASSIGNMENT');
    assert.equal((await extend('a', 20_000))[0], 'INVALID_PARTITIONS');
    assert.deepEqual(
      await extend(
        'a',
        5,
        [1, 2, 3].map(() => ({ brokerIds: [1] })),
      ),
      ['NONE', null],
    );
    assert.equal((await look(client, [{ name: 'a' }])).topics[0]?.partitions.length, 5);
  });
});

describe('Metadata', () => {
  it('names one broker, at the address that the client has connected to, or at the advertised one', async () => {
    await using plain = await KafkaTestServer.start();
    using client = await plain.connectAsAdministrator();
    const { brokers, controllerId } = await look(client, []);
    assert.deepEqual(brokers, [{ nodeId: 1, host: '127.0.0.1', port: plain.server.port, rack: null }]);
    assert.equal(controllerId, 1);
    await using behind = await KafkaTestServer.start({ advertised: { host: 'kafka.example', port: 443 } });
    using other = await behind.connectAsAdministrator();
    assert.deepEqual((await look(other, [])).brokers[0], {
      nodeId: 1,
      host: 'kafka.example',
      port: 443,
      rack: null,
    });
    const cluster = await other.request(describeCluster, 1, { includeClusterAuthorizedOperations: true });
    assert.equal(cluster.brokers[0]?.host, 'kafka.example');
    assert.notEqual(cluster.clusterAuthorizedOperations, 0);
  });

  it('makes a topic that is asked for, if both the client and the broker want that', async () => {
    await using test = await KafkaTestServer.start({ partitions: 3 });
    using client = await test.connect();
    assert.equal(
      errorName((await look(client, [{ name: 'a' }], false)).topics[0]?.errorCode ?? -1),
      'UNKNOWN_TOPIC_OR_PARTITION',
    );
    const { topics } = await look(client, [{ name: 'a' }, { name: 'no good' }, { name: 'a' }], true);
    assert.deepEqual(
      topics.map(({ name, errorCode, partitions }) => [name, errorName(errorCode), partitions.length]),
      [
        ['a', 'NONE', 3],
        ['no good', 'INVALID_TOPIC_EXCEPTION', 0],
      ],
    );
    await using strict = await KafkaTestServer.start({ createsTopics: false });
    using other = await strict.connect();
    const refused = await look(other, [{ name: 'a' }], true);
    assert.equal(errorName(refused.topics[0]?.errorCode ?? -1), 'UNKNOWN_TOPIC_OR_PARTITION');
  });

  it('is answered in all of its versions, for all topics, for some and for none', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    await create(client, topic('a'), topic('b'));
    for (let version = 0; version <= 13; version++) {
      const ask = { includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false };
      const some = await client.request(metadata, version, { topics: [{ name: 'a' }], ...ask });
      assert.deepEqual(
        some.topics.map(({ name }) => name),
        ['a'],
      );
      const all = await client.request(metadata, version, { topics: version === 0 ? [] : null, ...ask });
      assert.equal(all.topics.length, 2);
      if (version === 0) continue;
      assert.equal((await client.request(metadata, version, { topics: [], ...ask })).topics.length, 0);
    }
  });

  it('finds a topic by its id, also when another one has had the name (KIP-516)', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const [before] = await create(client, topic('a'));
    await client.request(deleteTopics, 5, { topicNames: ['a'], timeoutMs: 1000 });
    const [after] = await create(client, topic('a'));
    assert.notEqual(before?.topicId, after?.topicId);
    const { topics } = await look(client, [
      { name: null, topicId: before?.topicId ?? '' },
      { name: null, topicId: after?.topicId ?? '' },
    ]);
    assert.deepEqual(
      topics.map(({ name, errorCode }) => [name, errorName(errorCode)]),
      [
        [null, 'UNKNOWN_TOPIC_ID'],
        ['a', 'NONE'],
      ],
    );
  });
});

describe('DescribeTopicPartitions (KIP-966)', () => {
  it('gives all partitions of all topics, in pages', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    await create(client, topic('b', { numPartitions: 5 }), topic('a', { numPartitions: 2 }), topic('c'));
    const seen: string[] = [];
    let cursor: { topicName: string; partitionIndex: number } | null = null;
    let pages = 0;
    do {
      const page: Awaited<ReturnType<typeof ask>> = await ask(client, cursor);
      for (const { name, partitions } of page.topics) {
        for (const { partitionIndex } of partitions) seen.push(`${name}${partitionIndex}`);
      }
      cursor = page.nextCursor;
      pages++;
    } while (cursor !== null);
    assert.deepEqual(seen, ['a0', 'a1', 'b0', 'b1', 'b2', 'b3', 'b4', 'c0']);
    assert.equal(pages, 3);
  });

  function ask(client: KafkaClient, cursor: { topicName: string; partitionIndex: number } | null) {
    return client.request(describeTopicPartitions, 0, { topics: [], responsePartitionLimit: 3, cursor });
  }
});

describe('what only a cluster of several could do', () => {
  it('is answered as a cluster of one does', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connectAsAdministrator();
    await create(client, topic('a'));
    const topicPartitions = [{ topic: 'a', partitions: [0, 1] }];
    const elected = await client.request(electLeaders, 2, { electionType: 0, topicPartitions });
    assert.deepEqual(
      elected.replicaElectionResults[0]?.partitionResult.map(({ errorCode }) => errorName(errorCode)),
      ['ELECTION_NOT_NEEDED', 'UNKNOWN_TOPIC_OR_PARTITION'],
    );
    const move = async (replicas: number[] | null) => {
      const topics = [{ name: 'a', partitions: [{ partitionIndex: 0, replicas }] }];
      const { responses } = await client.request(alterPartitionReassignments, 1, { topics });
      return errorName(responses[0]?.partitions[0]?.errorCode ?? -1);
    };
    assert.equal(await move([1]), 'NONE');
    assert.equal(await move([2]), 'INVALID_REPLICA_ASSIGNMENT');
    assert.equal(await move(null), 'NO_REASSIGNMENT_IN_PROGRESS');
    const moving = await client.request(listPartitionReassignments, 0, { topics: null });
    assert.deepEqual([errorName(moving.errorCode), moving.topics], ['NONE', []]);
  });

  it('has a quorum of one (KIP-595)', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connectAsAdministrator();
    await create(client, topic('a'));
    for (let version = 0; version <= 2; version++) {
      const { topics } = await client.request(describeQuorum, version, {
        topics: [
          { topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] },
          { topicName: 'a', partitions: [{ partitionIndex: 0 }] },
        ],
      });
      const [metadataLog, other] = topics.map(({ partitions }) => partitions[0]);
      assert.equal(metadataLog?.leaderId, 1);
      assert.ok((metadataLog?.highWatermark ?? 0) > 0);
      assert.deepEqual(
        metadataLog?.currentVoters.map(({ replicaId }) => replicaId),
        [1],
      );
      assert.equal(errorName(other?.errorCode ?? 0), 'UNKNOWN_TOPIC_OR_PARTITION');
    }
  });

  it('has its partitions in one log directory (KIP-113)', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connectAsAdministrator();
    await create(client, topic('a', { numPartitions: 2 }));
    const { results } = await client.request(describeLogDirs, 4, { topics: null });
    assert.equal(results.length, 1);
    assert.deepEqual(
      results[0]?.topics.map(({ name, partitions }) => [name, partitions.length]),
      [['a', 2]],
    );
    assert.ok((results[0]?.usableBytes ?? 0) > 0);
    const some = await client.request(describeLogDirs, 4, { topics: [{ topic: 'a', partitions: [1] }] });
    assert.deepEqual(
      some.results[0]?.topics[0]?.partitions.map(({ partitionIndex }) => partitionIndex),
      [1],
    );
  });
});

describe('DeleteRecords (KIP-107)', () => {
  it('refuses an offset that is not there, and what is compacted only', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    await create(client, topic('a'), topic('b', { configs: [{ name: 'cleanup.policy', value: 'compact' }] }));
    const remove = async (name: string, partitionIndex: number, offset: number) => {
      const topics = [{ name, partitions: [{ partitionIndex, offset }] }];
      const response = await client.request(deleteRecords, 2, { topics, timeoutMs: 1000 });
      return errorName(response.topics[0]?.partitions[0]?.errorCode ?? -1);
    };
    assert.equal(await remove('a', 0, 1), 'OFFSET_OUT_OF_RANGE');
    assert.equal(await remove('a', 0, -2), 'OFFSET_OUT_OF_RANGE');
    assert.equal(await remove('a', 0, -1), 'NONE');
    assert.equal(await remove('a', 1, 0), 'UNKNOWN_TOPIC_OR_PARTITION');
    assert.equal(await remove('b', 0, 0), 'POLICY_VIOLATION');
  });
});
