import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KafkaServerOptions } from '../../../src/servers/kafka/options.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { createAcls, deleteAcls, describeAcls } from '../../../src/wire/kafka/messages/acls.ts';
import { apiVersions } from '../../../src/wire/kafka/messages/api-versions.ts';
import { describeConfigs } from '../../../src/wire/kafka/messages/configs.ts';
import { describeGroups } from '../../../src/wire/kafka/messages/group-admin.ts';
import { findCoordinator } from '../../../src/wire/kafka/messages/group-membership.ts';
import { offsetCommit, offsetFetch } from '../../../src/wire/kafka/messages/group-offsets.ts';
import { metadata } from '../../../src/wire/kafka/messages/metadata.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import {
  alterShareGroupOffsets,
  describeShareGroupOffsets,
} from '../../../src/wire/kafka/messages/share-groups.ts';
import { addPartitionsToTxn, initProducerId } from '../../../src/wire/kafka/messages/transactions.ts';
import { DrivenClock, STEP_MS } from '../../support/driven-clock.ts';
import { beside } from './beside.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

/** How often others have their turn beside a large request, at least: some times while its bytes are read, if it were done in one piece. */
const TURNS_MIN = 20;
const TOPIC = 2;
const ANY = 1;

function list<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

async function createTopics(test: KafkaTestServer, count: number, partitions: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    test.broker.streams.create({ vhost: '/', name: `t${index}`, partitions, configs: new Map() });
  }
  await test.broker.shard.durable();
}

/** By its clock a slice of a request is over after some dozens of steps. */
function startDriven(options: Partial<KafkaServerOptions> = {}): Promise<KafkaTestServer> {
  return KafkaTestServer.start(options, { clock: new DrivenClock(STEP_MS) });
}

function producer(client: KafkaClient) {
  return client.request(initProducerId, 4, { transactionalId: 'x', transactionTimeoutMs: 60_000 });
}

