import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { amqp091Codec as codec } from '../../../src/servers/amqp091/property-codec.ts';
import { checkProperties, decodeProperties, type Properties } from '../../../src/wire/amqp091/properties.ts';
import { anyProperties, comparable } from '../../wire/amqp091/arbitraries.ts';
import { encoded } from '../../wire/amqp091/encoded-properties.ts';

function edited(bytes: Buffer, change: Parameters<typeof codec.edit>[3]): Buffer {
  // In the middle of other bytes, as stored messages are.
  const around = Buffer.concat([Buffer.alloc(3, 0xff), bytes, Buffer.alloc(3, 0xff)]);
  const result = codec.edit(around, 3, 3 + bytes.length, change);
  checkProperties(result, 0, result.length);
  return result;
}

function decoded(bytes: Buffer): Properties {
  return decodeProperties(bytes, 0, bytes.length);
}

test('an edit changes what it names and nothing else, whatever properties there are', () => {
  const someHeaders = fc.option(fc.dictionary(fc.string({ maxLength: 10 }), fc.string()), { nil: undefined });
  fc.assert(
    fc.property(
      anyProperties,
      someHeaders,
      fc.boolean(),
      fc.option(fc.string({ maxLength: 20 }), { nil: undefined }),
      fc.nat(3),
      (properties, set, dropExpiration, replyTo, removals) => {
        const remove = Object.keys(properties.headers ?? {}).slice(0, removals);
        const result = decoded(
          edited(encoded(properties), {
            remove,
            dropExpiration,
            ...(set === undefined ? {} : { set }),
            ...(replyTo === undefined ? {} : { replyTo }),
          }),
        );
        const expected: Record<string, unknown> = { ...properties };
        if (properties.headers !== undefined || set !== undefined) {
          const kept = Object.entries(properties.headers ?? {}).filter(([key]) => !remove.includes(key));
          expected.headers = Object.fromEntries([
            ...Object.entries(set ?? {}),
            ...kept.filter(([key]) => set === undefined || !Object.hasOwn(set, key)),
          ]);
        }
        if (dropExpiration) delete expected.expiration;
        if (replyTo !== undefined) expected.replyTo = replyTo;
        assert.deepEqual(comparable(result), comparable(decoded(encoded(expected as Properties))));
      },
    ),
    { numRuns: 500 },
  );
});

test('untouched headers keep their bytes, and so the types that only the wire knows', () => {
  // a: s 7 (int16), b: L 7 (int64), c: D 1.50, behind each other.
  const fields = Buffer.from('016173000701624c000000000000000701634402000000' + '96', 'hex');
  const bytes = Buffer.concat([Buffer.from([0x20, 0, 0, 0, 0, fields.length]), fields]);
  const result = edited(bytes, { set: { n: 1 }, remove: ['b'] });
  assert.equal(
    result.toString('hex'),
    '2000' + '00000014' + '016e4900000001' + '0161730007' + '0163440200000096',
  );
});

test('what is set replaces every header of that name, and stands in front', () => {
  const bytes = encoded({ headers: { first: 'x', key: 'old' } });
  assert.deepEqual(Object.entries(decoded(edited(bytes, { set: { key: 'new' } })).headers ?? {}), [
    ['key', 'new'],
    ['first', 'x'],
  ]);
});

test('removing the last header leaves a table without fields; without headers there is none afterwards', () => {
  assert.deepEqual(
    { ...decoded(edited(encoded({ headers: { BCC: ['a'] } }), { remove: ['BCC'] })).headers },
    {},
  );
  assert.deepEqual(decoded(edited(encoded({ deliveryMode: 2 }), { remove: ['BCC'] })), { deliveryMode: 2 });
});

test('reads the properties by which exchanges choose', () => {
  const bytes = encoded({ messageId: 'm-1', correlationId: 'é', timestamp: 1_700_000_000, expiration: '50' });
  const property = (name: Parameters<typeof codec.property>[3]) =>
    codec.property(bytes, 0, bytes.length, name);
  assert.deepEqual(
    [property('message-id'), property('correlation-id'), property('timestamp'), property('expiration')],
    ['m-1', 'é', '1700000000', '50'],
  );
  assert.equal(codec.property(encoded({}), 0, 2, 'message-id'), null);
  assert.equal(codec.headers(encoded({}), 0, 2), null);
});

test('a header whose name is not UTF-8 hides no other one', () => {
  const bytes = Buffer.concat([
    Buffer.from('200000000010' + '01ff49000000ff' + '01614900000007' + '0162', 'hex'),
    Buffer.from('V'),
  ]);
  bytes.writeUInt32BE(bytes.length - 6, 2);
  assert.deepEqual({ ...codec.headers(bytes, 0, bytes.length) }, { a: 7, b: null });
});

test('an edit that cannot be encoded throws, and the next one is not hurt by it', () => {
  assert.throws(() => codec.edit(encoded({}), 0, 2, { replyTo: 'x'.repeat(300) }), /300|255/);
  assert.deepEqual(decoded(codec.edit(encoded({}), 0, 2, { replyTo: 'q' })), { replyTo: 'q' });
});

test('the properties of the broker own messages are as any other', () => {
  const bytes = codec.encode({ headers: { a: 1 }, timestamp: 5, persistent: true });
  assert.deepEqual(
    comparable(decoded(bytes)),
    comparable({ headers: { a: 1 }, deliveryMode: 2, timestamp: 5 }),
  );
});
