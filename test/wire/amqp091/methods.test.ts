import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { METHODS, type Method } from '../../../src/wire/amqp091/definitions.ts';
import { WireError } from '../../../src/wire/amqp091/errors.ts';
import { FrameReader, FrameWriter } from '../../../src/wire/amqp091/frames.ts';
import {
  BASIC_ACK,
  BASIC_DELIVER,
  BASIC_NACK,
  BASIC_PUBLISH,
  BASIC_REJECT,
  decodeMethod,
  encodeMethod,
  methodId,
} from '../../../src/wire/amqp091/methods.ts';
import { anyDamage, damaged, decodesOrRefuses } from '../malformed.ts';
import { amqplib, fromAmqplibFields, rounded, toAmqplibFields } from './amqplib-oracle.ts';
import { amqplibTakesKeys, anyMethod, comparable, METHOD_NAMES } from './arbitraries.ts';

function payloadOf(method: Method): Buffer {
  const frame = frameOf(method, 1);
  return frame.subarray(7, frame.length - 1);
}

function frameOf(method: Method, channel: number): Buffer {
  const writer = new FrameWriter();
  encodeMethod(writer, channel, method);
  return writer.take();
}

function failsWith(kind: string, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof WireError && error.kind === kind && message.test(error.message);
}

test('every method comes back from the wire as it went, on its channel (AMQP 4.2.4)', () => {
  fc.assert(
    fc.property(anyMethod, fc.nat(0xffff), (method, channel) => {
      const seen: unknown[] = [];
      new FrameReader(0).push(frameOf(method, channel), (type, onChannel, bytes, start, end) => {
        seen.push(type, onChannel, comparable(decodeMethod(bytes, start, end)));
      });
      assert.deepEqual(seen, [1, channel, comparable(method)]);
    }),
    { numRuns: 1000 },
  );
});

test('the table has the ids, the order and the types of arguments that amqplib has', () => {
  for (const name of METHOD_NAMES) {
    const theirs = amqplib.info(methodId(name));
    const joined = name.replace(/(^|[.-])(.)/g, (_, __, letter: string) => letter.toUpperCase());
    assert.equal(theirs.name, joined);
    const ourTypes = METHODS[name].arguments.map(([, type]) => (type === 'longtext' ? 'longstr' : type));
    assert.deepEqual(
      ourTypes,
      theirs.args.map((argument) => argument.type),
      name,
    );
    METHODS[name].arguments.forEach(([argument], i) => {
      if (argument.startsWith('reserved')) return;
      assert.equal(argument.toLowerCase(), theirs.args[i].name.toLowerCase(), name);
    });
  }
});

test('the constants of the hot methods are those of the table', () => {
  assert.deepEqual(
    [BASIC_PUBLISH, BASIC_DELIVER, BASIC_ACK, BASIC_REJECT, BASIC_NACK],
    (['publish', 'deliver', 'ack', 'reject', 'nack'] as const).map((name) => methodId(`basic.${name}`)),
  );
});

test('amqplib decodes what we encode to the same arguments', () => {
  fc.assert(
    fc.property(anyMethod.filter(amqplibTakesKeys), (method) => {
      const payload = payloadOf(method);
      const theirs = fromAmqplibFields(
        method.name,
        amqplib.decode(payload.readUInt32BE(0), payload.subarray(4)),
      );
      assert.deepEqual(comparable(theirs), comparable(rounded(method)));
    }),
    { numRuns: 1000 },
  );
});

test('we decode what amqplib encodes to the same arguments', () => {
  fc.assert(
    fc.property(anyMethod.filter(amqplibTakesKeys), (method) => {
      const frame = amqplib.encodeMethod(methodId(method.name), 7, toAmqplibFields(method));
      const ours = decodeMethod(frame, 7, frame.length - 1);
      assert.deepEqual(comparable(ours), comparable(method));
    }),
    { numRuns: 1000 },
  );
});

test('a method that ends too early or too late is a syntax error, wherever it is cut', () => {
  fc.assert(
    fc.property(anyMethod, (method) => {
      const payload = payloadOf(method);
      for (let end = 0; end < payload.length; end++) {
        // The rest of the bytes are there, behind the end: reading them would go unnoticed otherwise.
        assert.throws(
          () => decodeMethod(payload, 0, end),
          (error) => error instanceof WireError && !error.message.includes('too many'),
        );
      }
      const longer = Buffer.concat([payload, Buffer.from([0])]);
      assert.throws(() => decodeMethod(longer, 0, longer.length), failsWith('syntax-error', /./));
    }),
    { numRuns: 150 },
  );
});

