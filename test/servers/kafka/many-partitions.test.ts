import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { offsetCommit, offsetFetch } from '../../../src/wire/kafka/messages/group-offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { shareAcknowledge, shareFetch } from '../../../src/wire/kafka/messages/share-fetch.ts';
import { shareGroupHeartbeat } from '../../../src/wire/kafka/messages/share-groups.ts';
import { initProducerId, txnOffsetCommit } from '../../../src/wire/kafka/messages/transactions.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import { DrivenClock, STEP_MS } from '../../support/driven-clock.ts';
import { until } from '../../support/until.ts';
import { beside } from './beside.ts';
import { KafkaTestServer } from './test-server.ts';

/** How often others have their turn beside a large request, at least: some times while its bytes are read, if it were done in one piece. */
const TURNS_MIN = 20;

function list<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** By its clock a slice of a request is over after some dozens of steps. */
async function withTopic(partitions: number): Promise<KafkaTestServer> {
  const test = await KafkaTestServer.start({}, { clock: new DrivenClock(STEP_MS) });
  test.broker.streams.create({ vhost: '/', name: 't', partitions, configs: new Map() });
  await test.broker.shard.durable();
  return test;
}

function fetchOf(partitions: number, minBytes: number, maxWaitMs: number) {
  return {
    maxWaitMs,
    minBytes,
    maxBytes: 50_000_000,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [
      {
        topic: 't',
        partitions: list(partitions, (partition) => ({
          partition,
          fetchOffset: 0,
          partitionMaxBytes: 1_000_000,
        })),
      },
    ],
    forgottenTopicsData: [],
    rackId: '',
  };
}

