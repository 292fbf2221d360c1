import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Table, Value } from '../../../src/base/value.ts';
import { RecordMessage } from '../../../src/broker/messages/message-from-record.ts';
import { PropertyCodecs } from '../../../src/broker/messages/property-codec.ts';
import { recordBytesMax, recordKey, writeRecord } from '../../../src/broker/messages/record-from-message.ts';
import { MessageView } from '../../../src/records/message-view.ts';
import { RecordCursor } from '../../../src/records/record-cursor.ts';
import { amqp091Codec as codec } from '../../../src/servers/amqp091/property-codec.ts';
import { decodeProperties, type Properties } from '../../../src/wire/amqp091/properties.ts';
import { headersOfRecord } from '../../records/record-headers.ts';
import { anyProperties } from '../../wire/amqp091/arbitraries.ts';
import { encoded } from '../../wire/amqp091/encoded-properties.ts';
import { batchOf, type TestRecord } from '../streams/bindings/records.ts';

interface Message {
  readonly exchange: string;
  readonly key: string;
  readonly body: Buffer;
  readonly properties: Buffer;
}

function partsOf({ exchange, key, body, properties }: Message): MessageView {
  const messageView = new MessageView();
  messageView.protocol = codec.source;
  // As they come: in the middle of other bytes.
  messageView.exchange = Buffer.from(`..${exchange}..`);
  messageView.exchangeStart = 2;
  messageView.exchangeEnd = messageView.exchange.length - 2;
  messageView.key = Buffer.from(`.${key}.`);
  messageView.keyStart = 1;
  messageView.keyEnd = messageView.key.length - 1;
  messageView.body = body;
  messageView.bodyEnd = body.length;
  messageView.properties = properties;
  messageView.propertiesEnd = properties.length;
  return messageView;
}

/** The record that a message becomes: alone in its batch. */
function recordOf(message: Message): Buffer {
  const messageView = partsOf(message);
  const headers = codec.headers(message.properties, 0, message.properties.length);
  const content = writeRecord(messageView, recordKey(messageView, headers), codec, headers);
  const bytesMax = recordBytesMax(messageView.contentBytes(), message.properties.length);
  assert.ok(content.length + 200 <= bytesMax, 'no more than was said beforehand');
  return batchWith(content);
}

function batchWith(content: Buffer): Buffer {
  const batch = batchOf([{ key: null, value: null }]);
  const head = Buffer.from(batch.subarray(0, 61));
  const length = content.length + 3;
  const size: number[] = [];
  for (let zigzag = length * 2; ; zigzag >>>= 7) {
    size.push(zigzag > 0x7f ? (zigzag & 0x7f) | 0x80 : zigzag);
    if (zigzag <= 0x7f) break;
  }
  const record = Buffer.concat([Buffer.from(size), Buffer.from([0, 0, 0]), content]);
  head.writeInt32BE(61 - 12 + record.length, 8);
  return Buffer.concat([head, record]);
}

/** As those see it who read records: the names, and what their values are as text. */
function seenByReaders(batch: Buffer): {
  key: string | null;
  value: string | null;
  headers: [string, string | null][];
} {
  const cursor = new RecordCursor(batch.length * 100).open(batch, 0);
  assert.ok(cursor.next());
  cursor.readContent();
  const text = (start: number, length: number): string | null =>
    length < 0 ? null : cursor.bytes.toString('utf8', start, start + length);
  const found = {
    key: text(cursor.keyStart, cursor.keyLength),
    value: text(cursor.valueStart, cursor.valueLength),
    headers: headersOfRecord(cursor),
  };
  assert.ok(!cursor.next());
  return found;
}

function messageOf(batch: Buffer): RecordMessage {
  const cursor = new RecordCursor().open(batch, 0);
  assert.ok(cursor.next());
  const message = new RecordMessage(new PropertyCodecs([codec]));
  assert.ok(message.read(cursor, 'stream', 2));
  return message;
}

function slice(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('latin1', start, end);
}

function fromRecord(record: TestRecord): { message: RecordMessage; properties: Properties; key: string } {
  const message = messageOf(batchOf([record]));
  const properties = decodeProperties(message.properties, message.propertiesStart, message.propertiesEnd);
  return { message, properties, key: message.key.toString('utf8', message.keyStart, message.keyEnd) };
}

function headersOf(properties: Properties): Record<string, Value> {
  return { ...(properties.headers as Table) };
}

