import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KafkaServerOptions } from '../../../src/servers/kafka/options.ts';
import { ACKNOWLEDGE_TYPE } from '../../../src/wire/kafka/constants.ts';
import type { RequestInput } from '../../../src/wire/kafka/declaration.ts';
import { ERROR_CODES, errorName } from '../../../src/wire/kafka/error-codes.ts';
import { shareAcknowledge, shareFetch } from '../../../src/wire/kafka/messages/share-fetch.ts';
import {
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
  describeShareGroupOffsets,
  shareGroupDescribe,
  shareGroupHeartbeat,
} from '../../../src/wire/kafka/messages/share-groups.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { until } from '../../support/until.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

type Batches = RequestInput<
  typeof shareAcknowledge
>['topics'][number]['partitions'][number]['acknowledgementBatches'];

/** A member of group `g`, which reads partition 0 of topic `t`, and its session. */
class Member {
  readonly client: KafkaClient;
  readonly id: string;
  readonly topicId: string;
  epoch = 0;
  sessionEpoch = 0;

  constructor(client: KafkaClient, id: string, topicId: string) {
    this.client = client;
    this.id = id;
    this.topicId = topicId;
  }

  static async join(test: KafkaTestServer, id: string): Promise<Member> {
    const member = new Member(await test.connect(), id, test.broker.streams.get('/', 't')!.id);
    const { errorCode, assignment, memberEpoch } = await member.beat(0, ['t']);
    assert.equal(errorCode, 0);
    assert.deepEqual(assignment?.topicPartitions, [{ topicId: member.topicId, partitions: [0] }]);
    member.epoch = memberEpoch;
    return member;
  }

  beat(memberEpoch: number, subscribedTopicNames: string[] | null = null) {
    return this.client.request(shareGroupHeartbeat, 1, {
      groupId: 'g',
      memberId: this.id,
      memberEpoch,
      subscribedTopicNames,
    });
  }

  async fetch(
    options: Partial<RequestInput<typeof shareFetch>> = {},
    acknowledgementBatches: Batches = [],
    shareSessionEpoch = this.sessionEpoch++,
  ) {
    const response = await this.client.request(shareFetch, 2, {
      groupId: 'g',
      memberId: this.id,
      shareSessionEpoch,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1024 * 1024,
      maxRecords: 500,
      batchSize: 500,
      topics: [{ topicId: this.topicId, partitions: [{ partitionIndex: 0, acknowledgementBatches }] }],
      forgottenTopicsData: [],
      ...options,
    });
    const partition = response.responses[0]?.partitions[0];
    return {
      error: errorName(response.errorCode),
      partitionError: errorName(partition?.errorCode ?? 0),
      ackError: errorName(partition?.acknowledgeErrorCode ?? 0),
      lockMs: response.acquisitionLockTimeoutMs,
      bytes:
        partition?.records === null || partition === undefined
          ? 0
          : partition.records.end - partition.records.start,
      acquired: (partition?.acquiredRecords ?? [])
        .map(({ firstOffset, lastOffset, deliveryCount }) => `${firstOffset}-${lastOffset}#${deliveryCount}`)
        .join(' '),
    };
  }

  async acknowledge(
    acknowledgementBatches: Batches,
    isRenewAck = false,
    shareSessionEpoch = this.sessionEpoch++,
  ) {
    const response = await this.client.request(shareAcknowledge, 2, {
      groupId: 'g',
      memberId: this.id,
      shareSessionEpoch,
      isRenewAck,
      topics: [{ topicId: this.topicId, partitions: [{ partitionIndex: 0, acknowledgementBatches }] }],
    });
    if (response.errorCode !== ERROR_CODES.NONE) return errorName(response.errorCode);
    return errorName(response.responses[0]?.partitions[0]?.errorCode ?? -1);
  }
}

function batch(firstOffset: number, lastOffset: number, ...acknowledgeTypes: number[]) {
  return { firstOffset, lastOffset, acknowledgeTypes };
}

async function start(
  configs: Readonly<Record<string, string>> = {},
  options: Partial<KafkaServerOptions> = {},
): Promise<KafkaTestServer> {
  const test = await KafkaTestServer.start(options);
  test.broker.streams.create({ vhost: '/', name: 't', partitions: 1, configs: new Map() });
  const all = { 'share.auto.offset.reset': 'earliest', ...configs };
  test.broker.groupConfigs.set('/', 'g', new Map(Object.entries(all)));
  return test;
}

