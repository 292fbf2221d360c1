import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { incrementalAlterConfigs } from '../../../src/wire/kafka/messages/configs.ts';
import { joinGroup } from '../../../src/wire/kafka/messages/group-membership.ts';
import { offsetCommit } from '../../../src/wire/kafka/messages/group-offsets.ts';
import { metadata } from '../../../src/wire/kafka/messages/metadata.ts';
import { createPartitions, createTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { initProducerId } from '../../../src/wire/kafka/messages/transactions.ts';
import type { KafkaClient } from './kafka-client.ts';
import { topic } from './new-topic.ts';
import { KafkaTestServer } from './test-server.ts';

const SESSION_TIMEOUT = 'consumer.session.timeout.ms';

async function create(client: KafkaClient, ...topics: ReturnType<typeof topic>[]) {
  const { topics: results } = await client.request(createTopics, 7, { topics, timeoutMs: 1000 });
  return results.map(({ errorCode, errorMessage }) => [errorName(errorCode), errorMessage]);
}

async function commit(
  client: KafkaClient,
  groupId: string,
  partitionIndex: number,
): Promise<string | undefined> {
  const partitions = [{ partitionIndex, committedOffset: 1, committedMetadata: '' }];
  const request = { groupId, memberId: '', topics: [{ name: 't', partitions }] };
  const { topics } = await client.request(offsetCommit, 8, request);
  return errorName(topics[0].partitions[0].errorCode);
}

async function initialize(client: KafkaClient, transactionalId: string | null): Promise<string | undefined> {
  const request = { transactionalId, transactionTimeoutMs: 1000 };
  const { errorCode } = await client.request(initProducerId, 4, request);
  return errorName(errorCode);
}

async function join(client: KafkaClient, groupId: string): Promise<string | undefined> {
  const { errorCode } = await client.request(joinGroup, 9, {
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('wishes') }],
  });
  return errorName(errorCode);
}

describe('a limit of the user', () => {
  it('holds for the partitions of all topics, and is told with its setting', async () => {
    await using test = await KafkaTestServer.start(
      {},
      { objectLimits: { administrator: { partitions: 1000 } } },
    );
    using client = await test.connect();
    const results = await create(client, topic('a', 600), topic('b', 600), topic('c', 400));
    assert.deepEqual(results, [
      ['NONE', null],
      [
        'POLICY_VIOLATION',
        "user 'guest' has reached the limit of 1000 partitions; it is set by 'administrator-limits'",
      ],
      ['NONE', null],
    ]);
    const more = {
      topics: [{ name: 'a', count: 601, assignments: null }],
      timeoutMs: 1000,
      validateOnly: false,
    };
    const { results: extended } = await client.request(createPartitions, 3, more);
    assert.equal(errorName(extended[0].errorCode), 'POLICY_VIOLATION');
  });

  it('holds for the groups for which something is set, over a restart and until nothing is set any more', async () => {
    await using test = await KafkaTestServer.start(
      {},
      { objectLimits: { administrator: { 'group-configs': 2 } } },
    );
    const set = async (client: KafkaClient, ...values: [string, string | null][]) => {
      const { responses } = await client.request(incrementalAlterConfigs, 1, {
        resources: values.map(([resourceName, value]) => ({
          resourceType: 32,
          resourceName,
          configs: [{ name: SESSION_TIMEOUT, configOperation: value === null ? 1 : 0, value }],
        })),
        validateOnly: false,
      });
      return responses.map(({ errorCode }) => errorName(errorCode));
    };
    using client = await test.connect();
    const refused = ['NONE', 'NONE', 'POLICY_VIOLATION'];
    assert.deepEqual(await set(client, ['a', '50000'], ['b', '50000'], ['c', '50000']), refused);
    await test.restart();
    using again = await test.connect();
    assert.deepEqual(await set(again, ['a', '51000'], ['c', '50000']), ['NONE', 'POLICY_VIOLATION']);
    assert.deepEqual(await set(again, ['a', null], ['c', '50000']), ['NONE', 'NONE']);
  });

  it('of groups, offsets and transactional ids is answered with an error that is final', async () => {
    await using test = await KafkaTestServer.start(
      {},
      { objectLimits: { administrator: { groups: 1, offsets: 1, 'transactional-ids': 1 } } },
    );
    using client = await test.connect();
    await create(client, topic('t', 2));
    assert.deepEqual(
      [await commit(client, 'g', 0), await commit(client, 'g', 1), await commit(client, 'h', 0)],
      ['NONE', 'GROUP_MAX_SIZE_REACHED', 'GROUP_MAX_SIZE_REACHED'],
    );
    assert.equal(await join(client, 'h'), 'GROUP_MAX_SIZE_REACHED');
    assert.deepEqual(
      [await initialize(client, 'x'), await initialize(client, 'y')],
      ['NONE', 'POLICY_VIOLATION'],
    );
  });
});

describe('while a resource is short', () => {
  it('what would be made is refused with errors after which clients try again', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    test.broker.shard.setAlarm('memory', true);
    const [[error, text]] = await create(client, topic('a', 1));
    assert.equal(error, 'REQUEST_TIMED_OUT');
    assert.match(String(text), /^no topics are made while memory is short/);
    const asked = { topics: [{ name: 'b' }], allowAutoTopicCreation: true };
    const { topics } = await client.request(metadata, 9, asked);
    assert.equal(errorName(topics[0].errorCode), 'LEADER_NOT_AVAILABLE');
    assert.equal(await join(client, 'g'), 'COORDINATOR_NOT_AVAILABLE');
    assert.equal(await initialize(client, 'x'), 'COORDINATOR_NOT_AVAILABLE');
    test.broker.shard.setAlarm('memory', false);
    assert.deepEqual(await create(client, topic('a', 1)), [['NONE', null]]);
  });

  it('offsets are committed until the disk has nothing left but its reserve', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    await create(client, topic('t', 2));
    const { alarms } = test.broker.shard;
    test.broker.shard.setAlarm('disk', true);
    assert.equal(await commit(client, 'g', 0), 'COORDINATOR_NOT_AVAILABLE');
    test.broker.shard.setAlarm('disk', false);
    assert.equal(await commit(client, 'g', 0), 'NONE');
    test.broker.shard.setAlarm('disk', true);
    assert.equal(await commit(client, 'g', 0), 'NONE');
    alarms.isDiskReserved = true;
    assert.equal(await commit(client, 'g', 0), 'COORDINATOR_NOT_AVAILABLE');
    assert.equal(await initialize(client, null), 'COORDINATOR_NOT_AVAILABLE');
    alarms.isDiskReserved = false;
  });
});
