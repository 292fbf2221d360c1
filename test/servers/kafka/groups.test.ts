import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RequestInput } from '../../../src/wire/kafka/declaration.ts';
import { ERROR_CODES, errorName } from '../../../src/wire/kafka/error-codes.ts';
import {
  consumerGroupDescribe,
  consumerGroupHeartbeat,
} from '../../../src/wire/kafka/messages/consumer-groups.ts';
import { deleteGroups, describeGroups, listGroups } from '../../../src/wire/kafka/messages/group-admin.ts';
import {
  findCoordinator,
  heartbeat,
  joinGroup,
  leaveGroup,
  syncGroup,
} from '../../../src/wire/kafka/messages/group-membership.ts';
import { offsetCommit, offsetDelete, offsetFetch } from '../../../src/wire/kafka/messages/group-offsets.ts';
import { shareGroupDescribe } from '../../../src/wire/kafka/messages/share-groups.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

function create(test: KafkaTestServer, name = 't', partitions = 2) {
  return test.broker.streams.create({ vhost: '/', name, partitions, configs: new Map() });
}

function joinRequest(memberId = '', more: Partial<RequestInput<typeof joinGroup>> = {}) {
  return {
    groupId: 'g',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('wishes') }],
    ...more,
  };
}

/** Joins as a new member does, with the id that it is given. */
async function join(client: KafkaClient) {
  const first = await client.request(joinGroup, 9, joinRequest());
  assert.equal(errorName(first.errorCode), 'MEMBER_ID_REQUIRED');
  return client.request(joinGroup, 9, joinRequest(first.memberId));
}

function sync(
  client: KafkaClient,
  memberId: string,
  generationId: number,
  parts: Record<string, string> = {},
) {
  return client.request(syncGroup, 5, {
    groupId: 'g',
    generationId,
    memberId,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: Object.entries(parts).map(([id, text]) => ({ memberId: id, assignment: Buffer.from(text) })),
  });
}

async function commit(
  client: KafkaClient,
  offset: number,
  { group = 'g', memberId = '', generation = -1, partition = 0, topic = 't', metadata = '' } = {},
) {
  const { topics } = await client.request(offsetCommit, 9, {
    groupId: group,
    generationIdOrMemberEpoch: generation,
    memberId,
    topics: [
      {
        name: topic,
        partitions: [{ partitionIndex: partition, committedOffset: offset, committedMetadata: metadata }],
      },
    ],
  });
  return errorName(topics[0]?.partitions[0]?.errorCode ?? -1);
}

async function committed(client: KafkaClient, { group = 'g', version = 9 } = {}) {
  const { groups } = await client.request(offsetFetch, version, {
    groups: [{ groupId: group, topics: null }],
  });
  return groups[0]?.topics.flatMap(({ name, partitions }) =>
    partitions.map((each) => [name, each.partitionIndex, each.committedOffset, each.metadata]),
  );
}

function beat(client: KafkaClient, more: Partial<RequestInput<typeof consumerGroupHeartbeat>>) {
  return client.request(consumerGroupHeartbeat, 1, {
    groupId: 'g',
    memberId: 'one',
    memberEpoch: 0,
    ...more,
  });
}

const joining = { rebalanceTimeoutMs: 10_000, subscribedTopicNames: ['t'], topicPartitions: [] };

describe('FindCoordinator', () => {
  it('names this broker for every key, in each version', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    for (let version = 0; version <= 3; version++) {
      const found = await client.request(findCoordinator, version, { key: 'g' });
      assert.deepEqual([found.errorCode, found.host, found.port], [0, '127.0.0.1', test.server.port]);
    }
    const found = await client.request(findCoordinator, 6, { keyType: 0, coordinatorKeys: ['a', 'b'] });
    assert.deepEqual(
      found.coordinators.map(({ key, port, errorCode }) => [key, port, errorCode]),
      ['a', 'b'].map((key) => [key, test.server.port, 0]),
    );
  });

  it('refuses keys of share groups that are none, and types that it does not know', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const share = await client.request(findCoordinator, 6, { keyType: 2, coordinatorKeys: ['g'] });
    assert.equal(errorName(share.coordinators[0]?.errorCode ?? 0), 'INVALID_REQUEST');
    const other = await client.request(findCoordinator, 3, { keyType: 7, key: 'g' });
    assert.equal(errorName(other.errorCode), 'INVALID_REQUEST');
  });
});

