import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Json } from '../../../src/base/value-json.ts';
import { forEachRecord } from '../../../src/records/record-cursor.ts';
import { ACKNOWLEDGE_TYPE } from '../../../src/wire/kafka/constants.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { deleteGroups } from '../../../src/wire/kafka/messages/group-admin.ts';
import {
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
  describeShareGroupOffsets,
} from '../../../src/wire/kafka/messages/share-groups.ts';
import { until } from '../../support/until.ts';
import { ShardedKafka, ShardedMember } from './sharded-share.ts';

const { ACCEPT, RELEASE, REJECT } = ACKNOWLEDGE_TYPE;

describe('share groups over partitions in several shards', () => {
  it('give each record to one of their members, once when it is accepted', async () => {
    await using test = await ShardedKafka.start({}, [0, 1, 2, 0, 1, 2]);
    for (const index of [0, 1, 2, 3, 4, 5]) await test.append(index, 'a', 'b');
    using ada = await ShardedMember.join(test, 'ada');
    assert.deepEqual(ada.assigned, [0, 1, 2, 3, 4, 5]);
    using bob = await ShardedMember.join(test, 'bob');
    await ada.beat();
    assert.deepEqual([...ada.assigned, ...bob.assigned].sort(), [0, 1, 2, 3, 4, 5]);
    assert.equal(ada.assigned.length, 3);
    const found = { ada: await ada.fetchAll(), bob: await bob.fetchAll() };
    assert.deepEqual(
      [...found.ada, ...found.bob].sort(),
      [0, 1, 2, 3, 4, 5].map((index) => `${index}:0-1#1`),
    );
    assert.deepEqual(await ada.say(ACCEPT, found.ada), []);
    assert.deepEqual(await bob.say(ACCEPT, found.bob), []);
    assert.deepEqual([...(await ada.fetchAll()), ...(await bob.fetchAll())], []);
  });

  it('begin where they are when the first member joins, in all shards', async () => {
    await using test = await ShardedKafka.start({ 'share.auto.offset.reset': 'latest' });
    for (const index of [0, 1, 2]) await test.append(index, 'before');
    using ada = await ShardedMember.join(test, 'ada');
    for (const index of [0, 1, 2]) await test.append(index, 'after');
    assert.deepEqual(await ada.fetchAll(), ['0:1-1#1', '1:1-1#1', '2:1-1#1']);
  });

  it('tell a member of its partitions when the group has begun on them in their shards', async () => {
    await using test = await ShardedKafka.start({ 'share.auto.offset.reset': 'latest' });
    const { shareGroups } = test.shards.brokers[1];
    const answer = shareGroups.answer.bind(shareGroups);
    const gate = Promise.withResolvers<void>();
    let asked = 0;
    shareGroups.answer = (question) => {
      if (question.op === 'share.begin') asked++;
      return gate.promise.then(() => answer(question) as Promise<Json>);
    };
    const joining = ShardedMember.join(test, 'ada');
    let isJoined = false;
    void joining.then(() => {
      isJoined = true;
    });
    await until(() => asked > 0);
    await test.append(1, 'before');
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isJoined, false);
    gate.resolve();
    using ada = await joining;
    assert.deepEqual(ada.assigned, [0, 1, 2]);
    await test.append(1, 'after');
    assert.deepEqual(await ada.fetchAll(), ['1:1-1#1']);
    using bob = await ShardedMember.join(test, 'bob');
    assert.deepEqual([bob.assigned.length, asked], [1, 1]);
  });

  it('hand to others what a member held that leaves, and what it released is counted', async () => {
    await using test = await ShardedKafka.start();
    for (const index of [0, 1, 2]) await test.append(index, 'a');
    using ada = await ShardedMember.join(test, 'ada');
    const found = await ada.fetchAll();
    await ada.say(RELEASE, found.slice(0, 2));
    assert.deepEqual(await ada.fetchAll(), ['0:0-0#2', '1:0-0#2']);
    using bob = await ShardedMember.join(test, 'bob');
    await ada.leave();
    await until(async () => {
      await bob.beat();
      return bob.assigned.length === 3;
    });
    assert.deepEqual(await bob.fetchAll(), ['0:0-0#2', '1:0-0#2', '2:0-0#1']);
  });

  it('know over a restart of all shards what is done with, and how often the rest was handed out', async () => {
    await using test = await ShardedKafka.start();
    for (const index of [0, 1, 2]) await test.append(index, 'a', 'b');
    {
      using ada = await ShardedMember.join(test, 'ada');
      await ada.fetchAll();
      await ada.say(ACCEPT, ['0:0-0', '1:0-0', '2:1-1']);
      await ada.say(RELEASE, ['1:1-1', '2:0-0']);
    }
    await test.restart();
    using bob = await ShardedMember.join(test, 'bob');
    assert.deepEqual(await bob.fetchAll(), ['0:1-1#1', '1:1-1#2', '2:0-0#2']);
  });

  for (const [where, place] of [
    ['the shard of the record', 1],
    ['another shard', 2],
  ] as const) {
    it(`move what was given up to a dead-letter topic in ${where}`, async () => {
      const configs = { 'sluice.dead.letter.topic': 'dead', 'share.delivery.count.limit': '2' };
      await using test = await ShardedKafka.start(configs, [1]);
      await test.create('dead', [place]);
      await test.append(0, 'a', 'b', 'c');
      using ada = await ShardedMember.join(test, 'ada');
      await ada.fetch(1);
      assert.deepEqual(await ada.say(REJECT, ['0:0-0']), []);
      await ada.say(RELEASE, ['0:1-1']);
      await ada.say(ACCEPT, ['0:2-2']);
      assert.deepEqual(await ada.fetch(1), ['0:1-1#2']);
      await ada.say(RELEASE, ['0:1-1']);
      await until(() => test.partition(0, 'dead').highWatermark === 2);
      assert.deepEqual(await deadIn(test), ['rejected 0', 'delivery_limit 1']);
      await test.restart();
      assert.deepEqual(await deadIn(test), ['rejected 0', 'delivery_limit 1']);
      using bob = await ShardedMember.join(test, 'bob');
      assert.deepEqual(await bob.fetch(1), []);
    });
  }

  it('have shard 0 make a dead-letter topic that is not there', async () => {
    await using test = await ShardedKafka.start({ 'sluice.dead.letter.topic': 'dead' }, [1]);
    await test.append(0, 'a');
    using ada = await ShardedMember.join(test, 'ada');
    await ada.say(REJECT, await ada.fetch(1));
    await until(() => test.partition(0, 'dead').highWatermark === 1);
    assert.deepEqual(await deadIn(test), ['rejected 0']);
  });

  it('are told where to begin, say how far they are, and forget', async () => {
    await using test = await ShardedKafka.start();
    for (const index of [0, 1, 2]) await test.append(index, 'a', 'b', 'c');
    using client = await test.connect();
    const alter = (...offsets: number[]) =>
      client.request(alterShareGroupOffsets, 0, {
        groupId: 'g',
        topics: [
          {
            topicName: 't',
            partitions: offsets.map((startOffset, partitionIndex) => ({ partitionIndex, startOffset })),
          },
        ],
      });
    const described = async () => {
      const request = { groups: [{ groupId: 'g', topics: null }] };
      const { groups } = await client.request(describeShareGroupOffsets, 1, request);
      return groups[0]?.topics.flatMap(({ partitions }) =>
        partitions.map(({ partitionIndex, startOffset, lag }) => `${partitionIndex}:${startOffset}+${lag}`),
      );
    };
    assert.equal((await alter(1, 2, 9)).errorCode, 0);
    assert.deepEqual(await described(), ['0:1+2', '1:2+1', '2:3+0']);
    await test.restart();
    using again = await test.connect();
    const ada = await ShardedMember.join(test, 'ada');
    assert.deepEqual(await ada.fetchAll(), ['0:1-2#1', '1:2-2#1']);
    const request = { groupId: 'g', topics: [{ topicName: 't' }] };
    const refused = await again.request(deleteShareGroupOffsets, 0, request);
    assert.equal(errorName(refused.errorCode), 'NON_EMPTY_GROUP');
    await ada.leave();
    ada[Symbol.dispose]();
    assert.equal((await again.request(deleteShareGroupOffsets, 0, request)).errorCode, 0);
    for (const { shareGroups } of test.shards.brokers) {
      assert.equal(shareGroups.find('/', 'g')!.readers.size, 0);
    }
    await test.restart();
    using bob = await ShardedMember.join(test, 'bob');
    assert.deepEqual(await bob.fetchAll(), ['0:0-2#1', '1:0-2#1', '2:0-2#1']);
  });

  it('know nothing of an earlier group with their name, also when all shards start again in between', async () => {
    await using test = await ShardedKafka.start();
    for (const index of [0, 1, 2]) await test.append(index, 'a', 'b');
    for (const isRestarted of [false, true]) {
      const ada = await ShardedMember.join(test, 'ada');
      const found = await ada.fetchAll();
      assert.deepEqual(found, ['0:0-1#1', '1:0-1#1', '2:0-1#1']);
      await ada.say(ACCEPT, found);
      await ada.leave();
      ada[Symbol.dispose]();
      using client = await test.connect();
      const { results } = await client.request(deleteGroups, 2, { groupsNames: ['g'] });
      assert.equal(results[0]?.errorCode, 0);
      for (const { shareGroups } of test.shards.brokers) assert.equal(shareGroups.has('/', 'g'), false);
      if (isRestarted) await test.restart();
    }
    using bob = await ShardedMember.join(test, 'bob');
    assert.deepEqual(await bob.fetchAll(), ['0:0-1#1', '1:0-1#1', '2:0-1#1']);
    for (const number of [0, 1, 2]) {
      const { quotas } = test.shards.brokers[number];
      assert.equal(quotas.count('groups', { vhost: '/' }), 1);
      assert.equal(quotas.count('share-partitions', { vhost: '/' }), 3);
      assert.equal(quotas.count('records-in-flight', { vhost: '/' }), 6);
    }
  });

  it('read the partitions that a topic gets, and nothing of one that is deleted', async () => {
    await using test = await ShardedKafka.start({}, [0, 1]);
    using ada = await ShardedMember.join(test, 'ada');
    test.first.streams.addPartitions(test.stream(), 4, null, [2, 1]);
    await test.first.metadataIsSafe();
    await until(async () => {
      await ada.beat();
      return ada.assigned.length === 4;
    });
    for (const index of [0, 1, 2, 3]) await test.append(index, 'a');
    assert.deepEqual(await ada.fetchAll(), ['0:0-0#1', '1:0-0#1', '2:0-0#1', '3:0-0#1']);
    test.first.streams.delete(test.stream());
    await test.first.metadataIsSafe();
    for (const { shareGroups } of test.shards.brokers) {
      assert.equal(shareGroups.find('/', 'g')!.readers.size, 0);
    }
  });

  it('go with their virtual host, in all shards', async () => {
    await using test = await ShardedKafka.start();
    const { vhosts, streams, shareGroups } = test.first;
    vhosts.create('v');
    const { id } = streams.create({
      vhost: 'v',
      name: 's',
      partitions: 3,
      configs: new Map(),
      shards: 'spread',
    });
    const targets = [0, 1, 2].map((index) => [index, { to: 'earliest' }] as const);
    const group = shareGroups.ensure('v', 'g');
    await test.first.shard.turnTime.run(shareGroups.move(group, [{ streamId: id, targets }]));
    assert.equal(test.first.quotas.count('share-partitions', { vhost: 'v' }), 3);
    vhosts.delete('v');
    await test.first.metadataIsSafe();
    for (const broker of test.shards.brokers) {
      assert.equal(broker.shareGroups.has('v', 'g'), false);
      assert.equal(broker.quotas.count('share-partitions', { vhost: 'v' }), 0);
    }
    await test.restart();
    for (const broker of test.shards.brokers) assert.equal(broker.shareGroups.has('v', 'g'), false);
  });

  it('hand out no more records than the group may have in flight in a partition, and its user in all shards', async () => {
    const objectLimits = { vhost: { 'records-in-flight': 5 } };
    await using test = await ShardedKafka.start({ 'share.partition.max.record.locks': '3' }, [1, 2], {
      objectLimits,
    });
    for (const index of [0, 1]) for (const value of 'abcde') await test.append(index, value);
    using ada = await ShardedMember.join(test, 'ada');
    const exact = { shareAcquireMode: 1 };
    const first = await ada.fetch(1, [], exact);
    assert.deepEqual(first, ['0:0-2#1']);
    assert.equal(test.first.quotas.count('records-in-flight', { vhost: '/' }), 3);
    await ada.fetch(2, [], exact);
    assert.ok(test.first.quotas.count('records-in-flight', { vhost: '/' }) <= 6);
    assert.deepEqual(await ada.fetch(2, [], exact), []);
    await ada.say(ACCEPT, first);
    assert.deepEqual(await ada.fetch(1, [], exact), ['0:3-4#1']);
  });

  it('are answered for partitions of other shards that these do not have them', async () => {
    await using test = await ShardedKafka.start({}, [0, 1]);
    using ada = await ShardedMember.join(test, 'ada');
    const topics = [
      { topicId: test.stream().id, partitions: [{ partitionIndex: 0, acknowledgementBatches: [] }] },
    ];
    assert.deepEqual(await ada.fetch(1, [], { topics }), ['NOT_LEADER_OR_FOLLOWER']);
    assert.deepEqual(await ada.fetch(0, [], { groupId: 'nobody' }), ['GROUP_ID_NOT_FOUND']);
  });
});

/** Why and from which offset the records are there. */
async function deadIn(test: ShardedKafka): Promise<string[]> {
  const partition = test.partition(0, 'dead');
  const { bytes } = await partition.read(partition.startOffset, partition.highWatermark, 100_000);
  const found: string[] = [];
  forEachRecord(bytes, 0, bytes.length, (_offset, _timestampMs, _bytes, start, length) => {
    const text = bytes.toString('latin1', start, start + length);
    const [, reason] = /sluice\.dead\.reason.(rejected|delivery_limit)/s.exec(text)!;
    const [, offset] = /sluice\.dead\.offset.(\d+)/s.exec(text)!;
    found.push(`${reason} ${offset}`);
  });
  return found;
}
