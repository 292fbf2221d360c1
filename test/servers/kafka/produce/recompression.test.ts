import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BatchView } from '../../../../src/records/batch-view.ts';
import { COMPRESSION, type CompressionName } from '../../../../src/records/compression/compression.ts';
import { RecordCursor } from '../../../../src/records/record-cursor.ts';
import { errorName } from '../../../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../../../src/wire/kafka/messages/produce.ts';
import { findBatchFault } from '../../../../src/wire/kafka/produced-batch.ts';
import { batchOf } from '../../../broker/streams/bindings/records.ts';
import type { KafkaClient } from '../kafka-client.ts';
import { KafkaTestServer } from '../test-server.ts';

const VALUES = Array.from({ length: 50 }, (_, index) => `value ${index} `.repeat(5));
const CODECS = Object.keys(COMPRESSION) as CompressionName[];

async function start(compression: string, level: Record<string, string> = {}) {
  const test = await KafkaTestServer.start();
  const configs = new Map(Object.entries({ 'compression.type': compression, ...level }));
  test.broker.streams.create({ vhost: '/', name: 't', partitions: 1, configs });
  return test;
}

async function send(client: KafkaClient, records: Buffer) {
  const { responses } = await client.request(produce, 9, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
  });
  return errorName(responses[0]?.partitionResponses[0]?.errorCode ?? 0);
}

async function read(client: KafkaClient, fetchOffset: number) {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }];
  const request = {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topic: 't', partitions }],
    forgottenTopicsData: [],
  };
  const { responses } = await client.request(fetch, 12, request);
  const records = responses[0]?.partitions[0]?.records;
  assert.ok(records);
  const { bytes, start, end } = records;
  assert.equal(findBatchFault(bytes, start, end), null);
  const cursor = new RecordCursor(1_000_000).open(bytes, start);
  const values: string[] = [];
  while (cursor.next()) {
    cursor.readContent();
    values.push(cursor.bytes.toString('utf8', cursor.valueStart, cursor.valueStart + cursor.valueLength));
  }
  return { compression: new BatchView(bytes, start).compression, values, length: end - start };
}

describe('compression.type', () => {
  for (const wanted of ['gzip', 'snappy', 'lz4', 'zstd', 'uncompressed'] as const) {
    it(`${wanted} is what a topic keeps, however its producers compress`, async () => {
      await using test = await start(wanted);
      using client = await test.connect();
      for (const [index, codec] of CODECS.entries()) {
        const batch = batchOf(
          VALUES.map((value) => ({ key: null, value })),
          codec,
        );
        assert.equal(await send(client, batch), 'NONE');
        const { compression, values } = await read(client, index * VALUES.length);
        assert.equal(compression, COMPRESSION[wanted === 'uncompressed' ? 'none' : wanted]);
        assert.deepEqual(values, VALUES);
      }
    });
  }

  it('producer keeps what comes as it came', async () => {
    await using test = await start('producer');
    using client = await test.connect();
    const batch = batchOf(
      VALUES.map((value) => ({ key: null, value })),
      'snappy',
    );
    await send(client, batch);
    const { compression, length } = await read(client, 0);
    assert.deepEqual([compression, length], [COMPRESSION.snappy, batch.length]);
  });

  it('takes the level that is set', async () => {
    const text = Array.from({ length: 400 }, (_, index) => `${index * 7919}${index % 13}`.repeat(3));
    const lengths: number[] = [];
    for (const level of ['1', '9']) {
      await using test = await start('gzip', { 'compression.gzip.level': level });
      using client = await test.connect();
      await send(client, batchOf(text.map((value) => ({ key: null, value }))));
      lengths.push((await read(client, 0)).length);
    }
    assert.ok((lengths[1] ?? 0) < (lengths[0] ?? 0), lengths.join(' and '));
  });

  it('refuses records that cannot be decompressed, and says so', async () => {
    await using test = await start('gzip');
    using client = await test.connect();
    const batch = batchOf([{ key: null, value: 'x' }], 'none');
    const { crc32c } = await import('../../../../src/base/crc32c.ts');
    batch.writeInt16BE(COMPRESSION.zstd, 21);
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
    assert.equal(await send(client, batch), 'INVALID_RECORD');
  });
});
