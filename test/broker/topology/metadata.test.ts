import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Value } from '../../../src/base/value.ts';
import {
  decodeOperation,
  encodeOperation,
  type MetadataOperation,
} from '../../../src/broker/topology/metadata.ts';

const key = fc.oneof(fc.string(), fc.constantFrom('$date', '$$', '$', '__proto__', 'constructor'));
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false, -0),
    fc.double(),
    fc.integer(),
    fc.bigInt(),
    fc.string({ unit: 'binary' }),
    fc.uint8Array(),
    fc.date({ noInvalidDate: false }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));
const table = fc.dictionary(key, value, { maxKeys: 4, noNullPrototype: true });
const name = fc.string({ unit: 'binary' });
const end = { vhost: name, name };
const bound = {
  vhost: name,
  source: name,
  destinationKind: fc.constantFrom('queue', 'exchange'),
  destination: name,
  routingKey: name,
  arguments: table,
} as const;
const operation: fc.Arbitrary<MetadataOperation> = fc.oneof(
  fc.record({ op: fc.constantFrom('vhost.create', 'vhost.delete'), vhost: name }),
  fc.record({
    op: fc.constant('exchange.declare'),
    ...end,
    type: name,
    autoDelete: fc.boolean(),
    internal: fc.boolean(),
    arguments: table,
  }),
  fc.record({ op: fc.constant('exchange.delete'), ...end }),
  fc.record({
    op: fc.constant('queue.declare'),
    ...end,
    id: fc.maxSafeNat(),
    autoDelete: fc.boolean(),
    arguments: table,
  }),
  fc.record({ op: fc.constant('queue.delete'), ...end, id: fc.maxSafeNat() }),
  fc.record({
    op: fc.constantFrom('policy.set' as const, 'operator-policy.set' as const),
    ...end,
    pattern: name,
    applyTo: fc.constantFrom('queues', 'classic_queues', 'quorum_queues', 'exchanges', 'all'),
    priority: fc.maxSafeInteger(),
    definition: table,
  }),
  fc.record({ op: fc.constantFrom('policy.clear' as const, 'operator-policy.clear' as const), ...end }),
  fc.record({ op: fc.constantFrom('binding.add', 'binding.remove'), ...bound }),
  fc.record({
    op: fc.constantFrom('delay.bucket-add', 'delay.bucket-remove'),
    vhost: name,
    id: fc.maxSafeNat(),
    startMs: fc.maxSafeInteger(),
    widthMs: fc.maxSafeNat(),
  }),
);

test('an operation survives being written and read, with every kind of value', () => {
  fc.assert(
    fc.property(operation, (written) => {
      assert.deepStrictEqual(decodeOperation(encodeOperation(written)), { ...written });
    }),
    { numRuns: 1000 },
  );
});

test('an operation is written as JSON that can be read in a dump', () => {
  const bytes = encodeOperation({
    op: 'queue.declare',
    vhost: '/',
    name: 'ü',
    id: 7,
    autoDelete: false,
    arguments: { big: 2n ** 63n, raw: Buffer.from([1, 2]), at: new Date(1000), $money: 'yes' },
  });
  assert.equal(
    new TextDecoder().decode(bytes),
    '{"op":"queue.declare","vhost":"/","name":"ü","id":7,"autoDelete":false,"arguments":' +
      '{"big":{"$bigint":"9223372036854775808"},"raw":{"$bytes":"AQI="},"at":{"$date":1000},"$$money":"yes"}}',
  );
});

test('what is not an operation is refused, and says why', () => {
  const cases: [text: string, message: RegExp][] = [
    ['{"op":"queue.rename","vhost":"/"}', /unknown metadata operation/],
    ['{"op":"toString","vhost":"/"}', /unknown metadata operation/],
    ['[]', /unknown metadata operation/],
    ['{"op":', /JSON/],
    ['{"op":"vhost.create"}', /'vhost.create' has no valid 'vhost'/],
    ['{"op":"queue.delete","vhost":"/","name":"q","id":"7"}', /has no valid 'id'/],
    ['{"op":"queue.declare","vhost":"/","name":"q","id":7,"autoDelete":false,"arguments":[]}', /'arguments'/],
    [
      '{"op":"queue.declare","vhost":"/","name":"q","id":7,"autoDelete":false,"arguments":{"a":{"$new":1}}}',
      /unknown kind of value/,
    ],
  ];
  for (const [text, message] of cases) assert.throws(() => decodeOperation(Buffer.from(text)), message);
  assert.throws(() => decodeOperation(Uint8Array.of(0xff)));
});
