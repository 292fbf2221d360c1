import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WireError } from '../../../src/wire/amqp091/errors.ts';
import { decodeTable } from '../../../src/wire/amqp091/field-table.ts';
import { FrameReader, FrameWriter, writeHeaderFrame } from '../../../src/wire/amqp091/frames.ts';
import {
  CONTENT_HEADER_BYTES,
  checkProperties,
  decodeProperties,
  findProperty,
  PROPERTY_CLUSTER_ID,
  PROPERTY_CONTENT_TYPE,
  PROPERTY_EXPIRATION,
  PROPERTY_HEADERS,
  PROPERTY_MESSAGE_ID,
  PROPERTY_PRIORITY,
  PROPERTY_TIMESTAMP,
  PROPERTY_USER_ID,
  type Properties,
  peekDeliveryMode,
  readBodySize,
} from '../../../src/wire/amqp091/properties.ts';
import { anyDamage, damaged, decodesOrRefuses } from '../malformed.ts';
import { amqplib, BASIC_PROPERTIES, fromAmqplib, rounded, toAmqplibValue } from './amqplib-oracle.ts';
import { amqplibTakesKeys, anyProperties, comparable } from './arbitraries.ts';
import { encoded } from './encoded-properties.ts';

function decoded(bytes: Buffer): Properties {
  return decodeProperties(bytes, 0, bytes.length);
}

test('every set of properties comes back from the wire as it went (AMQP 4.2.6.1)', () => {
  fc.assert(
    fc.property(anyProperties, (properties) => {
      const bytes = encoded(properties);
      checkProperties(bytes, 0, bytes.length);
      assert.deepEqual(comparable(sorted(decoded(bytes))), comparable(sorted(properties)));
    }),
    { numRuns: 1000 },
  );
});

function sorted(properties: Properties): object {
  return Object.fromEntries(Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1)));
}

test('amqplib decodes the properties that we encode', () => {
  fc.assert(
    fc.property(anyProperties.filter(amqplibTakesKeys), (properties) => {
      const theirs = fromAmqplib(amqplib.decode(BASIC_PROPERTIES, encoded(properties))) as object;
      const present = Object.fromEntries(Object.entries(theirs).filter(([, value]) => value !== undefined));
      assert.deepEqual(comparable(sorted(present)), comparable(rounded(sorted(properties))));
    }),
    { numRuns: 500 },
  );
});

test('we decode the content headers that amqplib encodes', () => {
  fc.assert(
    fc.property(anyProperties.filter(amqplibTakesKeys), fc.maxSafeNat(), (properties, bodyBytes) => {
      const fields = { ...properties, headers: toAmqplibValue(properties.headers ?? {}) };
      const frame = amqplib.encodeProperties(BASIC_PROPERTIES, 3, bodyBytes, fields);
      const end = frame.length - 1;
      assert.equal(readBodySize(frame, 7, end), bodyBytes);
      const start = 7 + CONTENT_HEADER_BYTES;
      checkProperties(frame, start, end);
      const ours = decodeProperties(frame, start, end);
      assert.deepEqual(
        comparable(sorted(ours)),
        comparable(sorted({ ...properties, headers: properties.headers ?? {} })),
      );
    }),
    { numRuns: 500 },
  );
});

test('a property is found where it lies, or not at all, without decoding the others', () => {
  fc.assert(
    fc.property(anyProperties, fc.nat(9), (properties, shift) => {
      const bytes = Buffer.concat([Buffer.alloc(shift, 0xaa), encoded(properties), Buffer.alloc(3, 0xaa)]);
      const end = bytes.length - 3;
      const at = (flag: number): number => findProperty(bytes, shift, end, flag);
      const shortAt = (flag: number): string | undefined => {
        const offset = at(flag);
        return offset < 0 ? undefined : bytes.toString('utf8', offset + 1, offset + 1 + bytes[offset]);
      };
      assert.equal(shortAt(PROPERTY_CONTENT_TYPE), properties.contentType);
      assert.equal(shortAt(PROPERTY_EXPIRATION), properties.expiration);
      assert.equal(shortAt(PROPERTY_MESSAGE_ID), properties.messageId);
      assert.equal(shortAt(PROPERTY_USER_ID), properties.userId);
      assert.equal(shortAt(PROPERTY_CLUSTER_ID), properties.clusterId);
      assert.equal(at(PROPERTY_PRIORITY) < 0 ? undefined : bytes[at(PROPERTY_PRIORITY)], properties.priority);
      assert.equal(
        at(PROPERTY_TIMESTAMP) < 0 ? undefined : Number(bytes.readBigUInt64BE(at(PROPERTY_TIMESTAMP))),
        properties.timestamp,
      );
      assert.deepEqual(
        at(PROPERTY_HEADERS) < 0 ? undefined : comparable(decodeTable(bytes, at(PROPERTY_HEADERS), end)),
        comparable(properties.headers),
      );
      assert.equal(peekDeliveryMode(bytes, shift, end), properties.deliveryMode ?? 0);
    }),
    { numRuns: 1000 },
  );
});

