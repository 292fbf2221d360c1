import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Budget } from '../../../src/broker/budget/budget.ts';
import { BatchView } from '../../../src/records/batch-view.ts';
import { RecordCursor } from '../../../src/records/record-cursor.ts';
import { ERROR_CODES, errorName } from '../../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { listOffsets, offsetForLeaderEpoch } from '../../../src/wire/kafka/messages/offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import { until } from '../../support/until.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

const MIB = 1024 * 1024;

function create(test: KafkaTestServer, name = 't', partitions = 1, configs: Record<string, string> = {}) {
  return test.broker.streams.create({
    vhost: '/',
    name,
    partitions,
    configs: new Map(Object.entries(configs)),
  });
}

async function send(
  client: KafkaClient,
  records: Buffer,
  { acks = -1, version = 9, index = 0, topic = 't' } = {},
) {
  const partitionData = [{ index, records }];
  const response = await client.request(produce, version, {
    acks,
    timeoutMs: 1000,
    topicData: [{ name: topic, partitionData }],
  });
  const found = response.responses[0]?.partitionResponses[0];
  assert.ok(found !== undefined);
  return found;
}

interface Wanted {
  readonly offset: number;
  readonly index?: number;
  readonly topic?: string;
  readonly bytesMax?: number;
  readonly epoch?: number;
}

function fetchRequest(wanted: readonly Wanted[], options: Partial<Parameters<typeof requestOf>[1]> = {}) {
  return requestOf(wanted, { maxWaitMs: 0, minBytes: 1, maxBytes: 50 * MIB, ...options });
}

function requestOf(
  wanted: readonly Wanted[],
  options: {
    maxWaitMs: number;
    minBytes: number;
    maxBytes: number;
    sessionId?: number;
    sessionEpoch?: number;
    isolationLevel?: number;
  },
) {
  const topics = wanted.map(({ offset, index = 0, topic = 't', bytesMax = MIB, epoch = -1 }) => ({
    topic,
    partitions: [
      { partition: index, fetchOffset: offset, partitionMaxBytes: bytesMax, currentLeaderEpoch: epoch },
    ],
  }));
  return { ...options, topics, forgottenTopicsData: [] };
}

type FetchAnswer = Awaited<ReturnType<typeof fetchAll>>;

async function fetchAll(
  client: KafkaClient,
  wanted: readonly Wanted[],
  options: Partial<Parameters<typeof requestOf>[1]> = {},
) {
  return client.request(fetch, 12, fetchRequest(wanted, options));
}

function valuesOf(answer: FetchAnswer): string[] {
  const values: string[] = [];
  for (const { partitions } of answer.responses) {
    for (const { records } of partitions) {
      if (records === null) continue;
      for (let at = records.start; at < records.end; at = new BatchView(records.bytes, at).end) {
        const cursor = new RecordCursor(MIB).open(records.bytes, at);
        while (cursor.next()) {
          cursor.readContent();
          const { bytes, valueStart, valueLength } = cursor;
          values.push(bytes.toString('utf8', valueStart, valueStart + valueLength));
        }
      }
    }
  }
  return values;
}

