import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Table, Value } from '../../../src/base/value.ts';
import { valuesEqual } from '../../../src/base/value-equality.ts';
import { headersExchange } from '../../../src/broker/exchanges/headers.ts';
import { assertRefused } from '../topology/fixture.ts';
import { message, newRouter, pattern, visited } from './router-fixture.ts';

function headersMatch(args: Table, headers: Table | null): boolean {
  const router = newRouter(headersExchange);
  router.add(pattern('ignored', args));
  return visited(router, 'another', message(headers)).length === 1;
}

test('x-match decides whether all headers must agree or any', () => {
  const cases: [args: Table, headers: Table | null, expected: boolean][] = [
    [{ a: 1, b: 2 }, { a: 1, b: 2, c: 3 }, true],
    [{ a: 1, b: 2 }, { a: 1 }, false],
    [{ 'x-match': 'all', a: 1, b: 2 }, { a: 1, b: 3 }, false],
    [{ 'x-match': 'any', a: 1, b: 2 }, { a: 1, b: 3 }, true],
    [{ 'x-match': 'any', a: 1, b: 2 }, { a: 2 }, false],
    [{ 'x-match': 'all' }, {}, true],
    [{ 'x-match': 'all' }, null, true],
    [{}, null, true],
    [{ 'x-match': 'any' }, { a: 1 }, false],
    [{ a: 1 }, null, false],
  ];
  for (const [args, headers, expected] of cases) {
    assert.equal(headersMatch(args, headers), expected, JSON.stringify([args, headers]));
  }
});

test('keys that begin with x- count only with all-with-x and any-with-x', () => {
  assert.equal(headersMatch({ 'x-match': 'all', 'x-a': 1, b: 2 }, { b: 2 }), true);
  assert.equal(headersMatch({ 'x-match': 'all-with-x', 'x-a': 1, b: 2 }, { b: 2 }), false);
  assert.equal(headersMatch({ 'x-match': 'all-with-x', 'x-a': 1, b: 2 }, { b: 2, 'x-a': 1 }), true);
  assert.equal(headersMatch({ 'x-match': 'any', 'x-a': 1, b: 2 }, { 'x-a': 1 }), false);
  assert.equal(headersMatch({ 'x-match': 'any-with-x', 'x-a': 1, b: 2 }, { 'x-a': 1 }), true);
});

test('null in a binding asks only for the presence of the header', () => {
  assert.equal(headersMatch({ a: null }, { a: 'anything' }), true);
  assert.equal(headersMatch({ a: null }, { a: null }), true);
  assert.equal(headersMatch({ a: null }, {}), false);
  assert.equal(headersMatch({ a: 1 }, { a: null }), false);
});

test('names that every JavaScript object inherits are not headers', () => {
  assert.equal(headersMatch({ toString: null }, {}), false);
  assert.equal(headersMatch({ 'x-match': 'any', constructor: null }, {}), false);
});

test('header values are compared by value, not by type on the wire', () => {
  const equal: [Value, Value][] = [
    [1, 1n],
    [2n ** 60n, 2n ** 60n],
    ['é', Buffer.from('é')],
    [new Date(5000), 5],
    [
      [1, 'a'],
      [1n, 'a'],
    ],
    [
      { a: 1, b: [true] },
      { b: [true], a: 1 },
    ],
    [null, null],
  ];
  const different: [Value, Value][] = [
    [1, '1'],
    [1, true],
    [0, false],
    ['', null],
    [0, null],
    ['a', 'A'],
    [[1], [1, 2]],
    [{ a: 1 }, { a: 1, b: 1 }],
    [{ a: 1 }, [1]],
    [{}, []],
    [Buffer.from([255]), Buffer.from([254])],
    [2n ** 60n, 2n ** 60n + 1n],
  ];
  for (const [a, b] of equal)
    assert.ok(valuesEqual(a, b) && valuesEqual(b, a), `${String(a)} = ${String(b)}`);
  for (const [a, b] of different) assert.ok(!valuesEqual(a, b) && !valuesEqual(b, a), `${a} ≠ ${b}`);
});

test('an x-match that makes no sense is refused in the words of RabbitMQ', () => {
  const validate = (args: Table) => () => headersExchange.validateBinding?.('', args, {});
  assertRefused(
    validate({ 'x-match': 'some' }),
    'precondition-failed',
    'Invalid x-match field value <<"some">>; expected all, any, all-with-x, or any-with-x',
  );
  assertRefused(
    validate({ 'x-match': 1 }),
    'precondition-failed',
    'Invalid x-match field type signedint (value 1); expected longstr',
  );
  validate({})();
});

test('many bindings are found by their index as they would be one by one', () => {
  const value = fc.constantFrom<Value>(
    null,
    1,
    1n,
    2,
    'a',
    new Uint8Array([97]),
    true,
    new Date(1000),
    ['a'],
    {},
  );
  const some = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'x-d'), value, { maxKeys: 4 });
  const match = fc.constantFrom(
    {},
    { 'x-match': 'any' },
    { 'x-match': 'all-with-x' },
    { 'x-match': 'any-with-x' },
  );
  const args = fc.tuple(match, some).map(([kind, expected]): Table => ({ ...kind, ...expected }));
  fc.assert(
    fc.property(
      fc.array(args, { maxLength: 12 }),
      fc.array(some, { maxLength: 5 }),
      fc.nat(),
      (all, sent, gone) => {
        const router = newRouter(headersExchange);
        const bindings = all.map((each) => pattern('', each));
        for (const binding of bindings) router.add(binding);
        const removed = bindings.splice(gone % (bindings.length + 1), 1);
        for (const binding of removed) router.remove(binding);
        for (const headers of sent) {
          const expected = bindings.filter((binding) => headersMatch(binding.arguments, headers));
          const found = visited(router, '', message(headers));
          assert.equal(found.length, expected.length, 'each once');
          assert.deepEqual(new Set(found), new Set(expected));
        }
      },
    ),
    { numRuns: 300 },
  );
});
