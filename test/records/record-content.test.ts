import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { MessageView } from '../../src/records/message-view.ts';
import {
  ContentView,
  contentLength,
  SOURCE_AMQP091,
  writeContent,
} from '../../src/records/record-content.ts';

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((each) => Buffer.from(each));

test('a content written is read back part by part, in any place', () => {
  const view = new ContentView();
  fc.assert(
    fc.property(
      fc.option(bytes(300)),
      bytes(20_000),
      bytes(255),
      bytes(500),
      fc.nat(50),
      (key, body, exchange, properties, at) => {
        const length = contentLength(key?.length ?? -1, body.length, exchange.length, properties.length);
        const target = Buffer.alloc(at + length + 7, 0xee);
        const fields = Object.assign(new MessageView(), {
          key: key ?? Buffer.alloc(0),
          keyStart: key === null ? -1 : 0,
          keyEnd: key?.length ?? -1,
          body,
          bodyEnd: body.length,
          exchange,
          exchangeEnd: exchange.length,
          protocol: SOURCE_AMQP091,
          properties,
          propertiesEnd: properties.length,
        });
        const end = writeContent(target, at, fields);
        assert.equal(end, at + length);
        assert.equal(target[end], 0xee);
        assert.ok(view.parse(target, at, length));
        if (key === null) assert.equal(view.keyStart, -1);
        else assert.deepEqual(target.subarray(view.keyStart, view.keyEnd), key);
        assert.deepEqual(target.subarray(view.bodyStart, view.bodyEnd), body);
        assert.equal(view.sourceProtocol, SOURCE_AMQP091);
        assert.deepEqual(target.subarray(view.exchangeStart, view.exchangeEnd), exchange);
        assert.deepEqual(target.subarray(view.propertiesStart, view.propertiesEnd), properties);
        assert.equal(view.envelopeEnd, end);
        assert.equal(view.envelopeEnd - view.envelopeStart, 3 + exchange.length + properties.length);
      },
    ),
  );
});

test("a Kafka producer's record has no envelope, and may have no key, no value and headers of its own", () => {
  const view = new ContentView();
  // key null, value null, no headers
  assert.ok(view.parse(Buffer.from('010100', 'hex'), 0, 3));
  assert.equal(view.keyStart, -1);
  assert.ok(view.bodyIsNull);
  assert.equal(view.envelopeStart, -1);
  assert.equal(view.headerCount, 0);
  // key "k", value "vv", one header "h" = "x"
  const content = Buffer.from('026b0476760202680278', 'hex');
  assert.ok(view.parse(content, 0, content.length));
  assert.equal(content.toString('latin1', view.keyStart, view.keyEnd), 'k');
  assert.equal(content.toString('latin1', view.bodyStart, view.bodyEnd), 'vv');
  assert.ok(!view.bodyIsNull);
  assert.equal(view.headerCount, 1);
  assert.equal(view.envelopeStart, -1);
  assert.equal(view.propertiesStart, -1);
});

test('bytes that are no content are refused, and never make the parser run away', () => {
  const view = new ContentView();
  fc.assert(
    fc.property(bytes(60), (noise) => {
      if (!view.parse(noise, 0, noise.length)) return;
      for (const position of [view.keyEnd, view.bodyEnd, view.envelopeEnd, view.propertiesEnd]) {
        assert.ok(position <= noise.length);
      }
    }),
  );
  const key = Buffer.from('key');
  const length = contentLength(3, 3, 3, 3);
  const content = Buffer.alloc(length);
  const ends = { keyEnd: 3, bodyEnd: 3, exchangeEnd: 3, propertiesEnd: 3 };
  const all = { key, body: key, exchange: key, properties: key, protocol: 1, ...ends };
  writeContent(content, 0, Object.assign(new MessageView(), all));
  for (let cut = 0; cut < length; cut++) assert.equal(view.parse(content, 0, cut), false, `cut at ${cut}`);
});
