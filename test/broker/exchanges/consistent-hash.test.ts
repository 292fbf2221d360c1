import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Table } from '../../../src/base/value.ts';
import { consistentHashExchange } from '../../../src/broker/exchanges/consistent-hash.ts';
import type { BindingPattern, Router } from '../../../src/broker/exchanges/type.ts';
import { assertRefused } from '../topology/fixture.ts';
import { chosen, message, newRouter, pattern, visited } from './router-fixture.ts';

function routerTo(weights: Readonly<Record<string, number>>): Router<BindingPattern> {
  const router = newRouter(consistentHashExchange);
  for (const [queue, weight] of Object.entries(weights)) router.add(pattern(String(weight), {}, queue));
  return router;
}

const queueNames = (count: number) => Array.from({ length: count }, (_, index) => `queue-${index}`);
const evenly = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 1]));
const keys = (count: number) => Array.from({ length: count }, (_, index) => `user.${index}`);

function counts(router: Router<BindingPattern>, count: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const key of keys(count)) {
    const queue = chosen(router, key) ?? 'none';
    found.set(queue, (found.get(queue) ?? 0) + 1);
  }
  return found;
}

/** Pearson's statistic over its degrees of freedom: about 1 for a fair draw. */
function chiSquareReduced(found: Map<string, number>, weights: Readonly<Record<string, number>>): number {
  const messages = [...found.values()].reduce((sum, count) => sum + count, 0);
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const terms = Object.entries(weights).map(([queue, weight]) => {
    const expected = (messages * weight) / total;
    return ((found.get(queue) ?? 0) - expected) ** 2 / expected;
  });
  return terms.reduce((sum, term) => sum + term, 0) / (terms.length - 1);
}

test('messages are spread as evenly as if they were drawn by lot', () => {
  for (const count of [2, 3, 10, 50]) {
    const weights = evenly(queueNames(count));
    const statistic = chiSquareReduced(counts(routerTo(weights), 20_000), weights);
    // 99.9% of fair draws are below 10.8 for one degree of freedom, and below 1.8 for 49.
    assert.ok(statistic < (count < 4 ? 10 : 2.8), `${count} queues: ${statistic}`);
  }
});

test('a weight is the share of the messages', () => {
  const weights = { one: 1, two: 2, seven: 7, '"twenty"': 20 };
  const statistic = chiSquareReduced(counts(routerTo(weights), 20_000), weights);
  assert.ok(statistic < 5.5, String(statistic));
});

test('a queue that comes takes its share from the others, and no other message moves', () => {
  const names = queueNames(9);
  const router = routerTo(evenly(names));
  const before = keys(10_000).map((key) => chosen(router, key));
  const added = pattern('1', {}, 'new');
  router.add(added);
  const after = keys(10_000).map((key) => chosen(router, key));
  const moved = after.filter((queue, index) => queue !== before[index]);
  assert.ok(
    moved.every((queue) => queue === 'new'),
    'to the new one alone',
  );
  assert.ok(moved.length > 800 && moved.length < 1200, `about a tenth: ${moved.length}`);
  router.remove(added);
  assert.deepEqual(
    keys(10_000).map((key) => chosen(router, key)),
    before,
  );
});

test('where a key leads depends neither on the order of the bindings nor on what was there before', () => {
  const names = queueNames(7);
  const once = routerTo(evenly(names));
  const again = routerTo(evenly([...names].reverse()));
  const extra = pattern('3', {}, 'extra');
  again.add(extra);
  for (const key of keys(50)) chosen(again, key);
  again.remove(extra);
  for (const key of keys(500)) assert.equal(chosen(again, key), chosen(once, key));
});

test('keys lead where they led in the versions before', () => {
  const router = routerTo(evenly(queueNames(10)));
  assert.deepEqual(
    ['', 'a', 'user.1', 'user.2', 'ünïcode', 'k'.repeat(255)].map((key) => chosen(router, key)),
    ['queue-9', 'queue-0', 'queue-5', 'queue-0', 'queue-6', 'queue-6'],
  );
});

test('a queue that is bound twice counts with both weights', () => {
  const router = routerTo({ a: 1, b: 3 });
  const second = pattern('2', {}, 'a');
  router.add(second);
  const statistic = chiSquareReduced(counts(router, 10_000), { a: 3, b: 3 });
  assert.ok(statistic < 10, String(statistic));
  router.remove(second);
  const back = chiSquareReduced(counts(router, 10_000), { a: 1, b: 3 });
  assert.ok(back < 10, String(back));
});

test('hashes the header or the property that the exchange was declared for', () => {
  const cases: [Table, (value: string) => ReturnType<typeof message>][] = [
    [{ 'hash-header': 'user' }, (value) => message({ user: value })],
    [{ 'hash-property': 'message_id' }, (value) => message(null, { 'message-id': value })],
    [{ 'hash-property': 'correlation_id' }, (value) => message(null, { 'correlation-id': value })],
    [{ 'hash-property': 'timestamp' }, (value) => message(null, { timestamp: value })],
  ];
  const byKey = routerTo(evenly(queueNames(5)));
  assert.equal(byKey.isKeyed, true);
  for (const [args, withValue] of cases) {
    const router = newRouter(consistentHashExchange, args);
    for (const name of queueNames(5)) router.add(pattern('1', {}, name));
    assert.equal(router.isKeyed, false);
    for (const value of keys(100)) {
      assert.equal(chosen(router, 'any key', withValue(value)), chosen(byKey, value));
    }
    assert.equal(chosen(router, 'k', message(null)), chosen(byKey, ''), 'without it, all to one queue');
  }
});

test('without a binding no message goes anywhere', () => {
  const router = newRouter(consistentHashExchange);
  assert.deepEqual(visited(router, 'a'), []);
  const only = pattern('1');
  router.add(only);
  assert.deepEqual(visited(router, 'a'), [only]);
  router.remove(only);
  assert.deepEqual(visited(router, 'a'), []);
});

test('what makes no sense is refused in the words of the plugin', () => {
  const validate = (args: Table) => () => consistentHashExchange.validate?.(args);
  const both = { 'hash-header': 'a', 'hash-property': 'message_id' };
  const kind = 'precondition-failed';
  assertRefused(validate(both), kind, 'hash-header and hash-property are mutually exclusive');
  assertRefused(validate({ 'hash-property': 'app_id' }), kind, 'Unsupported property: app_id');
  assertRefused(validate({ 'hash-header': 5 }), kind, "invalid type 'signedint' for arg 'hash-header'");
  validate({ 'hash-header': '' })();
  const bind = (key: string) => () => consistentHashExchange.validateBinding?.(key, {}, {});
  for (const key of ['0', '-1', '-99'])
    assertRefused(bind(key), kind, 'The binding key must be greater than 0');
  for (const key of ['abc', '1.5', ' 3', '1e3']) {
    assertRefused(bind(key), kind, `The binding key must be an integer: <<"${key}">>`);
  }
  assertRefused(bind(''), kind, 'The binding key must be an integer: <<>>');
  for (const key of ['1', '+3', '007', '1000000']) bind(key)();
});
