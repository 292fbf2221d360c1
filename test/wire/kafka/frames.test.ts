import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { APIS, apiByKey, apiName } from '../../../src/wire/kafka/apis.ts';
import { ByteWriter } from '../../../src/wire/kafka/byte-writer.ts';
import { ERROR_CODES, errorName } from '../../../src/wire/kafka/error-codes.ts';
import { KafkaWireError } from '../../../src/wire/kafka/errors.ts';
import { FrameReader } from '../../../src/wire/kafka/frame-reader.ts';
import {
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  responseCorrelationId,
} from '../../../src/wire/kafka/headers.ts';
import { apiVersions } from '../../../src/wire/kafka/messages/api-versions.ts';
import { heartbeat } from '../../../src/wire/kafka/messages/group-membership.ts';

function framed(bodies: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(body.length);
      return [length, body];
    }),
  );
}

function framesOf(reader: FrameReader, chunks: readonly Buffer[]): string[] {
  const seen: string[] = [];
  for (const chunk of chunks)
    reader.push(chunk, (bytes, start, end) => seen.push(bytes.toString('hex', start, end)));
  return seen;
}

describe('frames', () => {
  test('come out the same however the stream is cut into chunks', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 });
    fc.assert(
      fc.property(bodies, fc.array(fc.nat(400)), (frames, cuts) => {
        const stream = framed(frames);
        const places = [0, ...cuts.map((cut) => Math.min(cut, stream.length)), stream.length].sort(
          (a, b) => a - b,
        );
        const chunks = places.slice(1).map((place, index) => stream.subarray(places[index], place));
        const reader = new FrameReader(60);
        assert.deepEqual(
          framesOf(reader, chunks),
          frames.map((frame) => Buffer.from(frame).toString('hex')),
        );
        assert.ok(reader.isEmpty);
      }),
    );
  });

  test('come out the same when every byte is a chunk of its own', () => {
    const stream = framed([Buffer.alloc(3, 1), Buffer.alloc(0), Buffer.alloc(9000, 2)]);
    const chunks = Array.from(stream, (_, index) => stream.subarray(index, index + 1));
    assert.deepEqual(
      framesOf(new FrameReader(9000), chunks).map((frame) => frame.length / 2),
      [3, 0, 9000],
    );
  });

  test('that lie in one chunk are not copied, and those that do not are whole while they are looked at', () => {
    const kept: Buffer[] = [];
    const keep = (bytes: Buffer, start: number, end: number) => kept.push(bytes.subarray(start, end));
    const reader = new FrameReader(100);
    const chunk = framed([Buffer.from('one')]);
    reader.push(chunk, keep);
    assert.equal(kept[0].buffer, chunk.buffer);
    const seen: string[] = [];
    const look = (bytes: Buffer, start: number, end: number) => seen.push(bytes.toString('utf8', start, end));
    for (const text of ['two', 'three']) {
      const stream = framed([Buffer.from(text)]);
      reader.push(stream.subarray(0, 5), look);
      assert.equal(reader.isEmpty, false);
      reader.push(stream.subarray(5), look);
    }
    assert.deepEqual(seen, ['two', 'three']);
  });

  test('that are large lie in memory of their own, which nobody uses again, and the others do not', () => {
    const reader = new FrameReader(10_000_000);
    const seen: { readonly frame: Buffer; readonly isKept: boolean }[] = [];
    const look = (bytes: Buffer, start: number, end: number, isKept: boolean) =>
      seen.push({ frame: bytes.subarray(start, end), isKept });
    for (const [fill, length] of [
      [1, 3_000_000],
      [2, 1000],
      [3, 3_000_000],
    ]) {
      const stream = framed([Buffer.alloc(length, fill)]);
      for (let at = 0; at < stream.length; at += 64_000) reader.push(stream.subarray(at, at + 64_000), look);
    }
    assert.deepEqual(
      seen.map(({ isKept }) => isKept),
      [true, false, true],
    );
    assert.ok(seen[0].frame.equals(Buffer.alloc(3_000_000, 1)));
  });

  test('that are too long, or negative, are refused by their first four bytes', () => {
    for (const length of [101, 0x7fffffff, -1]) {
      const prefix = Buffer.alloc(4);
      prefix.writeInt32BE(length);
      const atOnce = new FrameReader(100);
      assert.throws(() => atOnce.push(prefix, () => {}), KafkaWireError);
      const inPieces = new FrameReader(100);
      inPieces.push(prefix.subarray(0, 2), () => {});
      assert.throws(() => inPieces.push(prefix.subarray(2), () => {}), /a frame of/);
    }
  });
});

function requestFrame(version: number, clientId: string | null): Buffer {
  const writer = new ByteWriter();
  const request = { groupId: 'g', generationId: 3, memberId: 'm' };
  encodeRequest(writer, heartbeat, version, 77, clientId, request);
  return Buffer.concat(writer.take());
}