describe('a message that is published to a stream', () => {
  const text = fc.string({ maxLength: 20 });

  test('is what it was when it is read as a message, byte for byte', () => {
    fc.assert(
      fc.property(text, text, fc.uint8Array(), anyProperties, (exchange, key, body, properties) => {
        const bytes = encoded(properties);
        const given = { exchange, key, body: Buffer.from(body), properties: bytes };
        const message = messageOf(recordOf(given));
        assert.ok(message.isOwn);
        assert.equal(
          slice(message.properties, message.propertiesStart, message.propertiesEnd),
          bytes.toString('latin1'),
        );
        assert.equal(message.exchange.toString('utf8', message.exchangeStart, message.exchangeEnd), exchange);
        const expectedKey = exchange === '' ? 'stream' : key;
        assert.equal(message.key.toString('utf8', message.keyStart, message.keyEnd), expectedKey);
        assert.equal(
          slice(message.body, message.bodyStart, message.bodyEnd),
          Buffer.from(body).toString('latin1'),
        );
      }),
    );
  });

  test('has its properties and headers as headers that others can read', () => {
    const date = new Date(1_700_000_000_000);
    const headers: Table = {
      text: 'grüße',
      number: -7,
      big: 2n ** 62n,
      fraction: 1.5,
      yes: true,
      nothing: null,
      bytes: Uint8Array.from([0xff, 0]),
      date,
      list: [1, 'a', null, true, [2]],
      table: { a: 1, b: { c: 'd' }, e: Uint8Array.from([1, 2]), f: date, g: 2n ** 62n },
    };
    const properties = encoded({
      contentType: 'text/plain',
      messageId: 'm1',
      correlationId: 'c1',
      timestamp: 1_700_000_000,
      deliveryMode: 2,
      headers,
    });
    const body = Buffer.from('body');
    const seen = seenByReaders(recordOf({ exchange: 'x', key: 'k', body, properties }));
    assert.equal(seen.key, 'k');
    assert.equal(seen.value, 'body');
    assert.equal(seen.headers[0]?.[0], 'sluice.envelope');
    assert.deepEqual(seen.headers.slice(1), [
      ['content-type', 'text/plain'],
      ['correlation-id', 'c1'],
      ['message-id', 'm1'],
      ['timestamp', '1700000000'],
      ['text', 'grüße'],
      ['number', '-7'],
      ['big', '4611686018427387904'],
      ['fraction', '1.5'],
      ['yes', 'true'],
      ['nothing', null],
      ['bytes', Buffer.from([0xff, 0]).toString('utf8')],
      ['date', '2023-11-14T22:13:20.000Z'],
      ['list', '[1,"a",null,true,[2]]'],
      ['table', '{"a":1,"b":{"c":"d"},"e":"AQI=","f":"2023-11-14T22:13:20.000Z","g":"4611686018427387904"}'],
    ]);
  });

  test('has no key without a routing key, or by the default exchange, and none but a tombstone has no value', () => {
    const body = Buffer.alloc(0);
    const bare = encoded({});
    assert.equal(seenByReaders(recordOf({ exchange: 'x', key: '', body, properties: bare })).key, null);
    assert.equal(seenByReaders(recordOf({ exchange: '', key: 'stream', body, properties: bare })).key, null);
    assert.equal(seenByReaders(recordOf({ exchange: 'x', key: 'k', body, properties: bare })).value, '');
    const tombstone = encoded({ headers: { 'x-record-tombstone': true } });
    const seen = seenByReaders(recordOf({ exchange: 'x', key: 'k', body, properties: tombstone }));
    assert.equal(seen.value, null);
    assert.equal(seen.key, 'k');
  });
});

