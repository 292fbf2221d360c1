import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Budget } from '../../../src/broker/budget/budget.ts';
import { StreamPager } from '../../../src/log/streams/stream-pager.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { shareFetch } from '../../../src/wire/kafka/messages/share-fetch.ts';
import { shareGroupHeartbeat } from '../../../src/wire/kafka/messages/share-groups.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import { until } from '../../support/until.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

const MIB = 1024 * 1024;
const SHARE_BYTES = 8 * MIB;
const PARTITIONS = 8;
const BATCHES = 24;
const READERS = 12;
const USER = "user 'guest'";

/** A topic of 24 MiB, and a user's share of 8 MiB for what is not sent. */
async function withRecords(): Promise<KafkaTestServer> {
  const memory = { bytesMax: 64 * MIB, userBytesMax: SHARE_BYTES, pausedMsMax: 60_000 };
  const test = await KafkaTestServer.start({}, { budget: new Budget({ memory }) });
  const configs = new Map([['max.message.bytes', String(2 * MIB)]]);
  test.broker.streams.create({ vhost: '/', name: 't', partitions: PARTITIONS, configs });
  using client = await test.connect();
  const records = batchOf([Buffer.alloc(MIB, 'r')]);
  for (let i = 0; i < BATCHES; i++) {
    const topicData = [
      { name: 't', partitionData: [{ index: i % PARTITIONS, records: Buffer.from(records) }] },
    ];
    const { responses } = await client.request(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
    assert.equal(responses[0].partitionResponses[0].errorCode, 0);
  }
  return test;
}

/** Bytes of records that are copied for answers, and not given back; the most there ever were. */
function watchCopies({ server }: KafkaTestServer): { held: number; highest: number } {
  const copies = { held: 0, highest: 0 };
  const { fetchMemory } = server;
  const acquire = fetchMemory.acquire.bind(fetchMemory);
  const release = fetchMemory.release.bind(fetchMemory);
  fetchMemory.acquire = (bytes) => {
    const buffer = acquire(bytes);
    copies.held += buffer.length;
    copies.highest = Math.max(copies.highest, copies.held);
    return buffer;
  };
  fetchMemory.release = (buffer) => {
    copies.held -= buffer.length;
    release(buffer);
  };
  return copies;
}

/** Of the first so many partitions. */
function fetchAll(client: KafkaClient, count = PARTITIONS) {
  const partitions = Array.from({ length: count }, (_, partition) => ({
    partition,
    fetchOffset: 0,
    partitionMaxBytes: 50 * MIB,
    currentLeaderEpoch: -1,
  }));
  const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 50 * MIB };
  const topics = [{ topic: 't', partitions }];
  return client.request(fetch, 12, { ...limits, sessionEpoch: -1, topics, forgottenTopicsData: [] });
}

