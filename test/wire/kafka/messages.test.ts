import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Work } from '../../../src/base/turn-time.ts';
import { ByteReader } from '../../../src/wire/kafka/byte-reader.ts';
import { ByteWriter } from '../../../src/wire/kafka/byte-writer.ts';
import { type Fields, INT64_MAX, type Message, ZERO_UUID } from '../../../src/wire/kafka/declaration.ts';
import { KafkaWireError } from '../../../src/wire/kafka/errors.ts';
import { apiVersions } from '../../../src/wire/kafka/messages/api-versions.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { metadata } from '../../../src/wire/kafka/messages/metadata.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { saslAuthenticate } from '../../../src/wire/kafka/messages/sasl.ts';
import {
  decodeMessage,
  decodeMessageWork,
  encodeMessage,
  encodeMessageWork,
} from '../../../src/wire/kafka/messages.ts';
import { anyDamage, damaged, decodesOrRefuses } from '../malformed.ts';
import { ALL_VERSIONS_OF_MESSAGES, comparable, contentsOf } from './arbitraries.ts';

function encoded(message: Message, version: number, value: Record<string, unknown>): Buffer {
  const writer = new ByteWriter();
  encodeMessage(writer, message, version, value);
  return Buffer.concat(writer.take());
}

function decoded<F extends Fields>(message: Message<F>, version: number, bytes: Buffer) {
  return decodeMessage(message, version, bytes, 0, bytes.length);
}

/** All steps of a work, one after the other. */
function atOnce<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

/** Runs a property on each version of each message. */
function forEachVersion(
  numRuns: number,
  check: (message: Message, version: number, value: Record<string, unknown>) => void,
): void {
  for (const { message, version } of ALL_VERSIONS_OF_MESSAGES) {
    const property = fc.property(contentsOf(message, version), (value) => check(message, version, value));
    fc.assert(property, { numRuns });
  }
}

describe('every version of every message', () => {
  test('comes back as it went, wherever in a buffer it lies', () => {
    forEachVersion(10, (message, version, value) => {
      const bytes = encoded(message, version, value);
      const padded = Buffer.concat([Buffer.alloc(3, 0xff), bytes, Buffer.alloc(3, 0xff)]);
      const back = decodeMessage(message, version, padded, 3, 3 + bytes.length);
      assert.deepEqual(comparable(back), comparable(value), `${message.name} v${version}`);
    });
  });

  test('is read and written in steps as it is at once', () => {
    forEachVersion(5, (message, version, value) => {
      const bytes = encoded(message, version, value);
      const writer = new ByteWriter();
      atOnce(encodeMessageWork(writer, message, version, value));
      const written = Buffer.concat(writer.take());
      assert.ok(bytes.equals(written), `${message.name} v${version}`);
      const back = atOnce(decodeMessageWork(message, version, bytes, 0, bytes.length));
      assert.deepEqual(back, decoded(message, version, bytes), `${message.name} v${version}`);
    });
  });

  test('is refused when it is cut off, at whatever byte', () => {
    forEachVersion(1, (message, version, value) => {
      const bytes = encoded(message, version, value);
      for (let end = 0; end < bytes.length; end++) {
        // The rest of the bytes is there, behind the end: reading them would go unnoticed otherwise.
        assert.throws(() => decodeMessage(message, version, bytes, 0, end), KafkaWireError);
      }
      const longer = Buffer.concat([bytes, Buffer.alloc(1)]);
      assert.throws(() => decoded(message, version, longer), /1 bytes too many/);
    });
  });

  test('is read or refused when it is damaged, and nothing else', () => {
    for (const { message, version } of ALL_VERSIONS_OF_MESSAGES) {
      const property = fc.property(contentsOf(message, version), anyDamage, (value, damage) => {
        const bytes = damaged(encoded(message, version, value), damage);
        decodesOrRefuses(KafkaWireError, () => decoded(message, version, bytes));
      });
      fc.assert(property, { numRuns: 5 });
    }
  });

  test('is read or refused when it is noise, and nothing else', () => {
    const noise = fc.uint8Array({ maxLength: 100 });
    for (const { message, version } of ALL_VERSIONS_OF_MESSAGES) {
      const property = fc.property(noise, (bytes) =>
        decodesOrRefuses(KafkaWireError, () => decoded(message, version, Buffer.from(bytes))),
      );
      fc.assert(property, { numRuns: 10 });
    }
  });
});