describe('a request of very many partitions', () => {
  it('Fetch waits for the bytes of all, and looks only at the partition that got some', async () => {
    await using test = await withTopic(2000);
    using client = await test.connect();
    const partitions = test.broker.streams.get('/', 't')?.ownPartitions ?? [];
    const records = batchOf(['one']);
    const looks = list(2000, () => 0);
    for (const [index, { log }] of partitions.entries()) {
      const bytesInTail = log.bytesInTail.bind(log);
      log.bytesInTail = (...args) => {
        looks[index]++;
        return bytesInTail(...args);
      };
    }
    const count = 20;
    const answer = client.request(fetch, 11, fetchOf(2000, count * records.length, 60_000));
    using producer = await test.connect();
    for (let index = 0; index < count; index++) {
      const topicData = [{ name: 't', partitionData: [{ index: index * 7, records: Buffer.from(records) }] }];
      await producer.request(produce, 7, { transactionalId: null, acks: 1, timeoutMs: 1000, topicData });
    }
    const { responses } = await answer;
    const found = responses[0].partitions.filter(
      (each) => each.records !== null && each.records.end > each.records.start,
    );
    assert.deepEqual(
      found.map(({ partitionIndex }) => partitionIndex),
      list(count, (index) => index * 7),
    );
    assert.equal(responses[0].partitions.length, 2000);
    assert.ok(
      looks.every((times) => times <= 4),
      `${Math.max(...looks)} looks`,
    );
  });

  it('ShareFetch waits for the bytes of all, and looks only at the partitions that got some', async () => {
    await using test = await withTopic(500);
    using client = await test.connect();
    test.broker.groupConfigs.set('/', 'g', new Map([['share.auto.offset.reset', 'earliest']]));
    const { id: topicId = '', ownPartitions: partitions = [] } = test.broker.streams.get('/', 't') ?? {};
    const names = { groupId: 'g', memberId: 'm' };
    await client.request(shareGroupHeartbeat, 1, { ...names, memberEpoch: 0, subscribedTopicNames: ['t'] });
    const group = test.broker.shareGroups.find('/', 'g');
    assert.ok(group !== undefined);
    await until(() => group.assignmentEpoch === group.epoch);
    const looks = list(500, () => 0);
    for (const [index, { log }] of partitions.entries()) {
      const reader = test.broker.shareGroups.reader(group, topicId, index);
      assert.ok(reader !== undefined && log.tail !== null);
      const availableBytes = reader.availableBytes.bind(reader);
      reader.availableBytes = (...args) => {
        looks[index]++;
        return availableBytes(...args);
      };
    }
    const records = batchOf(['one']);
    const count = 20;
    const answer = client.request(shareFetch, 1, {
      ...names,
      shareSessionEpoch: 0,
      maxWaitMs: 1_000_000,
      minBytes: count * records.length,
      maxBytes: 50_000_000,
      maxRecords: 1000,
      batchSize: 1000,
      topics: [
        {
          topicId,
          partitions: list(500, (partitionIndex) => ({ partitionIndex, acknowledgementBatches: [] })),
        },
      ],
      forgottenTopicsData: [],
    });
    using producer = await test.connect();
    for (let index = 0; index < count; index++) {
      const topicData = [{ name: 't', partitionData: [{ index: index * 7, records: Buffer.from(records) }] }];
      await producer.request(produce, 7, { transactionalId: null, acks: 1, timeoutMs: 1000, topicData });
    }
    const { responses } = await answer;
    const found = responses[0].partitions.filter(({ acquiredRecords }) => acquiredRecords.length > 0);
    assert.equal(found.length, count);
    const others = looks.filter((_, index) => index % 7 > 0 || index >= count * 7);
    assert.ok(Math.max(...others) <= 2, `${Math.max(...others)} looks`);
  });

  it('Produce of 5,000 batches is answered for each, and others are served meanwhile', async () => {
    await using test = await withTopic(10);
    using client = await test.connect();
    const records = batchOf(['one']);
    const batches = list(5000, (index) => ({ index: index % 10, records }));
    const { answer, others } = await beside(test, () =>
      client.request(produce, 7, {
        transactionalId: null,
        acks: 1,
        timeoutMs: 1000,
        topicData: [{ name: 't', partitionData: batches }],
      }),
    );
    const { partitionResponses } = answer.responses[0];
    assert.equal(partitionResponses.length, 5000);
    assert.deepEqual(
      partitionResponses.slice(-10).map(({ errorCode, baseOffset }) => [errorCode, Number(baseOffset)]),
      list(10, () => [0, 499]),
    );
    assert.ok(others > TURNS_MIN, `${others} others`);
  });

  it('ShareAcknowledge of 5,000 batches that nobody holds is refused, and others are served meanwhile', async () => {
    await using test = await withTopic(1);
    using client = await test.connect();
    const topicId = test.broker.streams.get('/', 't')?.id ?? '';
    const names = { groupId: 'g', memberId: 'm' };
    const joined = { ...names, memberEpoch: 0, subscribedTopicNames: ['t'] };
    await client.request(shareGroupHeartbeat, 1, joined);
    const topic = (batches: number) => ({
      topicId,
      partitions: [
        {
          partitionIndex: 0,
          acknowledgementBatches: list(batches, (index) => ({
            firstOffset: index,
            lastOffset: index,
            acknowledgeTypes: [1],
          })),
        },
      ],
    });
    await client.request(shareFetch, 1, {
      ...names,
      shareSessionEpoch: 0,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1000,
      maxRecords: 10,
      batchSize: 10,
      topics: [topic(0)],
      forgottenTopicsData: [],
    });
    const { answer, others } = await beside(test, () =>
      client.request(shareAcknowledge, 1, { ...names, shareSessionEpoch: 1, topics: [topic(5000)] }),
    );
    assert.equal(errorName(answer.responses[0].partitions[0].errorCode), 'INVALID_RECORD_STATE');
    assert.ok(others > TURNS_MIN, `${others} others`);
  });

  it('OffsetCommit with megabytes of metadata is done in parts; TxnOffsetCommit with as much is refused', async () => {
    await using test = await withTopic(1000);
    using client = await test.connect();
    const partitions = list(1000, (partitionIndex) => ({
      partitionIndex,
      committedOffset: partitionIndex,
      committedLeaderEpoch: -1,
      committedMetadata: 'm'.repeat(4000),
    }));
    const group = { groupId: 'g', memberId: '', groupInstanceId: null };
    const topics = [{ name: 't', partitions }];
    const recorded: number[] = [];
    const pendingBytes: number[] = [];
    const { groups } = test.broker;
    const { journal } = test.broker.shard.store;
    const commit = groups.commit.bind(groups);
    groups.commit = (request) => {
      recorded.push(Object.values(request.rows).flat().length);
      pendingBytes.push(journal.pendingBytes);
      return commit(request);
    };
    const committed = await client.request(offsetCommit, 8, {
      ...group,
      generationIdOrMemberEpoch: -1,
      topics,
    });
    assert.ok(committed.topics[0].partitions.every(({ errorCode }) => errorCode === 0));
    assert.ok(
      recorded.every((rows) => rows <= 33),
      `${recorded}`,
    );
    // What others commit waits behind it.
    assert.ok(
      Math.max(...pendingBytes) < 1_000_000,
      `${Math.max(...pendingBytes)} bytes waited for the disk`,
    );
    const { groups: fetched } = await client.request(offsetFetch, 8, {
      groups: [{ groupId: 'g', topics: null }],
    });
    assert.equal(fetched[0].topics[0].partitions.length, 1000);
    const { producerId, producerEpoch } = await client.request(initProducerId, 4, {
      transactionalId: 'x',
      transactionTimeoutMs: 60_000,
    });
    const refused = await client.request(txnOffsetCommit, 3, {
      ...group,
      transactionalId: 'x',
      producerId,
      producerEpoch,
      generationId: -1,
      topics,
    });
    assert.equal(errorName(refused.topics[0].partitions[0].errorCode), 'POLICY_VIOLATION');
  });
});