describe('requests', () => {
  test('have the header of their version', () => {
    for (const [version, clientId] of [
      [0, 'client'],
      [3, null],
      [4, 'ünï'],
      [4, null],
    ] as const) {
      const frame = requestFrame(version, clientId);
      assert.equal(frame.readInt32BE(0), frame.length - 4);
      const header = decodeRequestHeader(frame, 4, frame.length);
      assert.deepEqual(
        [header.apiKey, header.apiVersion, header.correlationId, header.clientId, header.api],
        [12, version, 77, clientId, heartbeat],
      );
      const body = decodeRequest(heartbeat, version, frame, header.bodyStart, frame.length);
      assert.deepEqual(body, { groupId: 'g', generationId: 3, memberId: 'm', groupInstanceId: null });
    }
  });

  test('of an API or a version that is not known still say who asks', () => {
    const frame = requestFrame(4, 'client');
    frame.writeInt16BE(99, 6);
    const newer = decodeRequestHeader(frame, 4, frame.length);
    assert.deepEqual([newer.api, newer.apiVersion, newer.clientId], [heartbeat, 99, 'client']);
    frame.writeInt16BE(999, 4);
    const unknown = decodeRequestHeader(frame, 4, frame.length);
    assert.deepEqual([unknown.api, unknown.apiKey, unknown.correlationId], [undefined, 999, 77]);
  });

  test('with a header that is cut off are refused', () => {
    const frame = requestFrame(4, 'client');
    const { bodyStart } = decodeRequestHeader(frame, 4, frame.length);
    for (let end = 4; end < bodyStart; end++) {
      assert.throws(() => decodeRequestHeader(frame, 4, end), KafkaWireError);
    }
  });
});

describe('responses', () => {
  test('have tagged fields in their header only in flexible versions', () => {
    for (const version of [3, 4]) {
      const writer = new ByteWriter();
      encodeResponse(writer, heartbeat, version, 5, { throttleTimeMs: 1, errorCode: 27 });
      const frame = Buffer.concat(writer.take());
      assert.equal(frame.length, version === 4 ? 4 + 4 + 1 + 6 + 1 : 4 + 4 + 6);
      assert.equal(frame.readInt32BE(0), frame.length - 4);
      assert.equal(responseCorrelationId(frame, 4, frame.length), 5);
      const response = decodeResponse(heartbeat, version, frame, 4, frame.length);
      assert.deepEqual(response, { throttleTimeMs: 1, errorCode: 27 });
    }
  });

  test('of ApiVersions have the old header in all versions', () => {
    for (const version of [0, 3, 4]) {
      const writer = new ByteWriter();
      const response = { errorCode: ERROR_CODES.UNSUPPORTED_VERSION, apiKeys: [] };
      encodeResponse(writer, apiVersions, version, 5, response);
      const frame = Buffer.concat(writer.take());
      assert.equal(frame.readInt16BE(8), ERROR_CODES.UNSUPPORTED_VERSION);
      assert.equal(decodeResponse(apiVersions, version, frame, 4, frame.length).errorCode, 35);
    }
  });

  test('in one writer follow one another, also over the end of its slab', () => {
    const writer = new ByteWriter(64);
    for (let id = 0; id < 20; id++)
      encodeResponse(writer, heartbeat, 4, id, { throttleTimeMs: 0, errorCode: 0 });
    const ids: number[] = [];
    const reader = new FrameReader(100);
    reader.push(Buffer.concat(writer.take()), (bytes, start, end) => {
      ids.push(responseCorrelationId(bytes, start, end));
    });
    assert.deepEqual(
      ids,
      Array.from({ length: 20 }, (_, id) => id),
    );
  });

  test('that cannot be encoded leave nothing behind', () => {
    const writer = new ByteWriter();
    assert.throws(
      () => encodeResponse(writer, heartbeat, 4, 1, { throttleTimeMs: 0, errorCode: 70000 }),
      /Heartbeat response v4, errorCode: 70000 is not an int16/,
    );
    assert.equal(writer.pendingBytes, 0);
  });
});

describe('the tables', () => {
  test('have each key once, in order', () => {
    const keys = APIS.map(({ key }) => key);
    assert.deepEqual(
      keys,
      [...new Set(keys)].sort((a, b) => a - b),
    );
    assert.equal(apiByKey(12), heartbeat);
    assert.equal(apiByKey(-1), undefined);
    assert.deepEqual([12, 7, 999].map(apiName), ['Heartbeat', 'ControlledShutdown', 'API 999']);
  });

  test('name the errors', () => {
    assert.equal(errorName(0), 'NONE');
    assert.equal(errorName(-1), 'UNKNOWN_SERVER_ERROR');
    assert.equal(errorName(1000), undefined);
    const codes = Object.values(ERROR_CODES);
    assert.equal(new Set(codes).size, codes.length);
  });
});