describe('Produce and Fetch', () => {
  it('a fetch of no partition is answered at once, however long it may wait', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const wait = { maxWaitMs: 500_000, minBytes: 100, maxBytes: 1_000_000 };
    const { responses } = await client.request(fetch, 12, { ...wait, topics: [], forgottenTopicsData: [] });
    assert.deepEqual(responses, []);
  });

  it('what is produced is fetched, from any offset, in any version', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test);
    for (let version = 3; version <= 12; version++) {
      const { errorCode, baseOffset } = await send(client, batchOf([`a${version}`, `b${version}`]), {
        version,
      });
      assert.equal(errorName(errorCode), 'NONE');
      assert.equal(baseOffset, (version - 3) * 2);
    }
    for (let version = 4; version <= 12; version++) {
      const answer = await client.request(fetch, version, fetchRequest([{ offset: 16 }]));
      assert.deepEqual(valuesOf(answer), ['a11', 'b11', 'a12', 'b12']);
      assert.equal(answer.responses[0]?.partitions[0]?.highWatermark, 20);
    }
  });

  it('acks=0 has no answer, and is stored all the same', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test);
    const partitionData = [{ index: 0, records: batchOf(['silent']) }];
    client.send(produce, 9, { acks: 0, timeoutMs: 1000, topicData: [{ name: 't', partitionData }] });
    assert.equal((await send(client, batchOf(['loud']))).baseOffset, 1);
    assert.deepEqual(valuesOf(await fetchAll(client, [{ offset: 0 }])), ['silent', 'loud']);
  });

  it('each partition has an error of its own', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test, 't', 1, { 'max.message.bytes': '500' });
    const broken = batchOf(['x']);
    broken[64] = broken[64] ^ 1;
    const old = batchOf(['x']);
    old[16] = 1;
    const cases: [Buffer, object, string][] = [
      [broken, {}, 'CORRUPT_MESSAGE'],
      [old, {}, 'INVALID_RECORD'],
      [batchOf([Buffer.alloc(1000)]), {}, 'MESSAGE_TOO_LARGE'],
      [batchOf(['x']), { index: 1 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
      [batchOf(['x']), { topic: 'none' }, 'UNKNOWN_TOPIC_OR_PARTITION'],
      [batchOf(['x']), { acks: 2 }, 'INVALID_REQUIRED_ACKS'],
      [batchOf(['x'], Date.now() + 7_200_000), {}, 'INVALID_TIMESTAMP'],
      [Buffer.concat([batchOf(['x']), batchOf(['y'])]), {}, 'INVALID_RECORD'],
      [batchOf(['x']), {}, 'NONE'],
    ];
    for (const [records, options, expected] of cases) {
      assert.equal(errorName((await send(client, records, options)).errorCode), expected);
    }
    assert.deepEqual(valuesOf(await fetchAll(client, [{ offset: 0 }])), ['x']);
  });

  it('a compacted topic takes no record without a key', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test, 't', 1, { 'cleanup.policy': 'compact' });
    const { errorCode, recordErrors } = await send(client, batchOf(['x', 'y']));
    assert.equal(errorName(errorCode), 'INVALID_RECORD');
    assert.deepEqual(
      recordErrors.map(({ batchIndex }) => batchIndex),
      [0, 1],
    );
  });

  it('a fetch waits for records, as long as it says and no longer', async () => {
    await using test = await KafkaTestServer.start();
    using reader = await test.connect();
    using writer = await test.connect();
    create(test);
    const startedMs = performance.now();
    assert.deepEqual(valuesOf(await fetchAll(reader, [{ offset: 0 }], { maxWaitMs: 200 })), []);
    assert.ok(performance.now() - startedMs >= 195);
    const waiting = fetchAll(reader, [{ offset: 0 }], { maxWaitMs: 60_000 });
    await send(writer, batchOf(['x']));
    assert.deepEqual(valuesOf(await waiting), ['x']);
  });

  it('a fetch that wants many bytes waits until they are there', async () => {
    await using test = await KafkaTestServer.start();
    using reader = await test.connect();
    using writer = await test.connect();
    create(test, 't', 2);
    let isAnswered = false;
    const waiting = fetchAll(reader, [{ offset: 0 }, { offset: 0, index: 1 }], {
      maxWaitMs: 60_000,
      minBytes: 500,
    });
    waiting.then(() => {
      isAnswered = true;
    });
    await send(writer, batchOf([Buffer.alloc(200, 'a')]));
    await send(writer, batchOf([Buffer.alloc(100, 'b')]));
    assert.equal(isAnswered, false);
    await send(writer, batchOf([Buffer.alloc(200, 'c')]), { index: 1 });
    assert.equal(valuesOf(await waiting).length, 3);
  });

  it('limits are kept, but for one batch that is larger (KIP-74)', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test, 't', 2);
    for (const index of [0, 1]) {
      for (let i = 0; i < 5; i++) await send(client, batchOf([Buffer.alloc(1000, 'x')]), { index });
    }
    const both = [
      { offset: 0, bytesMax: 2500 },
      { offset: 0, index: 1, bytesMax: 2500 },
    ];
    assert.equal(valuesOf(await fetchAll(client, both)).length, 4);
    assert.equal(valuesOf(await fetchAll(client, both, { maxBytes: 3500 })).length, 3);
    assert.equal(valuesOf(await fetchAll(client, [{ offset: 0, bytesMax: 10 }])).length, 1);
    assert.equal(valuesOf(await fetchAll(client, both, { maxBytes: 10 })).length, 1);
  });

  it('offsets out of range and wrong leader epochs are refused (KIP-320)', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const { leaderEpoch } = create(test).ownPartitions[0] as { leaderEpoch: number };
    await send(client, batchOf(['x']));
    const errorOf = async (wanted: Wanted) => {
      const answer = await fetchAll(client, [wanted]);
      return errorName(answer.responses[0]?.partitions[0]?.errorCode ?? 0);
    };
    assert.equal(await errorOf({ offset: 2 }), 'OFFSET_OUT_OF_RANGE');
    assert.equal(await errorOf({ offset: -1 }), 'OFFSET_OUT_OF_RANGE');
    assert.equal(await errorOf({ offset: 1 }), 'NONE');
    assert.equal(await errorOf({ offset: 0, epoch: leaderEpoch }), 'NONE');
    assert.equal(await errorOf({ offset: 0, epoch: leaderEpoch + 1 }), 'UNKNOWN_LEADER_EPOCH');
    assert.equal(await errorOf({ offset: 0, epoch: leaderEpoch - 1 }), 'FENCED_LEADER_EPOCH');
    assert.equal(await errorOf({ offset: 0, topic: 'none' }), 'UNKNOWN_TOPIC_OR_PARTITION');
  });

  it('in a fetch session responses have only partitions with changes (KIP-227)', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test, 't', 3);
    await send(client, batchOf(['a']), { index: 1 });
    const first = await fetchAll(
      client,
      [0, 1, 2].map((index) => ({ offset: 0, index })),
      { sessionEpoch: 0 },
    );
    assert.ok(first.sessionId > 0);
    assert.equal(first.responses.flatMap(({ partitions }) => partitions).length, 3);
    const { sessionId } = first;
    const second = await fetchAll(client, [{ offset: 1, index: 1 }], { sessionId, sessionEpoch: 1 });
    assert.deepEqual(second.responses, []);
    await send(client, batchOf(['b']), { index: 2 });
    const third = await fetchAll(client, [], { sessionId, sessionEpoch: 2 });
    assert.deepEqual(valuesOf(third), ['b']);
    assert.equal(third.responses.flatMap(({ partitions }) => partitions).length, 1);
    const stale = await fetchAll(client, [], { sessionId, sessionEpoch: 2 });
    assert.equal(errorName(stale.errorCode), 'INVALID_FETCH_SESSION_EPOCH');
    const unknown = await fetchAll(client, [], { sessionId: sessionId + 1, sessionEpoch: 1 });
    assert.equal(errorName(unknown.errorCode), 'FETCH_SESSION_ID_NOT_FOUND');
    using other = await test.connect();
    const foreign = await fetchAll(other, [], { sessionId, sessionEpoch: 3 });
    assert.equal(errorName(foreign.errorCode), 'FETCH_SESSION_ID_NOT_FOUND');
  });

  it('what is in segments is fetched as what is in memory is', async () => {
    await using test = await KafkaTestServer.start(
      {},
      {
        memoryLimitBytes: MIB,
        chunkBytes: 65_536,
        segmentBytes: 2 * MIB,
        journalFileBytes: MIB,
        journalLimitBytes: 4 * MIB,
      },
    );
    using client = await test.connect();
    const { ownPartitions: partitions } = create(test);
    for (let i = 0; i < 600; i++) await send(client, batchOf([`${i}:${'x'.repeat(8000)}`]));
    assert.ok((partitions[0]?.log.tailStart ?? 0) > 0);
    const values: string[] = [];
    while (values.length < 600) {
      values.push(...valuesOf(await fetchAll(client, [{ offset: values.length, bytesMax: 100_000 }])));
    }
    assert.deepEqual(
      values.map((value) => Number.parseInt(value, 10)),
      Array.from({ length: 600 }, (_, i) => i),
    );
  });

  it('what is in segments is fetched in small answers while the share of memory of its user is used up', async () => {
    const memory = { bytesMax: 64 * MIB, userBytesMax: 65_536, pausedMsMax: 60_000 };
    const budget = new Budget({ memory });
    const small = { memoryLimitBytes: MIB, chunkBytes: 65_536, segmentBytes: 2 * MIB };
    const journal = { journalFileBytes: MIB, journalLimitBytes: 4 * MIB };
    await using test = await KafkaTestServer.start({}, { ...small, ...journal, budget });
    const { ownPartitions: partitions } = create(test);
    using producer = await test.connect();
    for (let i = 0; i < 400; i++) await send(producer, batchOf([`${i}:${'x'.repeat(8000)}`]));
    const onDisk = partitions[0]?.log.tailStart ?? 0;
    assert.ok(onDisk > 100);
    const readers = await Promise.all([1, 2, 3, 4].map(() => test.connect()));
    await Promise.all(
      readers.map(async (reader) => {
        let offset = 0;
        while (offset < onDisk) {
          const values = valuesOf(await fetchAll(reader, [{ offset, bytesMax: MIB }]));
          assert.equal(Number.parseInt(values[0] ?? '', 10), offset);
          offset += values.length;
        }
      }),
    );
    await until(() => budget.memory.bytes === 0);
    for (const reader of readers) reader[Symbol.dispose]();
  });

  it('a topic that is deleted ends the wait of those who read it', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const stream = create(test);
    const waiting = fetchAll(client, [{ offset: 0 }], { maxWaitMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    test.broker.streams.delete(stream);
    const answer = await waiting;
    assert.equal(errorName(answer.responses[0]?.partitions[0]?.errorCode ?? 0), 'UNKNOWN_TOPIC_OR_PARTITION');
  });
});