describe('a classic group, whose leader assigns the partitions', () => {
  it('tells the leader who is there, and gives to each what the leader says', async () => {
    await using test = await KafkaTestServer.start();
    using one = await test.connect('one');
    using two = await test.connect('two');
    const first = await join(one);
    assert.equal(first.leader, first.memberId);
    assert.match(first.memberId, /^one-/);
    await sync(one, first.memberId, first.generationId, { [first.memberId]: 'all' });
    const joinsTwo = join(two);
    let error = 0;
    while (error === 0) {
      const request = { groupId: 'g', generationId: first.generationId, memberId: first.memberId };
      ({ errorCode: error } = await one.request(heartbeat, 4, request));
    }
    assert.equal(errorName(error), 'REBALANCE_IN_PROGRESS');
    const [again, second] = await Promise.all([
      one.request(joinGroup, 9, joinRequest(first.memberId)),
      joinsTwo,
    ]);
    assert.equal(again.generationId, first.generationId + 1);
    assert.equal(again.members.length, 2);
    assert.equal(second.members.length, 0);
    assert.equal(second.leader, again.memberId);
    const [mine, theirs] = await Promise.all([
      sync(one, again.memberId, again.generationId, { [again.memberId]: 'a', [second.memberId]: 'b' }),
      sync(two, second.memberId, second.generationId),
    ]);
    assert.deepEqual([mine.assignment.toString(), theirs.assignment.toString()], ['a', 'b']);
    const { groups } = await one.request(describeGroups, 6, { groups: ['g', 'none'] });
    assert.deepEqual(
      groups.map(({ groupState, protocolData, members }) => [groupState, protocolData, members.length]),
      [
        ['Stable', 'range', 2],
        ['Dead', '', 0],
      ],
    );
    const left = await two.request(leaveGroup, 5, { groupId: 'g', members: [{ memberId: second.memberId }] });
    assert.deepEqual([left.errorCode, left.members[0]?.errorCode], [0, 0]);
  });

  it('is told apart from none when it is asked for as another kind of group', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    await join(client);
    const includeAuthorizedOperations = false;
    const request = { groupIds: ['g', 'none'], includeAuthorizedOperations };
    const asConsumers = await client.request(consumerGroupDescribe, 1, request);
    const asShare = await client.request(shareGroupDescribe, 1, request);
    assert.equal((await beat(client, { groupId: 'k', ...joining })).errorCode, 0);
    const asClassic = await client.request(describeGroups, 6, { groups: ['k', 'none'] });
    assert.deepEqual(
      [asConsumers, asShare, asClassic].map(({ groups }) => groups.map((each) => each.errorMessage)),
      [
        ['Group g is not a consumer group.', 'Group none not found.'],
        ['Group g is not a share group.', 'Group none not found.'],
        ['Group k is not a classic group.', 'Group none not found.'],
      ],
    );
  });

  it('is still there after a restart, with its members and their assignments', async () => {
    await using test = await KafkaTestServer.start();
    let memberId = '';
    {
      using client = await test.connect();
      const joined = await join(client);
      memberId = joined.memberId;
      await sync(client, memberId, joined.generationId, { [memberId]: 'all' });
    }
    await test.restart();
    using client = await test.connect();
    const alive = await client.request(heartbeat, 4, { groupId: 'g', generationId: 1, memberId });
    assert.equal(alive.errorCode, 0);
    const synced = await sync(client, memberId, 1);
    assert.equal(synced.assignment.toString(), 'all');
  });

  it('lets only its members commit, in their generation', async () => {
    await using test = await KafkaTestServer.start();
    create(test);
    using client = await test.connect();
    const { memberId, generationId: generation } = await join(client);
    assert.equal(await commit(client, 1, { memberId, generation }), 'REBALANCE_IN_PROGRESS');
    await sync(client, memberId, generation, { [memberId]: 'all' });
    assert.equal(await commit(client, 1), 'UNKNOWN_MEMBER_ID');
    assert.equal(await commit(client, 1, { memberId: 'nobody', generation }), 'UNKNOWN_MEMBER_ID');
    assert.equal(await commit(client, 1, { memberId, generation: generation + 1 }), 'ILLEGAL_GENERATION');
    assert.equal(await commit(client, 1, { memberId, generation }), 'NONE');
  });
});

