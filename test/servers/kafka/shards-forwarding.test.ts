import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ACL_OPERATION,
  ACL_PATTERN_TYPE,
  ACL_PERMISSION,
  ACL_RESOURCE_TYPE,
} from '../../../src/wire/kafka/constants.ts';
import { ZERO_UUID } from '../../../src/wire/kafka/declaration.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { createAcls } from '../../../src/wire/kafka/messages/acls.ts';
import { describeConfigs, incrementalAlterConfigs } from '../../../src/wire/kafka/messages/configs.ts';
import { describeGroups, listGroups } from '../../../src/wire/kafka/messages/group-admin.ts';
import { joinGroup, leaveGroup } from '../../../src/wire/kafka/messages/group-membership.ts';
import { offsetCommit, offsetFetch } from '../../../src/wire/kafka/messages/group-offsets.ts';
import { metadata } from '../../../src/wire/kafka/messages/metadata.ts';
import { alterClientQuotas } from '../../../src/wire/kafka/messages/quotas.ts';
import { createTopics, deleteTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { listTransactions } from '../../../src/wire/kafka/messages/transaction-admin.ts';
import { initProducerId } from '../../../src/wire/kafka/messages/transactions.ts';
import { until } from '../../support/until.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaShards } from './kafka-shards.ts';

const TOPIC = 2;

function join(client: KafkaClient, memberId = '', groupId = 'g', rebalanceTimeoutMs = 10_000) {
  return client.request(joinGroup, 3, {
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs,
    memberId,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('wishes') }],
  });
}

async function commit(client: KafkaClient, partition: number, offset: number) {
  const { topics } = await client.request(offsetCommit, 8, {
    groupId: 'g',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    topics: [
      {
        name: 't',
        partitions: [{ partitionIndex: partition, committedOffset: offset, committedMetadata: '' }],
      },
    ],
  });
  return errorName(topics[0]!.partitions[0]!.errorCode);
}

async function committed(client: KafkaClient) {
  const { groups } = await client.request(offsetFetch, 8, { groups: [{ groupId: 'g', topics: null }] });
  return groups[0]!.topics.flatMap(({ partitions }) =>
    partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, committedOffset]),
  );
}

function assertNothingIsOpen(test: KafkaShards): void {
  for (const { elsewhere } of test.shards.brokers) assert.deepEqual(elsewhere?.counts, { asked: 0, open: 0 });
}