describe('ListOffsets and OffsetForLeaderEpoch', () => {
  it('find beginning, end, times and the largest time', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test);
    await send(client, batchOf(['a', 'b'], 1000));
    await send(client, batchOf(['c'], 3000));
    await send(client, batchOf(['d'], 2000));
    const find = async (timestamp: number) => {
      const { topics } = await client.request(listOffsets, 7, {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp }] }],
      });
      const found = topics[0]?.partitions[0];
      return [found?.offset, found?.timestamp];
    };
    assert.deepEqual(await find(-1), [4, -1]);
    assert.deepEqual(await find(-2), [0, -1]);
    assert.deepEqual(await find(-3), [2, 3000]);
    assert.deepEqual(await find(500), [0, 1000]);
    assert.deepEqual(await find(1001), [2, 3000]);
    assert.deepEqual(await find(3001), [-1, -1]);
  });

  it('find nothing for a partition that is named twice, and answer it once, as Kafka does', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    test.broker.streams.create({ vhost: '/', name: 't', partitions: 2, configs: new Map() });
    const ask = (...indexes: number[]) => ({
      name: 't',
      partitions: indexes.map((partitionIndex) => ({ partitionIndex, timestamp: -1 })),
    });
    const { topics } = await client.request(listOffsets, 7, {
      replicaId: -1,
      topics: [ask(0, 1), ask(0), ask(7)],
    });
    assert.deepEqual(
      topics.map(({ partitions }) =>
        partitions.map(({ partitionIndex, errorCode, offset }) => [
          partitionIndex,
          errorName(errorCode),
          offset,
        ]),
      ),
      [
        [
          [0, 'INVALID_REQUEST', -1],
          [1, 'NONE', 0],
          [7, 'UNKNOWN_TOPIC_OR_PARTITION', -1],
        ],
      ],
    );
  });

  it('an epoch of before a restart ends where the restart was (KIP-320)', async () => {
    await using test = await KafkaTestServer.start();
    let client = await test.connect();
    create(test);
    await send(client, batchOf(['a', 'b']));
    const before = test.broker.streams.get('/', 't')?.ownPartitions[0]?.leaderEpoch ?? 0;
    client[Symbol.dispose]();
    await test.restart();
    client = await test.connect();
    await send(client, batchOf(['c']));
    const { topics } = await client.request(offsetForLeaderEpoch, 4, {
      topics: [{ topic: 't', partitions: [{ partition: 0, leaderEpoch: before }] }],
    });
    const found = topics[0]?.partitions[0];
    assert.equal(found?.errorCode, ERROR_CODES.NONE);
    assert.equal(found?.endOffset, 2);
    assert.equal(found?.leaderEpoch, before);
    client[Symbol.dispose]();
  });
});