async function append(test: KafkaTestServer, ...values: readonly string[]): Promise<void> {
  const bytes = batchOf(values);
  test.broker.streams.get('/', 't')!.ownPartitions[0].append(bytes, 0, bytes.length);
  await test.broker.shard.store.journal.flush();
}

const { GAP, ACCEPT, RELEASE, REJECT, RENEW } = ACKNOWLEDGE_TYPE;

describe('share groups over the Kafka protocol (KIP-932)', () => {
  it('hand records to members, take their acknowledgements with the next fetch, and by themselves', async () => {
    await using test = await start();
    await append(test, 'a', 'b', 'c', 'd');
    const ada = await Member.join(test, 'ada');
    const first = await ada.fetch();
    assert.equal(first.acquired, '0-3#1');
    assert.equal(first.lockMs, 30_000);
    const second = await ada.fetch({}, [batch(0, 1, ACCEPT), batch(2, 3, RELEASE, REJECT)]);
    assert.deepEqual([second.ackError, second.acquired], ['NONE', '2-2#2']);
    const third = await ada.fetch({ maxWaitMs: 5000 }, [batch(2, 2, RELEASE)]);
    assert.deepEqual([third.ackError, third.acquired], ['NONE', '2-2#3']);
    assert.equal(await ada.acknowledge([batch(2, 2, ACCEPT)]), 'NONE');
    assert.equal(await ada.acknowledge([batch(2, 2, ACCEPT)]), 'NONE', 'again, below where the group is');
    const { groups } = await ada.client.request(describeShareGroupOffsets, 1, {
      groups: [{ groupId: 'g', topics: null }],
    });
    const { startOffset, lag } = groups[0].topics[0].partitions[0];
    assert.deepEqual([startOffset, lag], [4, 0]);
  });

  it('refuse acknowledgements of what a member does not hold, or that make no sense', async () => {
    await using test = await start();
    await append(test, 'a', 'b', 'c');
    const ada = await Member.join(test, 'ada');
    const bob = await Member.join(test, 'bob');
    await bob.fetch({ maxWaitMs: 0, maxRecords: 1, shareAcquireMode: 1 });
    await ada.fetch();
    assert.equal(await ada.acknowledge([batch(0, 1, ACCEPT)]), 'INVALID_RECORD_STATE');
    assert.equal(await ada.acknowledge([batch(1, 2, ACCEPT, ACCEPT, ACCEPT)]), 'INVALID_REQUEST');
    assert.equal(await ada.acknowledge([batch(2, 1, ACCEPT)]), 'INVALID_REQUEST');
    assert.equal(await ada.acknowledge([batch(1, 2)]), 'INVALID_REQUEST');
    assert.equal(
      await ada.acknowledge([batch(1, 1, RENEW)]),
      'INVALID_REQUEST',
      'the request does not renew',
    );
    assert.equal(await ada.acknowledge([batch(1, 1, RENEW)], true), 'NONE');
    assert.equal(await ada.acknowledge([batch(1, 2, GAP)]), 'NONE');
    assert.equal(test.broker.shareGroups.find('/', 'g')!.readers.get(ada.topicId)!.get(0)!.share.inFlight, 1);
  });

  it('refuse a share session epoch that is not the next one', async () => {
    await using test = await start();
    await append(test, 'a');
    const ada = await Member.join(test, 'ada');
    assert.equal((await ada.fetch({}, [], 5)).error, 'SHARE_SESSION_NOT_FOUND');
    assert.equal(await ada.acknowledge([batch(0, 0, ACCEPT)], false, 0), 'INVALID_SHARE_SESSION_EPOCH');
    assert.equal((await ada.fetch({}, [batch(0, 0, ACCEPT)], 0)).error, 'INVALID_REQUEST');
    assert.equal((await ada.fetch({}, [], 0)).acquired, '0-0#1');
    assert.equal((await ada.fetch({}, [], 2)).error, 'INVALID_SHARE_SESSION_EPOCH');
    assert.equal((await ada.fetch({}, [], 1)).error, 'NONE');
    const last = await ada.fetch({}, [batch(0, 0, ACCEPT)], -1);
    assert.deepEqual([last.error, last.ackError], ['NONE', 'NONE']);
    assert.equal((await ada.fetch({}, [], 2)).error, 'SHARE_SESSION_NOT_FOUND');
  });

  it('answer a waiting fetch when something comes, or comes back', async () => {
    await using test = await start();
    const ada = await Member.join(test, 'ada');
    const bob = await Member.join(test, 'bob');
    const waiting = ada.fetch({ maxWaitMs: 5000 });
    await append(test, 'a', 'b');
    assert.equal((await waiting).acquired, '0-1#1');
    const again = bob.fetch({ maxWaitMs: 5000 });
    assert.equal(await ada.acknowledge([batch(0, 1, ACCEPT, RELEASE)]), 'NONE');
    assert.equal((await again).acquired, '1-1#2');
    const startedAt = performance.now();
    assert.equal((await ada.fetch({ maxWaitMs: 50 })).acquired, '');
    assert.ok(performance.now() - startedAt >= 45);
  });

  it('answer a waiting fetch when others have done enough for it to be given more', async () => {
    await using test = await start({ 'share.partition.max.record.locks': '2' });
    await append(test, 'a', 'b');
    await append(test, 'c');
    const ada = await Member.join(test, 'ada');
    const bob = await Member.join(test, 'bob');
    assert.equal((await ada.fetch()).acquired, '0-1#1');
    const waiting = bob.fetch({ maxWaitMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(await ada.acknowledge([batch(0, 0, ACCEPT)]), 'NONE');
    assert.equal((await waiting).acquired, '2-2#1');
  });

  it('wait for as many bytes as the client wants at least', async () => {
    await using test = await start();
    const ada = await Member.join(test, 'ada');
    const waiting = ada.fetch({ maxWaitMs: 5000, minBytes: 150 });
    await append(test, 'a');
    await append(test, 'b');
    await append(test, 'c');
    const { acquired, bytes } = await waiting;
    assert.equal(acquired, '0-2#1');
    assert.ok(bytes >= 150);
  });

  it('release the records that a connection had acquired when it closes', async () => {
    await using test = await start();
    await append(test, 'a', 'b');
    const ada = await Member.join(test, 'ada');
    const bob = await Member.join(test, 'bob');
    assert.equal((await ada.fetch()).acquired, '0-1#1');
    const waiting = bob.fetch({ maxWaitMs: 5000 });
    ada.client.socket.destroy();
    assert.equal((await waiting).acquired, '0-1#1');
  });

  it('hand out records again whose acquisition lock has timed out', async () => {
    await using test = await start({ 'share.record.lock.duration.ms': '1000' });
    await append(test, 'a');
    const ada = await Member.join(test, 'ada');
    const bob = await Member.join(test, 'bob');
    assert.equal((await ada.fetch()).lockMs, 1000);
    assert.equal((await bob.fetch({ maxWaitMs: 3000 })).acquired, '0-0#2');
    assert.equal(await ada.acknowledge([batch(0, 0, ACCEPT)]), 'INVALID_RECORD_STATE');
  });

  it('are described, and begin elsewhere or forget when nobody is in them', async () => {
    await using test = await start();
    await append(test, 'a', 'b', 'c');
    const ada = await Member.join(test, 'ada');
    const { client, topicId } = ada;
    const described = await client.request(shareGroupDescribe, 1, {
      groupIds: ['g', 'none'],
      includeAuthorizedOperations: false,
    });
    const [group, none] = described.groups;
    assert.deepEqual(
      [group!.groupState, group!.assignorName, group!.members.length],
      ['Stable', 'simple', 1],
    );
    assert.equal(group!.members[0].assignment.topicPartitions[0].topicName, 't');
    assert.equal(errorName(none!.errorCode), 'GROUP_ID_NOT_FOUND');
    const alter = () =>
      client.request(alterShareGroupOffsets, 0, {
        groupId: 'g',
        topics: [{ topicName: 't', partitions: [{ partitionIndex: 0, startOffset: 2 }] }],
      });
    assert.equal(errorName((await alter()).errorCode), 'NON_EMPTY_GROUP');
    assert.equal((await ada.beat(-1)).memberEpoch, -1);
    assert.equal((await alter()).errorCode, 0);
    const bob = await Member.join(test, 'bob');
    assert.equal((await bob.fetch()).acquired, '2-2#1');
    await bob.beat(-1);
    const forgotten = await client.request(deleteShareGroupOffsets, 0, {
      groupId: 'g',
      topics: [{ topicName: 't' }, { topicName: 'none' }],
    });
    assert.deepEqual(
      forgotten.responses.map(({ errorCode }) => errorName(errorCode)),
      ['NONE', 'UNKNOWN_TOPIC_OR_PARTITION'],
    );
    assert.equal(test.broker.shareGroups.find('/', 'g')!.readers.has(topicId), false);
  });

  it('tell a member after a restart of the broker to join again, and hand out what was not acknowledged', async () => {
    await using test = await start();
    await append(test, 'a', 'b');
    const ada = await Member.join(test, 'ada');
    await ada.fetch();
    assert.equal(await ada.acknowledge([batch(0, 0, ACCEPT)]), 'NONE');
    await test.restart();
    const back = new Member(await test.connect(), 'ada', ada.topicId);
    assert.equal(errorName((await back.beat(ada.epoch)).errorCode), 'UNKNOWN_MEMBER_ID');
    const again = await Member.join(test, 'ada');
    assert.equal((await again.fetch()).acquired, '1-1#1');
  });

  it('throw out a member that does not heartbeat, and release the records that it had acquired', async () => {
    await using test = await start({
      'share.session.timeout.ms': '1000',
      'share.heartbeat.interval.ms': '500',
    });
    await append(test, 'a');
    const ada = await Member.join(test, 'ada');
    await ada.fetch();
    await until(() => test.broker.shareGroups.find('/', 'g')!.isEmpty);
    const bob = await Member.join(test, 'bob');
    assert.equal((await bob.fetch()).acquired, '0-0#1');
  });

  it('answer a waiting fetch when its topic is deleted', async () => {
    await using test = await start();
    const ada = await Member.join(test, 'ada');
    const waiting = ada.fetch({ maxWaitMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    test.broker.streams.delete(test.broker.streams.get('/', 't')!);
    assert.equal((await waiting).partitionError, 'UNKNOWN_TOPIC_ID');
    const { assignment } = await ada.beat(ada.epoch);
    assert.deepEqual(assignment?.topicPartitions, []);
  });

  it('answer whatever is asked, sensible or not, and lose nothing over it', async () => {
    const problems: unknown[] = [];
    const log = {
      info: () => undefined,
      debug: () => undefined,
      warn: () => undefined,
      error: (fields: object) => problems.push(fields),
    };
    await using test = await start({ 'share.delivery.count.limit': '1000' }, { log });
    const random = seededRandom(7);
    const pick = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)];
    const count = 60;
    for (let i = 0; i < count; i += 3) await append(test, 'a', 'b', 'c');
    const members = await Promise.all(['ada', 'bob', 'cy'].map((id) => Member.join(test, id)));
    const anything = () => pick(-1, 0, 1, 2 ** 31, 2 ** 52, Math.floor(random() * count));
    for (let i = 0; i < 400; i++) {
      const member = pick(...members);
      const batches = Array.from({ length: pick(0, 1, 1, 2) }, () => {
        const first = anything();
        return batch(
          first,
          pick(anything(), first, first + 2),
          ...pick([0], [1], [2], [3, 1, 2], [4], [9], []),
        );
      });
      if (random() < 0.5) {
        const epoch = pick(member.sessionEpoch, member.sessionEpoch, 0, -1, 77);
        const options = {
          maxRecords: pick(0, 1, 500, -5),
          maxBytes: pick(0, -1, 100, 1_000_000),
          shareAcquireMode: pick(0, 1, 5),
          isRenewAck: random() < 0.3,
        };
        const { error } = await member.fetch(options, batches, epoch);
        if (error === 'NONE') member.sessionEpoch = epoch === -1 ? 0 : epoch + 1;
      } else {
        const epoch = pick(member.sessionEpoch, 0, 5);
        if ((await member.acknowledge(batches, random() < 0.3, epoch)) !== 'INVALID_SHARE_SESSION_EPOCH') {
          if (epoch === member.sessionEpoch) member.sessionEpoch++;
        }
      }
    }
    assert.deepEqual(problems, []);
    // Whatever is not done with is still handed out, each record once.
    for (const member of members) member.client.socket.destroy();
    const last = await Member.join(test, 'dan');
    const { share } = test.broker.shareGroups.find('/', 'g')!.readers.get(last.topicId)!.get(0)!;
    await until(() => share.nextAvailable() !== null || share.settled.missingIn(0, count) === 0);
    const left = share.settled.missingIn(0, count);
    let found = 0;
    for (let acquired = 'some'; acquired !== ''; ) {
      ({ acquired } = await last.fetch());
      for (const range of acquired.split(' ').filter((each) => each !== '')) {
        const [first = 0, end = 0] = range.split('#')[0].split('-').map(Number);
        found += end - first + 1;
      }
    }
    assert.equal(found, left);
  });
});