describe('reading in steps', () => {
  /** How many elements each step has read. */
  function stepsOf(elements: readonly number[]): number[] {
    const topics = elements.map((count, topic) => ({
      name: `t${topic}`,
      partitions: Array.from({ length: count }, (_, partitionIndex) => ({
        partitionIndex,
        timestamp: topic,
      })),
    }));
    const request = { replicaId: -1, topics };
    const bytes = encoded(listOffsets.request, 7, request);
    const read = ByteReader.prototype.int32;
    const steps: number[] = [];
    let count = 0;
    ByteReader.prototype.int32 = function int32() {
      count++;
      return read.call(this);
    };
    try {
      const work = decodeMessageWork(listOffsets.request, 7, bytes, 0, bytes.length);
      for (;;) {
        count = 0;
        const step = work.next();
        steps.push(count);
        if (step.done !== true) continue;
        assert.deepEqual(step.value, decoded(listOffsets.request, 7, bytes));
        return steps;
      }
    } finally {
      ByteReader.prototype.int32 = read;
    }
  }

  test('takes few elements in each, whether they are in one array or in very many', () => {
    // Four of these are read for each partition.
    for (const elements of [
      [5000],
      new Array(5000).fill(1),
      new Array(100).fill(50),
      [1, 3000, 1, 40, 33, 0, 2],
    ]) {
      const steps = stepsOf(elements);
      assert.ok(Math.max(...steps) < 600, `${Math.max(...steps)}`);
    }
    // Those that are short need no steps of their own.
    assert.ok(stepsOf(new Array(5000).fill(1)).length < 400);
  });
});

describe('reading', () => {
  test('gives objects of one shape whatever the version', () => {
    const old = decoded(
      produce.request,
      0,
      encoded(produce.request, 0, { acks: 1, timeoutMs: 5, topicData: [] }),
    );
    const value = { acks: 1, timeoutMs: 5, topicData: [] };
    const recent = decoded(produce.request, 13, encoded(produce.request, 13, value));
    assert.deepEqual(Object.keys(old), Object.keys(recent));
    assert.deepEqual(old, { transactionalId: null, ...value });
  });

  test('makes nothing for a length that cannot be', () => {
    const topics = Buffer.alloc(4 + 10);
    topics.writeInt32BE(0x7fffffff);
    assert.throws(
      () => decoded(metadata.request, 1, topics),
      /Metadata request v1, topics: 2147483647 elements cannot be in 10 bytes \(byte 4\)/,
    );
    // More than what is left, though not more than all.
    topics.writeInt32BE(6);
    assert.throws(() => decoded(metadata.request, 1, topics), /6 elements cannot be in 10 bytes/);
    const auth = Buffer.from([0x7f, 0xff, 0xff, 0xff, 1]);
    assert.throws(
      () => decoded(saslAuthenticate.request, 1, auth),
      /authBytes: needs 2147483647 bytes, 1 are left/,
    );
    const compact = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 1]);
    assert.throws(() => decoded(saslAuthenticate.request, 2, compact), /needs 4294967294 bytes, 1 are left/);
  });

  test('refuses varints of more than 32 bits', () => {
    for (const bytes of [
      [0xff, 0xff, 0xff, 0xff, 0x1f],
      [0x80, 0x80, 0x80, 0x80, 0x80, 0],
    ]) {
      assert.throws(() => decoded(saslAuthenticate.request, 2, Buffer.from(bytes)), /varint of more than/);
    }
  });

  test('limits how many elements one message has', () => {
    const count = 500_001;
    const bytes = Buffer.alloc(4 + 2 * count);
    bytes.writeInt32BE(count);
    assert.throws(() => decoded(metadata.request, 1, bytes), /more than 500000 elements/);
  });

  test('counts tagged fields among the elements, and has no longer texts than Kafka', () => {
    const tags = Buffer.alloc(2 + 5 + 2 * 500_001);
    tags.set([1, 1, 0xa1, 0xc2, 0x1e], 0);
    assert.throws(() => decoded(apiVersions.request, 3, tags), /more than 500000 elements/);
    // Also where some of them are known.
    const value = { maxWaitMs: 1, minBytes: 1, topics: [], forgottenTopicsData: [] };
    const plain = encoded(fetch.request, 12, value);
    const many = Buffer.concat([plain.subarray(0, -1), tags.subarray(2)]);
    assert.throws(() => decoded(fetch.request, 12, many), /more than 500000 elements/);
    const text = Buffer.alloc(40_000);
    text.set([0x81, 0x80, 0x02], 0);
    assert.throws(() => decoded(apiVersions.request, 3, text), /a string of 32768 bytes: at most 32767/);
  });

  test('passes over tagged fields that it does not know', () => {
    // Version 3 of ApiVersions: two names, then the fields 7 (3 bytes) and 300 (none).
    const bytes = Buffer.from([2, 0x61, 2, 0x62, 2, 7, 3, 1, 2, 3, 0xac, 0x02, 0]);
    const expected = { clientSoftwareName: 'a', clientSoftwareVersion: 'b' };
    assert.deepEqual(decoded(apiVersions.request, 3, bytes), expected);
  });

  test('refuses a known tagged field that is not as long as it says', () => {
    const value = { maxWaitMs: 1, minBytes: 1, topics: [], forgottenTopicsData: [], clusterId: 'abc' };
    const bytes = encoded(fetch.request, 12, value);
    const size = bytes.length - 5;
    assert.deepEqual([...bytes.subarray(size)], [4, 4, 0x61, 0x62, 0x63]);
    for (const [claimed, text] of [
      [5, /needs 5 bytes, 4 are left/],
      [3, /not as long as it says \(3 bytes\)/],
    ] as const) {
      bytes[size] = claimed;
      assert.throws(() => decoded(fetch.request, 12, bytes), text);
    }
    bytes[size] = 5;
    const padded = Buffer.concat([bytes, Buffer.alloc(1)]);
    assert.throws(() => decoded(fetch.request, 12, padded), /not as long as it says \(5 bytes\)/);
  });

  test('refuses null where there must be something', () => {
    const bytes = Buffer.from([0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0]);
    assert.throws(() => decoded(produce.request, 2, bytes), /Produce request v2, name: is null/);
  });

  test('refuses a version that does not exist', () => {
    for (const version of [14, -1, 1.5]) {
      assert.throws(() => decoded(produce.request, version, Buffer.alloc(4)), KafkaWireError);
    }
  });

  test('copies no records', () => {
    const records = Buffer.alloc(5000, 7);
    const value = {
      acks: -1,
      timeoutMs: 1,
      topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
    };
    const bytes = encoded(produce.request, 9, value);
    const range = decoded(produce.request, 9, bytes).topicData[0].partitionData[0].records;
    assert.ok(range !== null);
    assert.equal(range.bytes, bytes);
    assert.deepEqual(bytes.subarray(range.start, range.end), records);
  });

  test('has the largest int64 come back as it was', () => {
    const query = { partitionIndex: 0, timestamp: INT64_MAX };
    const value = { replicaId: -1, topics: [{ name: 't', partitions: [query] }] };
    const bytes = encoded(listOffsets.request, 2, value);
    assert.equal(bytes.readBigInt64BE(bytes.length - 8), 2n ** 63n - 1n);
    assert.deepEqual(encoded(listOffsets.request, 2, decoded(listOffsets.request, 2, bytes)), bytes);
  });
});

