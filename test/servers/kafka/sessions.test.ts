import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { shareFetch } from '../../../src/wire/kafka/messages/share-fetch.ts';
import { shareGroupHeartbeat } from '../../../src/wire/kafka/messages/share-groups.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import { until } from '../../support/until.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

async function withTopic(limits: Record<string, number>, partitions = 50): Promise<KafkaTestServer> {
  const test = await KafkaTestServer.start({}, { objectLimits: { administrator: limits } });
  test.broker.streams.create({ vhost: '/', name: 't', partitions, configs: new Map() });
  test.broker.groupConfigs.set('/', 'g', new Map([['share.auto.offset.reset', 'earliest']]));
  await test.broker.shard.durable();
  return test;
}

function sessionFetch(
  client: KafkaClient,
  sessionId: number,
  sessionEpoch: number,
  from: number,
  to: number,
) {
  const partitions = Array.from({ length: to - from }, (_, i) => ({
    partition: from + i,
    fetchOffset: 0,
    partitionMaxBytes: 1000,
  }));
  const topics = partitions.length === 0 ? [] : [{ topic: 't', partitions }];
  const limits = { maxWaitMs: 0, minBytes: 0, maxBytes: 1000 };
  return client.request(fetch, 11, { ...limits, sessionId, sessionEpoch, topics, forgottenTopicsData: [] });
}

function shareFetchOf(client: KafkaClient, topicId: string, epoch: number, partitions: number) {
  return client.request(shareFetch, 1, {
    groupId: 'g',
    memberId: 'm',
    shareSessionEpoch: epoch,
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
    maxRecords: 10_000,
    batchSize: 100,
    topics: [
      {
        topicId,
        partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
          partitionIndex,
          acknowledgementBatches: [],
        })),
      },
    ],
    forgottenTopicsData: [],
  });
}

async function joinShareGroup(client: KafkaClient): Promise<void> {
  const member = { groupId: 'g', memberId: 'm', memberEpoch: 0, subscribedTopicNames: ['t'] };
  await client.request(shareGroupHeartbeat, 1, member);
}

describe('what sessions remember', () => {
  it('is counted for the user: beyond its limit a client fetches without a session, and others begin them', async () => {
    await using test = await withTopic({ 'session-partitions': 60 });
    const { quotas } = test.broker;
    const counted = () => quotas.count('session-partitions', { user: 'guest' });
    using first = await test.connect();
    const one = await sessionFetch(first, 0, 0, 0, 40);
    assert.ok(one.sessionId > 0);
    assert.equal(counted(), 40);
    using second = await test.connect();
    const two = await sessionFetch(second, 0, 0, 0, 40);
    assert.deepEqual([two.errorCode, two.sessionId], [0, 0]);
    assert.equal(two.responses[0].partitions.length, 40);
    assert.equal(counted(), 40);
    const small = await sessionFetch(second, 0, 0, 0, 20);
    assert.ok(small.sessionId > 0);
    // One that grows beyond it ends, and the client sends a full request then.
    const grown = await sessionFetch(second, small.sessionId, 1, 20, 40);
    assert.equal(errorName(grown.errorCode), 'FETCH_SESSION_ID_NOT_FOUND');
    assert.equal(counted(), 40);
    first[Symbol.dispose]();
    await until(() => counted() === 0);
  });

  it('is no more than its limit in one request either', async () => {
    await using test = await withTopic({ 'session-partitions': 1500 }, 2000);
    using client = await test.connect();
    const answer = await sessionFetch(client, 0, 0, 0, 2000);
    assert.equal(answer.sessionId, 0);
    assert.equal(answer.responses[0].partitions.length, 2000);
    assert.equal(test.broker.quotas.count('session-partitions', { user: 'guest' }), 0);
  });

  it('of share groups counts, too: a session that would be too large is refused', async () => {
    await using test = await withTopic({ 'session-partitions': 1500 }, 2000);
    using client = await test.connect();
    await joinShareGroup(client);
    const topicId = test.broker.streams.get('/', 't')?.id ?? '';
    const refused = await shareFetchOf(client, topicId, 0, 2000);
    assert.equal(errorName(refused.errorCode), 'SHARE_SESSION_LIMIT_REACHED');
    assert.equal(test.broker.quotas.count('session-partitions', { user: 'guest' }), 0);
    const begun = await shareFetchOf(client, topicId, 0, 100);
    assert.equal(errorName(begun.errorCode), 'NONE');
    assert.equal(test.broker.quotas.count('session-partitions', { user: 'guest' }), 100);
  });
});

describe('records that share groups have handed out', () => {
  it('are counted for the user: at its limit no more are, until some are done with', async () => {
    await using test = await withTopic({ 'records-in-flight': 25 }, 4);
    using client = await test.connect();
    const records = batchOf(Array.from({ length: 10 }, (_, i) => `r${i}`));
    for (let index = 0; index < 4; index++) {
      const topicData = [{ name: 't', partitionData: [{ index, records: Buffer.from(records) }] }];
      await client.request(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
    }
    await joinShareGroup(client);
    const topicId = test.broker.streams.get('/', 't')?.id ?? '';
    const { responses } = await shareFetchOf(client, topicId, 0, 4);
    const acquired = responses.flatMap(({ partitions }) =>
      partitions.flatMap(({ acquiredRecords }) => acquiredRecords),
    );
    // Whole batches: the third goes beyond.
    assert.equal(acquired.length, 3);
    assert.equal(test.broker.quotas.count('records-in-flight', { user: 'guest' }), 30);
    client[Symbol.dispose]();
    using other = await test.connect();
    await joinShareGroup(other);
    const group = test.broker.shareGroups.find('/', 'g') ?? assert.fail();
    for (const { share } of group.allReaders()) {
      if (share.inFlight > 0) await until(() => share.nextAvailable() === 0);
    }
    const again = await shareFetchOf(other, topicId, 0, 4);
    assert.ok(again.responses.length > 0, 'what was given back is handed out again');
  });

  it('of one batch are at most ten thousand at a time', async () => {
    await using test = await withTopic({}, 1);
    using client = await test.connect();
    const records = batchOf(Array.from({ length: 25_000 }, () => ''));
    const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
    await client.request(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
    await joinShareGroup(client);
    const topicId = test.broker.streams.get('/', 't')?.id ?? '';
    const { responses } = await shareFetchOf(client, topicId, 0, 1);
    const [{ firstOffset, lastOffset }] = responses[0].partitions[0].acquiredRecords;
    assert.deepEqual([firstOffset, lastOffset], [0, 9999]);
  });
});
