import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FRAME_BODY, PROTOCOL_HEADER } from '../../../src/wire/amqp091/constants.ts';
import { WireError } from '../../../src/wire/amqp091/errors.ts';
import {
  FrameReader,
  FrameWriter,
  readProtocolHeader,
  writeBodyFrames,
  writeHeartbeat,
} from '../../../src/wire/amqp091/frames.ts';
import { decodesOrRefuses } from '../malformed.ts';

interface Frame {
  readonly type: number;
  readonly channel: number;
  readonly payload: Uint8Array;
}

const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    type: fc.constantFrom(1, 2, 3),
    channel: fc.nat(0xffff),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  fc.constant({ type: 8, channel: 0, payload: new Uint8Array(0) }),
);

function written(frames: readonly Frame[]): Buffer {
  const writer = new FrameWriter();
  for (const frame of frames) {
    const started = writer.startFrame(frame.type, frame.channel);
    writer.bytes(frame.payload, 0, frame.payload.length);
    writer.endFrame(started);
  }
  return writer.take();
}

/** Pushes each chunk in a buffer of its own that is spoiled afterwards: a frame still in need of it would show. */
function read(chunks: readonly Uint8Array[], reader = new FrameReader(4096)): Frame[] {
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    const bytes = Buffer.from(chunk);
    reader.push(bytes, (type, channel, buffer, start, end) => {
      frames.push({ type, channel, payload: new Uint8Array(buffer.subarray(start, end)) });
    });
    bytes.fill(0xee);
  }
  return frames;
}

function plain(frames: readonly Frame[]): Frame[] {
  return frames.map((frame) => ({ ...frame, payload: new Uint8Array(frame.payload) }));
}

test('any split of the bytes gives the same frames (AMQP 4.2.3)', () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 12 }),
      fc.array(fc.nat(400), { maxLength: 30 }),
      (frames, sizes) => {
        const bytes = written(frames);
        const chunks: Buffer[] = [];
        let at = 0;
        for (const size of sizes) {
          chunks.push(bytes.subarray(at, at + size));
          at = Math.min(bytes.length, at + size);
        }
        chunks.push(bytes.subarray(at));
        const reader = new FrameReader(4096);
        assert.deepEqual(read(chunks, reader), plain(frames));
        assert.ok(reader.isEmpty);
      },
    ),
    { numRuns: 500 },
  );
});

test('frames cut in two at every byte, and frames that come byte by byte, are the same frames', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { minLength: 1, maxLength: 4 }), (frames) => {
      const bytes = written(frames);
      for (let cut = 0; cut <= bytes.length; cut++) {
        assert.deepEqual(read([bytes.subarray(0, cut), bytes.subarray(cut)]), plain(frames));
      }
      assert.deepEqual(read(Array.from(bytes, (byte) => Uint8Array.of(byte))), plain(frames));
    }),
    { numRuns: 20 },
  );
});

test('a frame within one chunk is reported where it lies, one that straddles chunks is put together', () => {
  const bytes = written([{ type: 3, channel: 1, payload: Buffer.from('abc') }]);
  new FrameReader().push(bytes, (_type, _channel, buffer, start) => {
    assert.equal(buffer, bytes);
    assert.equal(start, 7);
  });
});

test('a frame above frame-max is refused by its prefix alone, whether or not the prefix is whole in one chunk (AMQP 4.2.3)', () => {
  const prefix = Buffer.from([3, 0, 1, 0, 0, 0x10, 0x01]);
  assert.throws(() => read([prefix]), /a frame of 4097 bytes is larger than the frame-max of 4096/);
  assert.throws(() => read([prefix.subarray(0, 3), prefix.subarray(3)]), /larger than the frame-max/);
  const huge = Buffer.from([1, 0, 0, 0xff, 0xff, 0xff, 0xff]);
  assert.throws(() => read([huge]), /a frame of 4294967295 bytes/);
});

test('frame-max may change from within a frame, and holds for the next in the same chunk', () => {
  const big = { type: 3, channel: 1, payload: new Uint8Array(5000) };
  const bytes = written([{ type: 1, channel: 0, payload: new Uint8Array(4) }, big]);
  const reader = new FrameReader(4096);
  let count = 0;
  reader.push(bytes, () => {
    reader.frameMax = 8192;
    count++;
  });
  assert.equal(count, 2);
});

test('an unknown type, a wrong frame-end and a heartbeat with a payload are frame errors, one on a channel is unexpected (AMQP 4.2.3, 4.2.7)', () => {
  const cases: [number[], string, RegExp][] = [
    [[4, 0, 0, 0, 0, 0, 0, 0xce], 'frame-error', /4 is not a type of frame/],
    [[0, 0, 0, 0, 0, 0, 0, 0xce], 'frame-error', /0 is not a type of frame/],
    [[3, 0, 1, 0, 0, 0, 1, 0x61, 0xcd], 'frame-error', /ends with 0xcd instead of 0xce/],
    [[8, 0, 0, 0, 0, 0, 1, 0, 0xce], 'frame-error', /heartbeat frame with a payload/],
    [[8, 0, 1, 0, 0, 0, 0, 0xce], 'unexpected-frame', /heartbeat frame on a channel/],
  ];
  for (const [bytes, kind, message] of cases) {
    const refused = (error: unknown): boolean =>
      error instanceof WireError && error.kind === kind && message.test(error.message);
    assert.throws(() => read([Uint8Array.from(bytes)]), refused);
    assert.throws(() => read(bytes.map((byte) => Uint8Array.of(byte))), refused);
  }
});

