import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32c } from '../../../../src/base/crc32c.ts';
import {
  COMPRESSION,
  type CompressionName,
  compress,
} from '../../../../src/records/compression/compression.ts';
import { RecordCursor } from '../../../../src/records/record-cursor.ts';
import { errorName } from '../../../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../../../src/wire/kafka/messages/produce.ts';
import { batchOf, type TestRecord } from '../../../broker/streams/bindings/records.ts';
import type { KafkaClient } from '../kafka-client.ts';
import { KafkaTestServer } from '../test-server.ts';

const MIB = 1024 * 1024;
const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;

function create(test: KafkaTestServer, configs: Record<string, string> = {}, partitions = 1) {
  const map = new Map(Object.entries(configs));
  return test.broker.streams.create({ vhost: '/', name: 't', partitions, configs: map });
}

async function send(client: KafkaClient, batches: readonly Buffer[], acks = -1) {
  const { responses } = await client.request(produce, 9, {
    acks,
    timeoutMs: 1000,
    topicData: [{ name: 't', partitionData: batches.map((records, index) => ({ index, records })) }],
  });
  return responses[0].partitionResponses.map((each) => ({ ...each, error: errorName(each.errorCode) }));
}

/** Of a producer with an id, from this sequence number on. */
function numbered(batch: Buffer, sequence: number): Buffer {
  batch.writeBigInt64BE(7n, 43);
  batch.writeInt16BE(0, 51);
  batch.writeInt32BE(sequence, 53);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

/** Text that compresses to about a quarter. */
function records(count: number, name = 'r'): TestRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `${name}-${index}`,
    value: `${Math.imul(index + 1, 0x9e3779b1) >>> 0} `.repeat(12),
  }));
}

/** One record whose value is `bytes` zeros, in a few kilobytes. */
function bomb(bytes: number, codec: CompressionName = 'zstd'): Buffer {
  return batchOf([{ key: 'k', value: Buffer.alloc(bytes) }], codec);
}

async function valuesFrom(client: KafkaClient, fetchOffset: number): Promise<string[]> {
  const { responses } = await client.request(fetch, 12, {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1 }] }],
    forgottenTopicsData: [],
  });
  const found = responses[0]?.partitions[0]?.records;
  assert.ok(found);
  const cursor = new RecordCursor().open(found.bytes, found.start);
  const values: string[] = [];
  while (cursor.next()) {
    cursor.readContent();
    values.push(cursor.bytes.toString('utf8', cursor.valueStart, cursor.valueStart + cursor.valueLength));
  }
  return values;
}

/** How often the event loop goes around until the promise is settled. */
async function turnsDuring(promise: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    if (isOver) return;
    turns++;
    setImmediate(count);
  };
  setImmediate(count);
  await promise;
  isOver = true;
  return turns;
}