describe('a record that others wrote', () => {
  test('has its key as routing key, its headers, and its time to the millisecond', () => {
    const { message, properties, key } = fromRecord({
      key: 'order.1',
      value: 'v',
      timestampMs: 1_700_000_000_123,
      headers: [
        ['trace', 'abc'],
        ['content-type', 'application/json'],
        ['correlation-id', 'c'],
      ],
    });
    assert.ok(!message.isOwn);
    assert.equal(key, 'order.1');
    assert.equal(message.exchange.toString('utf8', message.exchangeStart, message.exchangeEnd), 'stream');
    assert.equal(properties.contentType, 'application/json');
    assert.equal(properties.correlationId, 'c');
    assert.equal(properties.deliveryMode, 2);
    assert.equal(properties.timestamp, 1_700_000_000);
    assert.deepEqual(headersOf(properties), {
      trace: 'abc',
      'x-stream-offset': 0,
      'x-stream-partition': 2,
      'x-record-timestamp': 1_700_000_000_123,
    });
  });

  test('keeps headers that are bytes, absent, there several times, or have long names', () => {
    const longName = 'n'.repeat(300);
    const { properties } = fromRecord({
      key: null,
      value: 'v',
      headers: [
        ['bytes', Buffer.from([0xff, 1])],
        ['none', null],
        ['many', 'a'],
        ['many', Buffer.from([0xfe])],
        ['many', null],
        [longName, 'x'],
        ['content-type', Buffer.from([0xff])],
        ['__proto__', 'p'],
        ['user-id', 'somebody'],
        ['', 'empty'],
      ],
    });
    const headers = headersOf(properties);
    assert.deepEqual(Buffer.from(headers.bytes as Uint8Array), Buffer.from([0xff, 1]));
    assert.equal(headers.none, null);
    const [first, second, third] = headers.many as readonly Value[];
    assert.deepEqual([first, Buffer.from(second as Uint8Array), third], ['a', Buffer.from([0xfe]), null]);
    assert.deepEqual(headers['x-record-headers'], [[longName, 'x']]);
    assert.equal(properties.contentType, undefined);
    assert.deepEqual(Buffer.from(headers['content-type'] as Uint8Array), Buffer.from([0xff]));
    assert.equal(Object.getOwnPropertyDescriptor(properties.headers, '__proto__')?.value, 'p');
    assert.equal(properties.userId, undefined, 'nobody but the broker says who published a message');
    assert.equal(headers['user-id'], 'somebody');
    assert.equal(headers[''], 'empty');
  });

  test('keeps a key that is no routing key, and says that there is no value', () => {
    const binary = Buffer.from([0, 0, 0, 0xff]);
    const first = fromRecord({ key: binary, value: null });
    assert.equal(first.key, '000000ff');
    assert.deepEqual(Buffer.from(headersOf(first.properties)['x-record-key'] as Uint8Array), binary);
    assert.equal(headersOf(first.properties)['x-record-tombstone'], true);
    assert.equal(first.message.bodyStart, first.message.bodyEnd);
    const long = fromRecord({ key: 'ä'.repeat(200), value: 'v' });
    assert.equal(long.key, 'ä'.repeat(127));
    assert.equal((headersOf(long.properties)['x-record-key'] as Uint8Array).length, 400);
    const empty = fromRecord({ key: '', value: 'v' });
    assert.equal(empty.key, '');
    assert.equal((headersOf(empty.properties)['x-record-key'] as Uint8Array).length, 0);
    const none = fromRecord({ key: null, value: 'v' });
    assert.equal(headersOf(none.properties)['x-record-key'], undefined);
  });

  test('is the same record again when it is published as the message that it became', () => {
    const bytes = fc.uint8Array({ maxLength: 30 }).map((array) => Buffer.from(array));
    const name = fc
      .string({ maxLength: 10 })
      .filter((each) => !each.startsWith('x-') && each !== 'sluice.envelope');
    const header = fc.tuple(name, fc.oneof(fc.string(), fc.constant(null)));
    fc.assert(
      fc.property(
        fc.oneof(fc.constant(null), bytes, fc.string()),
        fc.oneof(fc.constant(null), bytes),
        fc.uniqueArray(header, { maxLength: 5, selector: ([each]) => each }),
        (key, value, headers) => {
          const record: TestRecord = { key, value, headers };
          const { message, properties } = fromRecord(record);
          const again = recordOf({
            exchange: 'other',
            key: message.key.toString('utf8', message.keyStart, message.keyEnd),
            body: Buffer.from(message.body.subarray(message.bodyStart, message.bodyEnd)),
            properties: encoded(properties),
          });
          const seen = seenByReaders(again);
          const expectedKey = key === null ? null : Buffer.from(key as string).toString('utf8');
          assert.equal(seen.key, expectedKey);
          assert.equal(seen.value, value === null ? null : value.toString('utf8'));
          const own = seen.headers
            .filter(([each]) => each !== 'timestamp' && !each.startsWith('x-'))
            .slice(1);
          assert.deepEqual(Object.fromEntries(own), Object.fromEntries(headers));
        },
      ),
    );
  });

  test('is a message even if its headers are too large for one, or what claims to be an envelope is none', () => {
    const large = fromRecord({ key: 'k', value: 'v', headers: [['h', 'x'.repeat(200_000)]] });
    assert.equal(headersOf(large.properties)['x-record-headers-omitted'], 1);
    const forged = [1, 1, 0, 0xff, 0xfc, 9].map((byte) => String.fromCharCode(byte)).join('');
    const { message, properties } = fromRecord({
      key: 'k',
      value: 'v',
      headers: [
        ['sluice.envelope', Buffer.from(forged, 'latin1')],
        ['h', 'v'],
      ],
    });
    assert.ok(!message.isOwn);
    assert.equal(headersOf(properties).h, 'v');
  });

  test('that cannot be read is refused, whatever bytes it is made of', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const message = new RecordMessage(new PropertyCodecs([codec]));
        const padded = Buffer.concat([Buffer.from(bytes), Buffer.alloc(20, 0xff)]);
        const place = {
          bytes: padded,
          contentStart: 0,
          contentEnd: bytes.length,
          offset: 0,
          timestampMs: 0,
          hasForeignEnvelope: false,
        };
        if (!message.read(place, 'stream', 0)) return;
        assert.ok(message.bodyStart <= message.bodyEnd && message.bodyEnd <= bytes.length);
        assert.ok(message.keyEnd - message.keyStart <= 255);
        message.headers();
      }),
      { numRuns: 2000 },
    );
  });
});