describe('offsets', () => {
  it('that were committed are found again, also after a restart, in each version', async () => {
    await using test = await KafkaTestServer.start();
    const { id } = create(test);
    {
      using client = await test.connect();
      assert.equal(await commit(client, 7), 'NONE');
      assert.equal(await commit(client, 8, { metadata: 'so far' }), 'NONE');
      assert.equal(await commit(client, 2 ** 40, { partition: 1 }), 'NONE');
    }
    await test.restart();
    using client = await test.connect();
    assert.deepEqual(await committed(client), [
      ['t', 0, 8, 'so far'],
      ['t', 1, 2 ** 40, ''],
    ]);
    for (let version = 1; version <= 7; version++) {
      const topics = [{ name: 't', partitionIndexes: [0, 5] }];
      const response = await client.request(offsetFetch, version, { groupId: 'g', topics });
      assert.deepEqual(
        response.topics[0]?.partitions.map(({ committedOffset }) => committedOffset),
        [8, -1],
      );
    }
    const groups = [{ groupId: 'g', topics: [{ topicId: id, partitionIndexes: [0] }] }];
    const byId = await client.request(offsetFetch, 10, { groups });
    assert.equal(byId.groups[0]?.topics[0]?.partitions[0]?.committedOffset, 8);
  });

  it('are refused for partitions that are not there, and with too much metadata', async () => {
    await using test = await KafkaTestServer.start();
    create(test);
    using client = await test.connect();
    assert.equal(await commit(client, 1, { topic: 'other' }), 'UNKNOWN_TOPIC_OR_PARTITION');
    assert.equal(await commit(client, 1, { partition: 2 }), 'UNKNOWN_TOPIC_OR_PARTITION');
    assert.equal(await commit(client, 1, { metadata: 'x'.repeat(4097) }), 'OFFSET_METADATA_TOO_LARGE');
    assert.deepEqual(await committed(client), []);
  });

  it('go with the topic, and do not come back with another one of its name', async () => {
    await using test = await KafkaTestServer.start();
    const stream = create(test);
    using client = await test.connect();
    await commit(client, 5);
    test.broker.streams.delete(stream);
    create(test);
    assert.deepEqual(await committed(client), []);
    await test.restart();
    using again = await test.connect();
    assert.deepEqual(await committed(again), []);
  });

  it('of a topic that nobody reads can be deleted, one by one or with their group', async () => {
    await using test = await KafkaTestServer.start();
    create(test);
    using client = await test.connect();
    await commit(client, 5);
    await commit(client, 6, { partition: 1 });
    const topics = [{ name: 't', partitions: [{ partitionIndex: 0 }] }];
    const deleted = await client.request(offsetDelete, 0, { groupId: 'g', topics });
    assert.deepEqual([deleted.errorCode, deleted.topics[0]?.partitions[0]?.errorCode], [0, 0]);
    assert.deepEqual(await committed(client), [['t', 1, 6, '']]);
    const { results } = await client.request(deleteGroups, 2, { groupsNames: ['g', 'none'] });
    assert.deepEqual(
      results.map(({ errorCode }) => errorName(errorCode)),
      ['NONE', 'GROUP_ID_NOT_FOUND'],
    );
    assert.deepEqual(await committed(client), []);
    await test.restart();
    using again = await test.connect();
    const { groups } = await again.request(listGroups, 5, {});
    assert.deepEqual(groups, []);
  });
});