describe('a request that only the controller can answer', () => {
  it('is answered at every broker: topics, settings, and what was changed is seen at once', async () => {
    await using test = await KafkaShards.start();
    for (const shard of [0, 1, 2]) {
      using client = await test.connectAs(shard, 'guest');
      const name = `t${shard}`;
      assert.equal(errorName((await test.createTopic(client, name)).errorCode), 'NONE');
      assert.equal(errorName((await test.createTopic(client, name)).errorCode), 'TOPIC_ALREADY_EXISTS');
      const configs = [{ name: 'retention.ms', configOperation: 0, value: '1234' }];
      await client.request(incrementalAlterConfigs, 1, {
        resources: [{ resourceType: TOPIC, resourceName: name, configs }],
        validateOnly: false,
      });
      const { results } = await client.request(describeConfigs, 4, {
        resources: [{ resourceType: TOPIC, resourceName: name, configurationKeys: ['retention.ms'] }],
      });
      assert.equal(results[0]?.configs[0]?.value, '1234');
      const { responses } = await client.request(deleteTopics, 6, {
        topics: [{ name, topicId: ZERO_UUID }],
        timeoutMs: 1000,
      });
      assert.equal(errorName(responses[0]!.errorCode), 'NONE');
      const { topics } = await client.request(metadata, 12, {
        topics: [{ name }],
        allowAutoTopicCreation: false,
      });
      assert.equal(errorName(topics[0]!.errorCode), 'UNKNOWN_TOPIC_OR_PARTITION');
    }
    assertNothingIsOpen(test);
  });

  it('is answered before the next request of its connection begins, and in its place', async () => {
    await using test = await KafkaShards.start();
    using client = await test.connect(1);
    const topics = [{ name: 't', numPartitions: 3, replicationFactor: 1, assignments: [], configs: [] }];
    const [made, seen, again] = await Promise.all([
      client.request(createTopics, 7, { topics, timeoutMs: 1000 }),
      client.request(metadata, 12, { topics: [{ name: 't' }] }),
      client.request(createTopics, 7, { topics, timeoutMs: 1000 }),
    ]);
    assert.equal(errorName(made.topics[0]!.errorCode), 'NONE');
    assert.equal(seen.topics[0]?.partitions.length, 3);
    assert.equal(errorName(again.topics[0]!.errorCode), 'TOPIC_ALREADY_EXISTS');
  });

  it('can be large, and so can its answer, whatever room there is in the ring', async () => {
    await using test = await KafkaShards.start(2, {}, {}, 16 * 1024);
    using client = await test.connect(1);
    const names = Array.from({ length: 3000 }, (_, i) => `${'group'.repeat(20)}-${i}`);
    const { groups } = await client.request(describeGroups, 5, { groups: names });
    assert.deepEqual(
      groups.map(({ groupId }) => groupId),
      names,
    );
    assertNothingIsOpen(test);
  });

  it('is refused as if its client were connected there: rights, and access control lists', async () => {
    await using test = await KafkaShards.start();
    const { administration } = test.broker(0).access;
    await administration.addUser('ada', 'ada');
    await administration.setPermissions('ada', '/', { configure: '^a', write: '^a', read: '.*' });
    await test.broker(0).metadataIsSafe();
    using ada = await test.connectAs(2, 'ada');
    assert.equal(errorName((await test.createTopic(ada, 'b')).errorCode), 'TOPIC_AUTHORIZATION_FAILED');
    assert.equal(errorName((await test.createTopic(ada, 'a')).errorCode), 'NONE');
    const auto = await ada.request(metadata, 12, { topics: [{ name: 'b2' }], allowAutoTopicCreation: true });
    assert.equal(errorName(auto.topics[0]!.errorCode), 'TOPIC_AUTHORIZATION_FAILED');
    const acls = {
      resourceType: ACL_RESOURCE_TYPE.GROUP,
      resourceName: 'g',
      resourcePatternType: ACL_PATTERN_TYPE.LITERAL,
      principal: 'User:ada',
      host: '127.0.0.1',
      operation: ACL_OPERATION.READ,
      permissionType: ACL_PERMISSION.DENY,
    };
    const byAda = await ada.request(createAcls, 3, { creations: [acls] });
    assert.equal(errorName(byAda.results[0]!.errorCode), 'CLUSTER_AUTHORIZATION_FAILED');
    assert.notEqual(errorName((await join(ada)).errorCode), 'GROUP_AUTHORIZATION_FAILED');
    using guest = await test.connectAs(1, 'guest');
    const byGuest = await guest.request(createAcls, 3, { creations: [acls] });
    assert.equal(errorName(byGuest.results[0]!.errorCode), 'NONE');
    assert.equal(errorName((await join(ada)).errorCode), 'GROUP_AUTHORIZATION_FAILED');
    // Whoever has not logged in administers nothing, with the permissions of guest.
    using nobody = await test.connect(1);
    const byNobody = await nobody.request(createAcls, 3, { creations: [acls] });
    assert.equal(errorName(byNobody.results[0]!.errorCode), 'CLUSTER_AUTHORIZATION_FAILED');
  });

  it('of a group: members and offsets are the same at all brokers, and it is listed once', async () => {
    await using test = await KafkaShards.start();
    const clients = await Promise.all([0, 1, 2].map((shard) => test.connect(shard, `client ${shard}`)));
    try {
      await test.createTopic(clients[1]!, 't');
      for (const [index, client] of clients.entries())
        assert.equal(await commit(client, index, 10 + index), 'NONE');
      for (const client of clients) {
        assert.deepEqual(await committed(client), [
          [0, 10],
          [1, 11],
          [2, 12],
        ]);
      }
      const joined = await join(clients[2]!, '', 'members');
      assert.equal(errorName(joined.errorCode), 'NONE');
      const { groups } = await clients[1]!.request(describeGroups, 5, { groups: ['members'] });
      const [member] = groups[0]!.members;
      assert.deepEqual([member?.clientId, member?.clientHost], ['client 2', '/127.0.0.1']);
      const listed = await Promise.all(clients.map((client) => client.request(listGroups, 4, {})));
      assert.deepEqual(
        listed.map(({ groups: all }) => all.map(({ groupId }) => groupId).sort()),
        [['g', 'members'], [], []],
      );
    } finally {
      for (const client of clients) client.socket.destroy();
    }
  });

  it('may wait for others, who are at other brokers', async () => {
    await using test = await KafkaShards.start();
    using first = await test.connect(1);
    using second = await test.connect(2);
    const alone = await join(first);
    const joining = join(second);
    await until(() => test.broker(0).elsewhere?.counts.open === 1);
    const [again, other] = await Promise.all([join(first, alone.memberId), joining]);
    assert.deepEqual([again.generationId, other.generationId], [2, 2]);
    assert.equal(again.members.length, 2);
    assertNothingIsOpen(test);
  });

  it('is forgotten when its client goes away while it waits', async () => {
    await using test = await KafkaShards.start();
    using first = await test.connect(1);
    const { memberId } = await join(first);
    const second = await test.connect(2);
    const lost = assert.rejects(join(second), /closed/);
    await until(() => test.broker(0).elsewhere?.counts.open === 1);
    assert.equal(test.broker(2).elsewhere?.counts.asked, 1);
    const held = test.broker(0).budget.memory.userCount;
    second.socket.destroy();
    await lost;
    await until(() => test.broker(0).elsewhere?.counts.open === 0);
    assertNothingIsOpen(test);
    assert.ok(test.broker(0).budget.memory.userCount < held);
    await first.request(leaveGroup, 3, { groupId: 'g', members: [{ memberId }] });
  });

  it('ends with its connection when its user is deleted', async () => {
    await using test = await KafkaShards.start(2);
    const { administration } = test.broker(0).access;
    await administration.addUser('ada', 'ada');
    await administration.setPermissions('ada', '/', { configure: '.*', write: '.*', read: '.*' });
    await test.broker(0).metadataIsSafe();
    using ada = await test.connectAs(1, 'ada');
    await join(ada);
    await administration.deleteUser('ada');
    await ada.closed();
  });

  it('gives producers their ids, each its own, at any broker', async () => {
    await using test = await KafkaShards.start();
    const ids = new Set<number>();
    for (const shard of [0, 1, 2, 1]) {
      using client = await test.connect(shard);
      const given = await client.request(initProducerId, 4, {
        transactionalId: null,
        transactionTimeoutMs: 1000,
      });
      assert.equal(errorName(given.errorCode), 'NONE');
      ids.add(given.producerId);
    }
    assert.equal(ids.size, 4);
    using client = await test.connect(2);
    await client.request(initProducerId, 4, { transactionalId: 'tx', transactionTimeoutMs: 1000 });
    for (const shard of [0, 1, 2]) {
      using other = await test.connect(shard);
      const { transactionStates } = await other.request(listTransactions, 0, {
        stateFilters: [],
        producerIdFilters: [],
      });
      assert.equal(transactionStates.length, shard === 0 ? 1 : 0);
    }
  });

  it('ends its connection if it makes no sense, as at the controller, and nothing is left of it', async () => {
    await using test = await KafkaShards.start(2);
    using client = await test.connect(1);
    const { bytes } = client.encode(describeGroups, 5, { groups: ['g'] });
    // The number of groups, behind which there is one.
    bytes[bytes.length - 5] = 100;
    client.socket.write(bytes);
    await client.closed();
    assertNothingIsOpen(test);
  });

  it('counts against the quota of its client, which is told, and held back where it is connected', async () => {
    await using test = await KafkaShards.start(2);
    using administrator = await test.connectAs(1, 'guest');
    const entity = [{ entityType: 'user', entityName: 'ANONYMOUS' }];
    const ops = [{ key: 'request_percentage', value: 0.01, remove: false }];
    await administrator.request(alterClientQuotas, 1, { entries: [{ entity, ops }], validateOnly: false });
    using client = await test.connect(1);
    const groups = Array.from({ length: 2000 }, (_, i) => `group ${i}`);
    const { throttleTimeMs } = await client.request(describeGroups, 5, { groups });
    assert.ok(throttleTimeMs > 0, `${throttleTimeMs}`);
    let isAnswered = false;
    const held = client.request(metadata, 12, { topics: [] }).then(
      () => (isAnswered = true),
      () => undefined,
    );
    await new Promise((resolve) => setTimeout(resolve, Math.min(100, throttleTimeMs / 2)));
    assert.ok(!isAnswered);
    client.socket.destroy();
    await held;
  });
});