test('random bytes are frames or refused, never anything else', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 10 }), (chunks) => {
      decodesOrRefuses(WireError, () => read(chunks));
    }),
    { numRuns: 1000 },
  );
});

test('a protocol header is recognised as soon as it differs, and not before it is whole (AMQP 4.2.2)', () => {
  for (let length = 0; length < 8; length++) {
    assert.equal(readProtocolHeader(PROTOCOL_HEADER, 0, length), 'incomplete');
  }
  assert.equal(readProtocolHeader(PROTOCOL_HEADER, 0, 8), 'amqp091');
  assert.equal(readProtocolHeader(Buffer.concat([PROTOCOL_HEADER, Buffer.from([1, 0])]), 0, 10), 'amqp091');
  assert.equal(readProtocolHeader(Buffer.from('AMQP\x00\x01\x00\x00'), 0, 8), 'other');
  assert.equal(readProtocolHeader(Buffer.from('GET'), 0, 3), 'other');
});

test('the header of AMQP 0-9, which older clients still send, is taken for 0-9-1', () => {
  const header = Buffer.from('AMQP\x01\x01\x00\x09', 'latin1');
  assert.equal(readProtocolHeader(header, 0, 5), 'incomplete');
  assert.equal(readProtocolHeader(header, 0, 8), 'amqp091');
  assert.equal(readProtocolHeader(Buffer.from('AMQP\x01\x01\x00\x08', 'latin1'), 0, 8), 'other');
});

test('a heartbeat is the eight bytes that the specification draws (AMQP 4.2.7)', () => {
  const writer = new FrameWriter();
  writeHeartbeat(writer);
  assert.deepEqual([...writer.take()], [8, 0, 0, 0, 0, 0, 0, 0xce]);
});

test('a body is split so that whole frames, not payloads, keep to frame-max (AMQP 4.2.6.2)', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.integer({ min: 9, max: 120 }), (size, frameMax) => {
      const body = Buffer.from(Array.from({ length: size }, (_, i) => i & 0xff));
      const writer = new FrameWriter(256);
      writeBodyFrames(writer, 5, frameMax, body);
      const frames = read([writer.take()]);
      assert.equal(frames.length, Math.ceil(size / (frameMax - 8)));
      assert.ok(frames.every(({ type, channel }) => type === FRAME_BODY && channel === 5));
      assert.ok(frames.every(({ payload }) => payload.length + 8 <= frameMax));
      assert.deepEqual(Buffer.concat(frames.map((frame) => frame.payload)), body);
    }),
  );
  const unlimited = new FrameWriter();
  writeBodyFrames(unlimited, 1, 0, Buffer.alloc(1000));
  assert.equal(unlimited.take().length, 1008);
});

test('what was taken from a writer stays as it was, however much is written later', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyFrame, fc.boolean()), { maxLength: 40 }), (steps) => {
      const writer = new FrameWriter(512);
      const taken: Buffer[] = [];
      for (const [{ type, channel, payload }, isTaken] of steps) {
        const frame = writer.startFrame(type, channel);
        writer.bytes(payload, 0, payload.length);
        writer.endFrame(frame);
        if (isTaken) taken.push(writer.take());
      }
      taken.push(writer.take());
      writer.release();
      assert.deepEqual(read(taken), plain(steps.map(([frame]) => frame)));
    }),
    { numRuns: 200 },
  );
});

test('numbers are written big-endian over their whole range', () => {
  fc.assert(
    fc.property(
      fc.nat(0xffff),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.maxSafeNat(),
      (short, long, longLong) => {
        const writer = new FrameWriter();
        writer.ensure(14);
        writer.u16(short);
        writer.u32(long);
        writer.u64(longLong);
        const bytes = writer.take();
        assert.deepEqual(
          [bytes.readUInt16BE(0), bytes.readUInt32BE(2), bytes.readBigUInt64BE(6)],
          [short, long, BigInt(longLong)],
        );
      },
    ),
  );
});

test('a short string holds 255 bytes of UTF-8, whatever the number of characters (AMQP 4.2.5.3)', () => {
  const stringOf = (text: string): string => {
    const writer = new FrameWriter();
    writer.shortString(text);
    const bytes = writer.take();
    assert.equal(bytes[0], bytes.length - 1);
    return bytes.toString('utf8', 1);
  };
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 90 }), (text) => {
      if (Buffer.byteLength(text) <= 255) assert.equal(stringOf(text), text);
      else assert.throws(() => stringOf(text), WireError);
    }),
  );
  assert.equal(stringOf('é'.repeat(127)), 'é'.repeat(127));
  assert.throws(() => stringOf('é'.repeat(128)), /holds 255 bytes, not 256/);
});