test('properties cut anywhere, or with something behind them, are refused', () => {
  fc.assert(
    fc.property(anyProperties, (properties) => {
      const bytes = encoded(properties);
      for (let end = 0; end < bytes.length; end++) {
        assert.throws(() => decodeProperties(bytes, 0, end), WireError);
        assert.throws(() => checkProperties(bytes, 0, end), WireError);
      }
      const longer = Buffer.concat([bytes, Buffer.alloc(1)]);
      assert.throws(() => decoded(longer), WireError);
      assert.throws(() => checkProperties(longer, 0, longer.length), WireError);
    }),
    { numRuns: 80 },
  );
});

test('flags of properties that do not exist are refused', () => {
  for (const flags of [1, 2]) {
    assert.throws(() => decoded(Buffer.from([0, flags])), WireError);
    assert.throws(() => checkProperties(Buffer.from([0, flags]), 0, 2), WireError);
  }
});

test('damaged properties are decoded or refused, and what passed the check is found within its bounds', () => {
  fc.assert(
    fc.property(anyProperties, anyDamage, (properties, damage) => {
      const bytes = damaged(encoded(properties), damage);
      decodesOrRefuses(WireError, () => decoded(bytes));
      decodesOrRefuses(WireError, () => peekDeliveryMode(bytes, 0, bytes.length));
      for (let flag = PROPERTY_CONTENT_TYPE; flag >= PROPERTY_CLUSTER_ID; flag >>>= 1) {
        decodesOrRefuses(WireError, () =>
          assert.ok(findProperty(bytes, 0, bytes.length, flag) < bytes.length),
        );
      }
      decodesOrRefuses(WireError, () => checkProperties(bytes, 0, bytes.length));
    }),
    { numRuns: 1000 },
  );
});

test('a content header keeps the bytes of the properties as they came', () => {
  fc.assert(
    fc.property(anyProperties, fc.maxSafeNat(), (properties, bodyBytes) => {
      const bytes = encoded(properties);
      const writer = new FrameWriter();
      writeHeaderFrame(writer, 9, bodyBytes, bytes);
      let seen: Buffer | undefined;
      new FrameReader(0).push(writer.take(), (type, channel, buffer, start, end) => {
        assert.deepEqual([type, channel, readBodySize(buffer, start, end)], [2, 9, bodyBytes]);
        seen = buffer.subarray(start + CONTENT_HEADER_BYTES, end);
      });
      assert.deepEqual(seen, bytes);
    }),
  );
});

test('a content header that is short, of another class or with an impossible size is refused (AMQP 4.2.6.1)', () => {
  const header = Buffer.alloc(14);
  header[1] = 60;
  assert.equal(readBodySize(header, 0, 14), 0);
  assert.throws(() => readBodySize(header, 0, 13), /13 bytes/);
  header.fill(0xff, 4, 12);
  assert.throws(() => readBodySize(header, 0, 14), /beyond 2\^53/);
  header[1] = 50;
  assert.throws(() => readBodySize(header, 0, 14), /for class 60, got one for class 50/);
});

test('a property of the wrong type is refused when encoding', () => {
  assert.throws(() => encoded({ priority: 256 }), WireError);
  assert.throws(() => encoded({ timestamp: -1 }), WireError);
  assert.throws(() => encoded({ type: 'x'.repeat(256) }), WireError);
});