test('damaged methods are decoded or refused, never anything else', () => {
  fc.assert(
    fc.property(anyMethod, anyDamage, (method, damage) => {
      const payload = damaged(payloadOf(method), damage);
      decodesOrRefuses(WireError, () => decodeMethod(payload, 0, payload.length));
    }),
    { numRuns: 3000 },
  );
});

test('random bytes behind every method id are decoded or refused, never anything else', () => {
  fc.assert(
    fc.property(fc.constantFrom(...METHOD_NAMES), fc.uint8Array({ maxLength: 64 }), (name, noise) => {
      const payload = Buffer.concat([Buffer.alloc(4), noise]);
      payload.writeUInt32BE(methodId(name));
      decodesOrRefuses(WireError, () => decodeMethod(payload, 0, payload.length));
    }),
    { numRuns: 3000 },
  );
});

test('an unknown method is named with its class, as an invalid command', () => {
  assert.throws(
    () => decodeMethod(Buffer.from([0, 60, 0, 41]), 0, 4),
    failsWith('command-invalid', /no method 41 in class 60/),
  );
  assert.throws(
    () => decodeMethod(Buffer.from([0xff, 0xff, 0, 1]), 0, 4),
    failsWith('command-invalid', /no method 1 in class 65535/),
  );
});

test('a payload too short for a method id is a frame error', () => {
  assert.throws(() => decodeMethod(Buffer.from([0, 60, 0]), 0, 3), failsWith('frame-error', /3 bytes/));
});

test('an error says which argument of which method is wrong, and at which byte', () => {
  const payload = payloadOf({ name: 'queue.purge', queue: 'abc', noWait: false });
  payload[6] = 200;
  assert.throws(
    () => decodeMethod(payload, 0, payload.length),
    failsWith('syntax-error', /queue\.purge, queue: needs 200 bytes, 4 are left \(byte 7\)/),
  );
});

test('a delivery tag beyond 2^53 - 1 is refused rather than rounded', () => {
  for (const name of ['basic.ack', 'basic.nack', 'basic.reject', 'basic.deliver'] as const) {
    const payload = Buffer.alloc(name === 'basic.deliver' ? 20 : 13);
    payload.writeUInt32BE(methodId(name));
    payload.writeBigUInt64BE(2n ** 53n, name === 'basic.deliver' ? 5 : 4);
    assert.throws(
      () => decodeMethod(payload, 0, payload.length),
      failsWith('syntax-error', /deliveryTag: is beyond/),
    );
  }
});

test('names that are not UTF-8 are refused, in the hot decoder too', () => {
  const publish = payloadOf({
    name: 'basic.publish',
    exchange: 'amq.topic',
    routingKey: 'key',
    mandatory: false,
    immediate: false,
  });
  publish[publish.length - 2] = 0xff;
  assert.throws(
    () => decodeMethod(publish, 0, publish.length),
    failsWith('syntax-error', /basic\.publish, routingKey.*not UTF-8/),
  );
});

test('a method that cannot be encoded leaves nothing half-written behind', () => {
  const writer = new FrameWriter();
  encodeMethod(writer, 1, { name: 'tx.select' });
  const before = writer.pendingBytes;
  const tooLong = 'x'.repeat(256);
  assert.throws(
    () => encodeMethod(writer, 1, { name: 'basic.cancel-ok', consumerTag: tooLong }),
    failsWith('syntax-error', /holds 255 bytes, not 256/),
  );
  assert.throws(
    () => encodeMethod(writer, 1, { name: 'basic.ack', deliveryTag: 2 ** 53, multiple: false }),
    failsWith('syntax-error', /basic\.ack, deliveryTag: 9007199254740992 is not a longlong/),
  );
  assert.throws(
    () => encodeMethod(writer, 1, { name: 'queue.purge-ok', messageCount: -1 }),
    failsWith('syntax-error', /messageCount/),
  );
  assert.equal(writer.pendingBytes, before);
});
