import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Table } from '../../../src/base/value.ts';
import { streamExchange } from '../../../src/broker/exchanges/stream.ts';

interface Bound {
  readonly name: string;
  readonly routingKey: string;
  readonly arguments: Table;
  readonly destinationKind: 'queue';
  readonly destination: { readonly name: string };
}

function bound(name: string, routingKey: string, args: Table = {}): Bound {
  return { name, routingKey, arguments: args, destinationKind: 'queue', destination: { name } };
}

function routed(
  router: ReturnType<typeof streamExchange.createRouter<Bound>>,
  key: string,
  headers: Table,
): string[] {
  const names: string[] = [];
  router.route(key, { headers: () => headers, property: () => null }, ({ name }) => names.push(name));
  return names.toSorted();
}

test("a stream's bindings are compared with the key, or with the headers if they ask for it", () => {
  const router = streamExchange.createRouter<Bound>({});
  assert.ok(router.isKeyed);
  const bindings = [
    bound('words', 'a.*'),
    bound('all', '#'),
    bound('headers', '#', { 'x-match': 'all', color: 'red' }),
    bound('other', 'b', { color: 'red' }),
  ];
  for (const each of bindings) router.add(each);
  assert.ok(!router.isKeyed, 'routes cannot be remembered by key any more');
  assert.deepEqual(routed(router, 'a.b', {}), ['all', 'words']);
  assert.deepEqual(routed(router, 'x', { color: 'red' }), ['all', 'headers']);
  assert.deepEqual(routed(router, 'b', { color: 'blue' }), ['all', 'other']);
  for (const each of bindings) router.remove(each);
  assert.ok(router.isKeyed);
  assert.deepEqual(routed(router, 'a.b', { color: 'red' }), []);
});

test('a binding with a wrong x-match is refused', () => {
  assert.throws(
    () => streamExchange.validateBinding?.('', { 'x-match': 'some' }, {}),
    /Invalid x-match field value/,
  );
});