describe('writing', () => {
  test('leaves tagged fields out that have their default', () => {
    const response = { errorCode: 0, apiKeys: [], throttleTimeMs: 0 };
    const bytes = encoded(apiVersions.response, 3, response);
    const same = { ...response, supportedFeatures: [], finalizedFeaturesEpoch: -1, zkMigrationReady: false };
    assert.deepEqual(encoded(apiVersions.response, 3, same), bytes);
    assert.equal(bytes.at(-1), 0);
  });

  test('takes records in pieces, and hands large ones on as they are', () => {
    const pieces = [Buffer.alloc(3000, 1), Buffer.alloc(10, 2), Buffer.alloc(4000, 3)];
    const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 5, abortedTransactions: null };
    const response = (records: Buffer | readonly Buffer[]) => ({
      errorCode: 0,
      throttleTimeMs: 0,
      responses: [{ topicId: ZERO_UUID, partitions: [{ ...partition, records }] }],
    });
    const writer = new ByteWriter();
    encodeMessage(writer, fetch.response, 13, response(pieces));
    assert.equal(writer.pendingBytes, encoded(fetch.response, 13, response(Buffer.concat(pieces))).length);
    const output = writer.take();
    assert.ok(output.includes(pieces[0]) && output.includes(pieces[2]));
    assert.deepEqual(Buffer.concat(output), encoded(fetch.response, 13, response(Buffer.concat(pieces))));
  });

  test('leaves nothing half-written behind when a message cannot be encoded', () => {
    const writer = new ByteWriter(64);
    encodeMessage(writer, apiVersions.request, 3, { clientSoftwareName: 'a', clientSoftwareVersion: 'b' });
    const before = writer.pendingBytes;
    const topic = (name: string | null) => ({ name, isInternal: false, errorCode: 0, partitions: [] });
    const many = Array.from({ length: 50 }, (_, index) => topic(`topic-${index}`));
    const response = { brokers: [], topics: [...many, topic(null)], controllerId: 1 };
    assert.throws(
      () => encodeMessage(writer, metadata.response, 9, response),
      /Metadata response v9, name: is null, which it may not be in this version/,
    );
    assert.equal(writer.pendingBytes, before);
    const bytes = Buffer.concat(writer.take());
    assert.equal(decoded(apiVersions.request, 3, bytes).clientSoftwareVersion, 'b');
  });

  test('refuses numbers that do not fit', () => {
    const topicData: [] = [];
    for (const value of [
      { acks: 32768, timeoutMs: 1, topicData },
      { acks: 1, timeoutMs: 2 ** 31, topicData },
      { acks: 1.5, timeoutMs: 1, topicData },
      { acks: 1, timeoutMs: Number.NaN, topicData },
    ]) {
      assert.throws(() => encoded(produce.request, 9, value), KafkaWireError);
    }
  });

  test('refuses strings that are too long for their length, and ids that are none', () => {
    const partitionData: [] = [];
    const named = (topic: object) => ({ acks: 1, timeoutMs: 1, topicData: [{ ...topic, partitionData }] });
    assert.throws(() => encoded(produce.request, 8, named({ name: 'x'.repeat(32768) })), /32768 bytes/);
    assert.equal(encoded(produce.request, 9, named({ name: 'x'.repeat(32768) })).length > 32768, true);
    for (const topicId of ['', 'abc', `${ZERO_UUID}A`, 'not base64url at all!!']) {
      assert.throws(() => encoded(produce.request, 13, named({ topicId })), /is not a uuid/);
    }
  });
});
