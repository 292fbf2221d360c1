import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Histogram } from '../../../../src/base/histogram.ts';
import { Consumer } from '../../../../src/cli/bench/amqp/consumer.ts';
import { Inbound } from '../../../../src/cli/bench/amqp/inbound.ts';
import { messageFrames } from '../../../../src/cli/bench/amqp/message-frames.ts';
import { PublishBuffer } from '../../../../src/cli/bench/amqp/publish-buffer.ts';
import { QueueSequences } from '../../../../src/cli/bench/amqp/sequence.ts';
import { FRAME_BODY, FRAME_HEADER, FRAME_METHOD } from '../../../../src/wire/amqp091/constants.ts';
import type { Method } from '../../../../src/wire/amqp091/definitions.ts';
import {
  FrameReader,
  FrameWriter,
  writeBodyFrames,
  writeHeaderFrame,
} from '../../../../src/wire/amqp091/frames.ts';
import { decodeMethod, encodeMethod } from '../../../../src/wire/amqp091/methods.ts';
import { CONTENT_HEADER_BYTES, decodeProperties } from '../../../../src/wire/amqp091/properties.ts';

function readMethods(bytes: Uint8Array): Method[] {
  const methods: Method[] = [];
  new FrameReader(131072).push(Buffer.from(bytes), (type, _channel, buffer, start, end) => {
    if (type === FRAME_METHOD) methods.push(decodeMethod(buffer, start, end));
  });
  return methods;
}

describe('Inbound', () => {
  it('gives the same counts and acknowledgements however the bytes are split', () => {
    const stream = deliveries(25, 40);
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 12 }), (cuts) => {
        const consumer = new Consumer(
          { channel: 3, autoAck: false, ackEvery: 10, stamped: true, mayAck: undefined },
          new QueueSequences('q', 0),
          new Histogram(),
        );
        const inbound = new Inbound(131072, () => assert.fail('there are only deliveries'));
        inbound.consumers[3] = consumer;
        let at = 0;
        for (const limit of [...cuts.toSorted((a, b) => a - b), stream.length]) {
          at = inbound.parse(stream, new DataView(stream.buffer, stream.byteOffset), at, limit, 1_000_000);
        }
        assert.equal(at, stream.length);
        assert.deepEqual([consumer.received, consumer.receivedBytes, consumer.outOfOrder], [25, 1000, 0]);
        const acks = readMethods(consumer.takeLastAcks() ?? assert.fail('no acks'));
        const acked = acks.map((m) => (m.name === 'basic.ack' ? [m.deliveryTag, m.multiple] : m.name));
        assert.deepEqual(acked, [
          [110, true],
          [120, true],
          [125, true],
        ]);
      }),
    );
  });

  it('refuses a frame that is larger than agreed or does not end in 0xCE', () => {
    const inbound = new Inbound(4096, () => undefined);
    const parse = (bytes: Uint8Array) => inbound.parse(bytes, new DataView(bytes.buffer), 0, bytes.length, 0);
    assert.throws(() => parse(Uint8Array.of(3, 0, 1, 0, 0, 0x20, 0, 0, 0)), /8192 bytes/);
    assert.throws(() => parse(Uint8Array.of(3, 0, 1, 0, 0, 0, 0, 0xcd)), /not 0xCE/);
  });
});

const plain = { expirationMs: 0, hasPriority: false };

describe('PublishBuffer', () => {
  it('holds whole messages whose bodies carry time, publisher and a running number', () => {
    const message = { exchange: '', routingKey: 'q', sizeBytes: 20, persistent: true, ...plain };
    const buffer = new PublishBuffer(messageFrames(1, message, 131072), 1000, 517);
    buffer.stamp(0, 3, 2 ** 32 - 1, 2 ** 40 + 7);
    const bodies: Buffer[] = [];
    new FrameReader(131072).push(Buffer.from(buffer.slice(3)), (type, _channel, bytes, start, end) => {
      if (type === FRAME_BODY) bodies.push(Buffer.from(bytes.subarray(start, end)));
    });
    assert.deepEqual(
      bodies.map((b) => [b.length, b.readBigUInt64BE(0), b.readUInt16BE(8), b.readUIntBE(10, 6)]),
      [0, 1, 2].map((i) => [20, 2n ** 40n + 7n, 517, 2 ** 32 - 1 + i]),
    );
  });

  it('gives its messages one priority after the other', () => {
    const message = { exchange: '', routingKey: 'q', sizeBytes: 20, persistent: true, expirationMs: 500 };
    const buffer = new PublishBuffer(messageFrames(1, { ...message, hasPriority: true }, 131072), 1000, 1, 3);
    const seen: unknown[] = [];
    new FrameReader(131072).push(Buffer.from(buffer.slice(4)), (type, _channel, bytes, start, end) => {
      if (type === FRAME_HEADER) seen.push(decodeProperties(bytes, start + CONTENT_HEADER_BYTES, end));
    });
    assert.deepEqual(
      seen,
      [0, 1, 2, 0].map((priority) => ({ deliveryMode: 2, priority, expiration: '500' })),
    );
  });

  it('sends a body in as many frames as frame-max demands', () => {
    const message = { exchange: 'x', routingKey: '', sizeBytes: 10_000, persistent: false, ...plain };
    const { bytes } = messageFrames(1, message, 4096);
    const sizes: number[] = [];
    new FrameReader(4096).push(Buffer.from(bytes), (type, _channel, _buffer, start, end) => {
      if (type === FRAME_BODY) sizes.push(end - start);
    });
    assert.deepEqual(sizes, [4088, 4088, 1824]);
  });
});

/** Deliveries on channel 3, with tags from 101 on, of messages 0, 1, 2 … of publisher 0. */
function deliveries(count: number, size: number): Buffer {
  const writer = new FrameWriter();
  for (let i = 0; i < count; i++) {
    encodeMethod(writer, 3, {
      name: 'basic.deliver',
      consumerTag: 'c3',
      deliveryTag: 101 + i,
      redelivered: false,
      exchange: '',
      routingKey: 'some.key',
    });
    writeHeaderFrame(writer, 3, size, Buffer.from([0x10, 0, 2]));
    const body = Buffer.alloc(size);
    body.writeUIntBE(i, 10, 6);
    writeBodyFrames(writer, 3, 131072, body);
  }
  return writer.take();
}