describe('a consumer group, in which the broker assigns the partitions (KIP-848)', () => {
  it('assigns them, and has them revoked before it assigns them to another member', async () => {
    await using test = await KafkaTestServer.start();
    const { id } = create(test);
    using client = await test.connect();
    const first = await beat(client, joining);
    assert.equal(first.errorCode, 0);
    assert.deepEqual(first.assignment?.topicPartitions, [{ topicId: id, partitions: [0, 1] }]);
    const second = await beat(client, { ...joining, memberId: 'two' });
    assert.deepEqual(second.assignment?.topicPartitions, []);
    const revoked = await beat(client, { memberEpoch: first.memberEpoch });
    assert.deepEqual(revoked.assignment?.topicPartitions, [{ topicId: id, partitions: [0] }]);
    assert.equal(revoked.memberEpoch, first.memberEpoch);
    const waiting = await beat(client, { memberId: 'two', memberEpoch: second.memberEpoch });
    assert.equal(waiting.assignment, null);
    const topicPartitions = [{ topicId: id, partitions: [0] }];
    const released = await beat(client, { memberEpoch: first.memberEpoch, topicPartitions });
    assert.equal(released.memberEpoch, second.memberEpoch);
    const given = await beat(client, { memberId: 'two', memberEpoch: second.memberEpoch });
    assert.deepEqual(given.assignment?.topicPartitions, [{ topicId: id, partitions: [1] }]);
    const { groups } = await client.request(consumerGroupDescribe, 1, {
      groupIds: ['g'],
      includeAuthorizedOperations: true,
    });
    assert.deepEqual(
      groups.map(({ groupState, assignorName, members }) => [groupState, assignorName, members.length]),
      [['Stable', 'uniform', 2]],
    );
    await test.restart();
    using again = await test.connect();
    const alive = await beat(again, { memberId: 'two', memberEpoch: second.memberEpoch });
    assert.deepEqual([alive.errorCode, alive.assignment], [0, null]);
    assert.equal(await commit(again, 3, { memberId: 'two', generation: second.memberEpoch }), 'NONE');
    assert.equal(await commit(again, 3, { memberId: 'two', generation: 1 }), 'STALE_MEMBER_EPOCH');
  });

  it('subscribes to topics by a regular expression, also to those that are created later', async () => {
    await using test = await KafkaTestServer.start();
    create(test, 'log.a', 1);
    create(test, 'other', 1);
    using client = await test.connect();
    const request = { ...joining, subscribedTopicNames: null, subscribedTopicRegex: 'log\\..*' };
    const first = await beat(client, request);
    assert.equal(first.assignment?.topicPartitions.length, 1);
    create(test, 'log.b', 1);
    const more = await beat(client, { memberEpoch: first.memberEpoch });
    assert.equal(more.assignment?.topicPartitions.length, 2);
    const wrong = await beat(client, { ...request, memberId: 'two', subscribedTopicRegex: '(' });
    assert.equal(errorName(wrong.errorCode), 'INVALID_REGULAR_EXPRESSION');
  });

  it('refuses invalid heartbeats, each with its error', async () => {
    await using test = await KafkaTestServer.start();
    create(test);
    using client = await test.connect();
    const errorOf = async (more: Parameters<typeof beat>[1]) => {
      const { errorCode, errorMessage } = await beat(client, more);
      return [errorName(errorCode), errorMessage];
    };
    assert.deepEqual(await errorOf({ ...joining, groupId: '' }), [
      'INVALID_REQUEST',
      "GroupId can't be empty.",
    ]);
    assert.deepEqual(await errorOf({ ...joining, serverAssignor: 'mine' }), [
      'UNSUPPORTED_ASSIGNOR',
      "there is no assignor 'mine', only uniform, range",
    ]);
    assert.equal((await errorOf({ memberEpoch: 3 }))[0], 'GROUP_ID_NOT_FOUND');
    assert.equal((await errorOf(joining))[0], 'NONE');
    assert.equal((await errorOf({ memberEpoch: 3 }))[0], 'FENCED_MEMBER_EPOCH');
    assert.equal((await errorOf({ memberId: 'two', memberEpoch: 1 }))[0], 'UNKNOWN_MEMBER_ID');
    assert.equal((await errorOf({ memberEpoch: -1 }))[0], 'NONE');
    assert.equal((await errorOf({ memberEpoch: -1 }))[0], 'UNKNOWN_MEMBER_ID');
  });
});

describe('groups', () => {
  it('are listed with their kind and state, as they are asked for', async () => {
    await using test = await KafkaTestServer.start();
    create(test);
    using client = await test.connect();
    await commit(client, 1, { group: 'simple' });
    await beat(client, { ...joining, groupId: 'new' });
    const list = async (request: RequestInput<typeof listGroups>) => {
      const { groups } = await client.request(listGroups, 5, request);
      return groups.map(({ groupId, groupState, groupType, protocolType }) =>
        [groupId, groupState, groupType, protocolType].join(' '),
      );
    };
    assert.deepEqual(await list({}), ['simple Empty Classic ', 'new Stable Consumer consumer']);
    assert.deepEqual(await list({ statesFilter: ['stable'] }), ['new Stable Consumer consumer']);
    assert.deepEqual(await list({ typesFilter: ['classic'] }), ['simple Empty Classic ']);
    const { results } = await client.request(deleteGroups, 2, { groupsNames: ['new'] });
    assert.equal(results[0]?.errorCode, ERROR_CODES.NON_EMPTY_GROUP);
  });
});
