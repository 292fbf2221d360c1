import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32c } from '../../../../src/base/crc32c.ts';
import {
  COMPRESSION,
  type CompressionName,
  compress,
} from '../../../../src/records/compression/compression.ts';
import { errorName } from '../../../../src/wire/kafka/error-codes.ts';
import { produce } from '../../../../src/wire/kafka/messages/produce.ts';
import { batchOf } from '../../../broker/streams/bindings/records.ts';
import type { KafkaClient } from '../kafka-client.ts';
import { KafkaTestServer } from '../test-server.ts';

const HEADER = 61;
const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;

/** The batch with other records, behind a good checksum; `count` is what its header says of them. */
function batchWith(records: Buffer, codec: CompressionName = 'none', count = 1): Buffer {
  const head = batchOf([{ key: null, value: 'x', timestampMs: 1_700_000_000_000 }]).subarray(0, HEADER);
  const batch = Buffer.concat([head, records]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt16BE(COMPRESSION[codec], 21);
  batch.writeInt32BE(count - 1, 23);
  batch.writeInt32BE(count, 57);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

function recordsOf(values: readonly string[]): Buffer {
  return batchOf(values.map((value) => ({ key: 'k', value }))).subarray(HEADER);
}

/** Length, attributes, timestamp and offset deltas, key `k`, value `v`, no headers. */
const RECORD = [16, 0, 0, 0, 2, 0x6b, 2, 0x76, 0];

function recordWith(...changes: readonly (readonly [at: number, byte: number])[]): Buffer {
  const record = Buffer.from(RECORD);
  for (const [at, byte] of changes) record[at] = byte;
  return record;
}

const GOOD = recordsOf(['one', 'two']);

/** Records behind a good header, how many it counts, and the record that is at fault. */
const BAD: Readonly<Record<string, readonly [records: Buffer, count: number, faulty: number | null]>> = {
  'count 1 with two records': [GOOD, 1, null],
  'count 3 with two records': [GOOD, 3, 2],
  'half a record': [Buffer.from(RECORD.slice(0, 8)), 1, 0],
  'a byte behind the last record': [Buffer.concat([GOOD, Buffer.from([0])]), 2, null],
  'a record that is longer than its batch': [recordWith([0, 40]), 1, 0],
  'a record that is shorter than what is in it': [recordWith([0, 14]), 1, 0],
  'a record of a negative length': [recordWith([0, 15]), 1, 0],
  'offset deltas that begin with 1': [recordWith([3, 2]), 1, 0],
  'a negative offset delta': [recordWith([3, 1]), 1, 0],
  'the same offset twice': [Buffer.concat([recordWith(), recordWith()]), 2, 1],
  'a key beyond its record': [recordWith([4, 40]), 1, 0],
  'a key of -2 bytes': [recordWith([4, 3]), 1, 0],
  'a value beyond its record': [recordWith([6, 40]), 1, 0],
  'a negative number of headers': [recordWith([8, 1]), 1, 0],
  'headers that are not there': [recordWith([8, 2]), 1, 0],
  'a header without a name': [Buffer.from([20, ...RECORD.slice(1, 8), 2, 1, 0]), 1, 0],
  'a header whose value is longer than it': [Buffer.from([22, ...RECORD.slice(1, 8), 2, 2, 0x68, 8]), 1, 0],
  'a length of six bytes': [Buffer.from([0x90, 0x80, 0x80, 0x80, 0x80, 0, ...RECORD.slice(1)]), 1, 0],
  'a timestamp of eleven bytes': [
    Buffer.from([38, 0, ...Array.from({ length: 10 }, () => 0x80), 0, ...RECORD.slice(3)]),
    1,
    0,
  ],
};

async function send(client: KafkaClient, records: Buffer, version = 9) {
  const { responses } = await client.request(produce, version, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
  });
  const response = responses[0].partitionResponses[0];
  return { ...response, error: errorName(response.errorCode) };
}

async function withTopic(
  run: (client: KafkaClient, end: () => number) => Promise<void>,
  configs: Record<string, string> = {},
): Promise<void> {
  await using test = await KafkaTestServer.start();
  using client = await test.connect();
  const map = new Map(Object.entries(configs));
  const stream = test.broker.streams.create({ vhost: '/', name: 't', partitions: 1, configs: map });
  await run(client, () => stream.ownPartitions[0].endOffset);
}

describe('a produced batch whose checksum is good is refused, and nothing stored', () => {
  for (const [what, [records, count, faulty]] of Object.entries(BAD)) {
    it(`with ${what}, in every compression, with the record named (KIP-467)`, async () => {
      await withTopic(async (client, end) => {
        for (const codec of ['none', ...CODECS] as const) {
          const batch = batchWith(compress(COMPRESSION[codec], records), codec, count);
          const { error, errorMessage, recordErrors } = await send(client, batch);
          assert.equal(error, 'INVALID_RECORD', `${codec}: ${errorMessage}`);
          const named = recordErrors?.map(({ batchIndex }) => batchIndex);
          assert.deepEqual(named, faulty === null ? [] : [faulty], codec);
        }
        assert.equal(end(), 0);
        assert.equal((await send(client, batchWith(GOOD, 'none', 2))).error, 'NONE');
      });
    });
  }

  for (const codec of CODECS) {
    it(`with garbage, cut or damaged data, or something behind them, under ${codec}`, async () => {
      await withTopic(async (client, end) => {
        const records = recordsOf(Array.from({ length: 200 }, (_, index) => `value ${index}`));
        const good = compress(COMPRESSION[codec], records);
        const bad = {
          garbage: Buffer.from('this was never compressed by anything'),
          nothing: Buffer.alloc(0),
          'one byte less': good.subarray(0, -1),
          half: good.subarray(0, good.length >>> 1),
          'zeros behind': Buffer.concat([good, Buffer.alloc(9)]),
          'text behind': Buffer.concat([good, Buffer.from('and so on')]),
          'the same again': Buffer.concat([good, good]),
        };
        for (const [what, body] of Object.entries(bad)) {
          const { error, errorMessage } = await send(client, batchWith(body, codec, 200));
          assert.equal(error, 'INVALID_RECORD', what);
          assert.ok((errorMessage ?? '') !== '', what);
        }
        assert.equal(end(), 0);
        assert.equal((await send(client, batchWith(good, codec, 200))).error, 'NONE');
        assert.equal(end(), 200);
      });
    });
  }

  it('with a wrong checksum within gzip', async () => {
    await withTopic(async (client, end) => {
      const body = compress(COMPRESSION.gzip, GOOD);
      body[body.length - 8] ^= 1;
      assert.equal((await send(client, batchWith(body, 'gzip', 2))).error, 'INVALID_RECORD');
      assert.equal(end(), 0);
    });
  });

  it('with a claim of a million records in a hundred bytes', async () => {
    await withTopic(async (client, end) => {
      for (const codec of ['none', ...CODECS] as const) {
        const batch = batchWith(compress(COMPRESSION[codec], recordsOf(['x'.repeat(30)])), codec, 1_000_000);
        assert.equal((await send(client, batch)).error, 'INVALID_RECORD', codec);
      }
      assert.equal(end(), 0);
    });
  });

  it('with the mark by which a broker says that it has set the time', async () => {
    for (const type of ['CreateTime', 'LogAppendTime']) {
      await withTopic(
        async (client, end) => {
          const batch = batchWith(GOOD, 'none', 2);
          batch[22] |= 8;
          batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
          assert.equal((await send(client, batch)).error, 'INVALID_TIMESTAMP');
          assert.equal(end(), 0);
        },
        { 'message.timestamp.type': type },
      );
    }
  });

  it('with a wrong checksum of its own: corrupt', async () => {
    await withTopic(async (client, end) => {
      const batch = batchWith(GOOD, 'none', 2);
      batch[70] ^= 1;
      assert.equal((await send(client, batch)).error, 'CORRUPT_MESSAGE');
      assert.equal(end(), 0);
    });
  });

  it('without a key in a compacted topic: each such record is named', async () => {
    await withTopic(
      async (client, end) => {
        for (const codec of ['none', 'zstd'] as const) {
          const batch = batchOf(
            [
              { key: 'a', value: 'x' },
              { key: null, value: 'x' },
              { key: 'b', value: null },
              { key: null, value: null },
            ],
            codec,
          );
          const { error, recordErrors } = await send(client, batch);
          assert.equal(error, 'INVALID_RECORD');
          assert.deepEqual(
            recordErrors?.map(({ batchIndex }) => batchIndex),
            [1, 3],
          );
        }
        assert.equal(end(), 0);
      },
      { 'cleanup.policy': 'compact' },
    );
  });
});

describe('a produced batch is stored', () => {
  it('whatever its records have in them: nothing, no key, no value, headers without values and with names of no bytes', async () => {
    await withTopic(async (client, end) => {
      const records = [
        { key: null, value: null },
        { key: '', value: '' },
        { key: 'k'.repeat(100), value: 'v'.repeat(40_000) },
        {
          key: 'k',
          value: null,
          headers: [['', null] as const, ['h', ''] as const, ['h', 'x'.repeat(200)] as const],
        },
        { key: 'k', value: 'v', timestampMs: 1 },
      ];
      for (const codec of ['none', ...CODECS] as const)
        assert.equal((await send(client, batchOf(records, codec))).error, 'NONE', codec);
      assert.equal(end(), 25);
    });
  });
});