describe('batches that take long to decompress', () => {
  const bombTopics: Readonly<Record<string, Record<string, string>>> = {
    'a topic that keeps what comes': {},
    'a compacted topic': { 'cleanup.policy': 'compact' },
    'a topic with a compression of its own': { 'compression.type': 'lz4' },
  };
  for (const [what, configs] of Object.entries(bombTopics)) {
    it(`a hundred of 2 KB in one request, which would be 6.4 GB, are refused by ${what}, and hold up nobody`, async () => {
      await using test = await KafkaTestServer.start();
      using client = await test.connect();
      const stream = create(test, configs, 100);
      const batch = bomb(64 * MIB);
      assert.ok(batch.length < 3000, `${batch.length} bytes`);
      const sent = send(
        client,
        Array.from({ length: 100 }, () => batch),
      );
      const turns = await turnsDuring(sent);
      const answers = await sent;
      for (const { error, errorMessage } of answers) {
        assert.ok(error === 'INVALID_RECORD' || error === 'MESSAGE_TOO_LARGE', `${error}`);
        assert.match(errorMessage ?? '', /\d+ bytes .*when decompressed|more than \d+ when decompressed/);
      }
      assert.ok(stream.ownPartitions.every(({ endOffset }) => endOffset === 0));
      // A loop that is held goes around a few times in all of that.
      assert.ok(turns > 200, `the event loop went around ${turns} times`);
    });
  }

  it('are refused whatever they were compressed with, if that is 1024 times what came', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test);
    const [answer] = await send(client, [bomb(20 * MIB)]);
    assert.equal(answer.error, 'INVALID_RECORD');
    assert.match(answer.errorMessage ?? '', /1024 times/);
    // What nobody makes to fill memory is taken.
    for (const codec of CODECS)
      assert.equal((await send(client, [bomb(10 * MIB, codec)]))[0].error, 'NONE', codec);
  });

  it('are appended as they came in, one request of a connection after the other, and in the order of their numbers', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test);
    let sequence = 0;
    const answers: ReturnType<typeof send>[] = [];
    const expected: number[] = [];
    for (let index = 0; index < 30; index++) {
      const count = index % 3 === 1 ? 1 : 3000;
      const codec = index % 3 === 1 ? 'none' : CODECS[index % 4];
      const batch = numbered(batchOf(records(count, String(index)), codec), sequence);
      expected.push(sequence);
      sequence += count;
      answers.push(send(client, [batch]));
    }
    const found = (await Promise.all(answers)).map(([{ error, baseOffset }]) => [error, baseOffset]);
    assert.deepEqual(
      found,
      expected.map((offset) => ['NONE', offset]),
    );
  });

  it('are known again when they are sent again, and are no burden to what was refused beside them', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test, {}, 3);
    const large = numbered(batchOf(records(3000), 'gzip'), 0);
    const garbage = batchOf(records(3000), 'gzip');
    garbage.fill(0x55, 61);
    garbage.writeUInt32BE(crc32c(garbage.subarray(21)), 17);
    for (let times = 0; times < 2; times++) {
      const answers = await send(client, [large, garbage, batchOf([{ key: null, value: 'x' }])]);
      assert.deepEqual(
        answers.map(({ index, error, baseOffset }) => [index, error, baseOffset]),
        [
          [0, 'NONE', 0],
          [1, 'INVALID_RECORD', -1],
          [2, 'NONE', times],
        ],
      );
    }
  });

  it('are stored when nobody waits for an answer (acks=0), and before what the connection sends next', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test);
    client.send(produce, 9, {
      acks: 0,
      timeoutMs: 1000,
      topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf(records(3000), 'lz4') }] }],
    });
    const [answer] = await send(client, [batchOf([{ key: null, value: 'x' }])]);
    assert.deepEqual([answer.error, answer.baseOffset], ['NONE', 3000]);
  });

  for (const wanted of ['gzip', 'snappy', 'lz4', 'zstd', 'uncompressed']) {
    it(`are what they were when a topic has them in ${wanted}`, async () => {
      await using test = await KafkaTestServer.start();
      using client = await test.connect();
      create(test, { 'compression.type': wanted });
      const all = records(2000);
      let offset = 0;
      for (const codec of ['none', ...CODECS] as const) {
        const [answer] = await send(client, [batchOf(all, codec)]);
        assert.deepEqual([answer.error, answer.baseOffset], ['NONE', offset]);
        assert.deepEqual(
          await valuesFrom(client, offset),
          all.map(({ value }) => value),
        );
        offset += all.length;
      }
    });
  }

  it('are to be sent again when so many wait that memory would be short, and count only while they wait', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test);
    const { waiting } = test.broker.shard.opener;
    const batch = batchOf(records(20_000), 'lz4');
    assert.ok(waiting.tryReserve(waiting.bytesMax - 1000, 'others'));
    const [refused] = await send(client, [batch]);
    assert.equal(refused.error, 'REQUEST_TIMED_OUT');
    assert.equal((await send(client, [batchOf([{ key: null, value: 'small' }], 'lz4')]))[0].error, 'NONE');
    waiting.release(waiting.bytesMax - 1000, 'others');
    assert.equal((await send(client, [batch]))[0].error, 'NONE');
    assert.equal(waiting.bytes, 0);
  });

  it('are forgotten with their connection, and the broker goes on and ends as it should', async () => {
    await using test = await KafkaTestServer.start();
    create(test);
    {
      using client = await test.connect();
      send(client, [batchOf(records(20_000), 'zstd')]).catch(() => undefined);
      await new Promise((resolve) => client.socket.write('', resolve));
    }
    using client = await test.connect();
    const [answer] = await send(client, [batchOf(records(20_000), 'snappy')]);
    assert.equal(answer.error, 'NONE');
  });

  it('have room for what compresses well: a request may become 32 times as large, and each batch 16 MiB', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test, { 'max.message.bytes': String(20 * MIB) }, 4);
    const text = compress(COMPRESSION.zstd, Buffer.alloc(15 * MIB, 'all the same '));
    assert.ok(text.length < 5000);
    const batch = batchOf([{ key: null, value: Buffer.alloc(15 * MIB, 'all the same ') }], 'zstd');
    const answers = await send(client, [batch, batch, batch, batch]);
    assert.deepEqual(
      answers.map(({ error }) => error),
      ['NONE', 'NONE', 'NONE', 'NONE'],
    );
  });
});