describe('a large request', () => {
  it('OffsetFetch of 5,000 groups is answered, and others are served meanwhile', async () => {
    await using test = await startDriven();
    using client = await test.connect();
    const groups = list(5000, (index) => ({ groupId: `g${index}`, memberEpoch: -1, topics: null }));
    const { answer, others } = await beside(test, () =>
      client.request(offsetFetch, 9, { groups, requireStable: false }),
    );
    assert.equal(answer.groups.length, 5000);
    assert.equal(answer.groups[4999].groupId, 'g4999');
    assert.ok(others > TURNS_MIN, `${others} others`);
  });

  it('for all offsets of one group again and again is answered once', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    await createTopics(test, 1, 100);
    const partitions = list(100, (partitionIndex) => ({
      partitionIndex,
      committedOffset: 1,
      committedMetadata: '',
    }));
    await client.request(offsetCommit, 8, {
      groupId: 'g',
      memberId: '',
      topics: [{ name: 't0', partitions }],
    });
    const offsets = list(100, (partitionIndex) => ({ partitionIndex, startOffset: 0 }));
    const shared = { groupId: 's', topics: [{ topicName: 't0', partitions: offsets }] };
    await client.request(alterShareGroupOffsets, 0, shared);
    const again = list(10_000, () => ({ groupId: 'g', memberEpoch: -1, topics: null }));
    const named = { groupId: 'g', memberEpoch: -1, topics: [{ name: 't0', partitionIndexes: [1] }] };
    const answer = await client.request(offsetFetch, 9, { groups: [...again, named], requireStable: false });
    assert.deepEqual(
      answer.groups.map(({ topics }) => topics[0].partitions.length),
      [100, 1],
    );
    const shares = list(10_000, () => ({ groupId: 's', topics: null }));
    const described = await client.request(describeShareGroupOffsets, 0, { groups: shares });
    assert.deepEqual(
      described.groups.map(({ topics }) => topics[0].partitions.length),
      [100],
    );
  });

  it('of one topic 10,000 times is answered once, whichever of its configs are asked for', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    await createTopics(test, 1, 1);
    const resource = { resourceType: TOPIC, resourceName: 't0', configurationKeys: null };
    const request = { includeSynonyms: true, includeDocumentation: true };
    const all = await client.request(describeConfigs, 4, {
      ...request,
      resources: list(10_000, () => resource),
    });
    assert.equal(all.results.length, 1);
    const keys = ['retention.ms', 'cleanup.policy'];
    const resources = keys.map((key) => ({ ...resource, configurationKeys: [key] }));
    const some = await client.request(describeConfigs, 4, { ...request, resources });
    assert.deepEqual(
      some.results.map(({ configs }) => configs.map(({ name }) => name).sort()),
      [[...keys].sort()],
    );
    const described = await client.request(describeGroups, 5, { groups: list(10_000, () => 'g') });
    assert.equal(described.groups.length, 1);
  });

  it('with 3,000 filters of ACLs is worked on in slices, or refused if it would never end', async () => {
    await using test = await startDriven();
    using client = await test.connectAsAdministrator();
    const exact = (index: number) => ({
      resourceTypeFilter: TOPIC,
      resourceNameFilter: `t${index}`,
      patternTypeFilter: 3,
      principalFilter: 'User:ada',
      hostFilter: '*',
      operation: 3,
      permissionType: 3,
    });
    const creations = list(2000, (index) => ({
      resourceType: TOPIC,
      resourceName: `t${index}`,
      resourcePatternType: 3,
      principal: 'User:ada',
      host: '*',
      operation: 3,
      permissionType: 3,
    }));
    const created = await client.request(createAcls, 3, { creations });
    assert.ok(created.results.every(({ errorCode }) => errorCode === 0));
    const wide = { ...exact(0), resourceNameFilter: null, principalFilter: 'User:nobody', operation: ANY };
    const refused = await client.request(deleteAcls, 3, { filters: list(3000, () => wide) });
    assert.equal(errorName(refused.filterResults[2999].errorCode), 'INVALID_REQUEST');
    assert.match(refused.filterResults[0].errorMessage ?? '', /name all fields/);
    const { answer, others } = await beside(test, () =>
      client.request(deleteAcls, 3, { filters: list(3000, exact) }),
    );
    assert.ok(answer.filterResults.every(({ errorCode }) => errorCode === 0));
    assert.equal(answer.filterResults[1999].matchingAcls.length, 1);
    assert.ok(others > TURNS_MIN, `${others} others`);
    const left = await client.request(describeAcls, 3, {
      resourceTypeFilter: ANY,
      resourceNameFilter: null,
      patternTypeFilter: ANY,
      principalFilter: null,
      hostFilter: null,
      operation: ANY,
      permissionType: ANY,
    });
    assert.deepEqual(left.resources, []);
  });

  it('AddPartitionsToTxn beyond the limit of a transaction is refused; what was taken is there after a restart', async () => {
    await using test = await KafkaTestServer.start();
    await createTopics(test, 2, 1200);
    {
      using client = await test.connect();
      const { producerId, producerEpoch } = await producer(client);
      const add = (partitions: number) =>
        client.request(addPartitionsToTxn, 3, {
          v3AndBelowTransactionalId: 'x',
          v3AndBelowProducerId: producerId,
          v3AndBelowProducerEpoch: producerEpoch,
          v3AndBelowTopics: list(2, (topic) => ({
            name: `t${topic}`,
            partitions: list(partitions, (index) => index),
          })),
        });
      const codesOf = ({ resultsByTopicV3AndBelow }: Awaited<ReturnType<typeof add>>) => [
        ...new Set(
          resultsByTopicV3AndBelow.flatMap(({ resultsByPartition }) =>
            resultsByPartition.map(({ partitionErrorCode }) => errorName(partitionErrorCode)),
          ),
        ),
      ];
      assert.deepEqual(codesOf(await add(1200)), ['POLICY_VIOLATION']);
      assert.deepEqual(codesOf(await add(1000)), ['NONE']);
      assert.deepEqual(codesOf(await add(1001)), ['POLICY_VIOLATION']);
      assert.deepEqual(codesOf(await add(1000)), ['NONE']);
    }
    await test.restart();
    const found = test.broker.transactions.find('/', 'x');
    assert.equal(found?.partitions.size, 2000);
  });

  it('of many partitions or names lets others go on, whatever it asks', async () => {
    await using test = await startDriven({ createsTopics: false });
    await createTopics(test, 1, 1000);
    using client = await test.connect();
    const partitions = list(5000, (index) => index % 1000);
    const requests: [string, () => Promise<unknown>][] = [
      [
        'ListOffsets',
        () =>
          client.request(listOffsets, 7, {
            replicaId: -1,
            topics: [
              {
                name: 't0',
                partitions: partitions.map((index) => ({
                  partitionIndex: index,
                  timestamp: -1,
                  currentLeaderEpoch: -1,
                })),
              },
            ],
          }),
      ],
      [
        'Metadata',
        () =>
          client.request(metadata, 9, {
            topics: list(5000, (index) => ({ name: `n${index}` })),
            allowAutoTopicCreation: false,
          }),
      ],
      [
        'FindCoordinator',
        () =>
          client.request(findCoordinator, 4, {
            keyType: 0,
            coordinatorKeys: list(5000, (index) => `g${index}`),
          }),
      ],
      [
        'OffsetCommit',
        () =>
          client.request(offsetCommit, 8, {
            groupId: 'g',
            generationIdOrMemberEpoch: -1,
            memberId: '',
            topics: [
              {
                name: 't0',
                partitions: partitions.map((index) => ({
                  partitionIndex: index,
                  committedOffset: index,
                  committedMetadata: '',
                })),
              },
            ],
          }),
      ],
    ];
    for (const [name, send] of requests) {
      const { others } = await beside(test, send);
      assert.ok(others > TURNS_MIN, `${name}: ${others} others`);
    }
    const committed = await client.request(offsetFetch, 7, {
      groupId: 'g',
      topics: [{ name: 't0', partitionIndexes: [999] }],
    });
    assert.equal(committed.topics[0].partitions[0].committedOffset, 999);
  });

  it('is answered before the requests behind it on its connection', async () => {
    await using test = await startDriven();
    using client = await test.connect();
    const order: string[] = [];
    const groups = list(5000, (index) => ({ groupId: `g${index}`, memberEpoch: -1, topics: null }));
    await Promise.all([
      client.request(offsetFetch, 9, { groups, requireStable: false }).then(() => order.push('large')),
      client
        .request(apiVersions, 3, { clientSoftwareName: 'a', clientSoftwareVersion: '1' })
        .then(() => order.push('small')),
    ]);
    assert.deepEqual(order, ['large', 'small']);
  });

  it('that is larger than any client sends ends its connection', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const coordinatorKeys = list(600, () => 'k'.repeat(30_000));
    await assert.rejects(client.request(findCoordinator, 4, { keyType: 0, coordinatorKeys }), /closed/);
  });
});