/** How many bytes were copied in each iteration of the event loop. */
function watchTurns({ server }: KafkaTestServer): number[] {
  const copied = [0];
  const { fetchMemory } = server;
  const acquire = fetchMemory.acquire.bind(fetchMemory);
  fetchMemory.acquire = (bytes) => {
    if (copied[copied.length - 1] === 0) setImmediate(() => copied.push(0));
    copied[copied.length - 1] += bytes;
    return acquire(bytes);
  };
  return copied;
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('the memory of answers to Fetch', () => {
  for (const place of ['memory', 'segments']) {
    it(`is held against the share of the user before records are copied from ${place}: readers wait for their turn`, async () => {
      await using test = await withRecords();
      if (place === 'segments') {
        const pager = new StreamPager(test.broker.shard.store.state);
        for (const { log } of test.broker.streams.get('/', 't')?.ownPartitions ?? [])
          await pager.pageOutAll(log);
      }
      const copies = watchCopies(test);
      const readers = await Promise.all(Array.from({ length: READERS }, () => test.connect()));
      for (const { socket } of readers) socket.pause();
      const answers = readers.map((reader) => fetchAll(reader));
      await until(() => copies.held > 0);
      await turns(200);
      // Buffers are as large as the next power of two, one batch more is for the reader whose turn it is, and what the kernel has taken of
      // an answer does not count any more, while its buffer is held to the end. All readers together ask for 288 MiB.
      assert.ok(copies.highest <= 4 * SHARE_BYTES, `${copies.highest} bytes were copied`);
      for (const { socket } of readers) socket.resume();
      for (const { responses } of await Promise.all(answers)) {
        const { records } = responses[0].partitions[0];
        assert.ok(records !== null && records.end - records.start >= MIB);
      }
      await until(() => test.broker.budget.memory.bytesOf(USER) === 0);
      for (const reader of readers) reader[Symbol.dispose]();
    });
  }

  it('is copied a few megabytes at a time, and others are served meanwhile', async () => {
    await using test = await withRecords();
    using client = await test.connect();
    const copied = watchTurns(test);
    const { responses } = await fetchAll(client);
    const sizes = responses[0].partitions.map(({ records }) =>
      records === null ? 0 : records.end - records.start,
    );
    // As much as there is room for in the share of the user.
    assert.ok(sizes.reduce((sum, size) => sum + size, 0) > 6 * MIB, `${sizes}`);
    assert.ok(Math.max(...copied) < 7 * MIB, `${copied}`);
  });

  it('is no more than four megabytes of one partition, which has the rest in the next answer', async () => {
    await using test = await KafkaTestServer.start();
    const configs = new Map([['max.message.bytes', String(2 * MIB)]]);
    const [partition] = test.broker.streams.create({
      vhost: '/',
      name: 't',
      partitions: 1,
      configs,
    }).ownPartitions;
    const records = batchOf([Buffer.alloc(MIB, 'r')]);
    for (let i = 0; i < 6; i++) partition.append(records, 0, records.length);
    await test.broker.shard.durable();
    assert.equal(partition.log.tail.count, 6);
    using client = await test.connect();
    const [{ records: found }] = (await fetchAll(client, 1)).responses[0].partitions;
    assert.ok(found !== null);
    assert.ok(found.end - found.start >= 3 * MIB && found.end - found.start <= 4 * MIB);
  });

  it('that is used up by others of the same user is waited for, and one batch is given then', async () => {
    await using test = await withRecords();
    const holder = test.broker.budget.memory.open(USER, {
      memoryPaused: () => undefined,
      memoryResumed: () => undefined,
      memoryRefused: () => undefined,
    });
    holder.add(SHARE_BYTES + 1);
    // The one that may go on is another.
    holder.add(1);
    using reader = await test.connect();
    let isAnswered = false;
    const answer = fetchAll(reader, 1).finally(() => {
      isAnswered = true;
    });
    await until(() => test.broker.budget.memory.bytesOf(USER) > SHARE_BYTES);
    await turns(50);
    assert.equal(isAnswered, false);
    test.broker.budget.memory.check(0);
    const { records } = (await answer).responses[0].partitions[0];
    assert.ok(records !== null);
    assert.ok(records.end - records.start < 2 * MIB);
    holder.close();
  });

  it('is counted until the socket has taken them: also of records that a share group gives', async () => {
    await using test = await withRecords();
    const topicId = test.broker.streams.get('/', 't')?.id ?? '';
    test.broker.groupConfigs.set('/', 'g', new Map([['share.auto.offset.reset', 'earliest']]));
    const { memory } = test.broker.budget;
    const readers = await Promise.all(Array.from({ length: 4 }, () => test.connect()));
    for (const [i, reader] of readers.entries()) {
      const names = { groupId: 'g', memberId: `m${i}` };
      await reader.request(shareGroupHeartbeat, 1, { ...names, memberEpoch: 0, subscribedTopicNames: ['t'] });
      reader.socket.pause();
      const partitions = Array.from({ length: PARTITIONS }, (_, partitionIndex) => ({
        partitionIndex,
        acknowledgementBatches: [],
      }));
      const limits = {
        maxWaitMs: 60_000,
        minBytes: 1,
        maxBytes: 50 * MIB,
        maxRecords: 1000,
        batchSize: 1000,
      };
      void reader
        .request(shareFetch, 1, {
          ...names,
          shareSessionEpoch: 0,
          ...limits,
          topics: [{ topicId, partitions }],
          forgottenTopicsData: [],
        })
        .catch(() => undefined);
    }
    await until(() => memory.bytesOf(USER) > 0);
    await turns(100);
    assert.ok(memory.bytesOf(USER) <= SHARE_BYTES + 2 * MIB, `${memory.bytesOf(USER)} bytes`);
    for (const reader of readers) reader[Symbol.dispose]();
    await until(() => memory.bytesOf(USER) === 0);
  });
});
