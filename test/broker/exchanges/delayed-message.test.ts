import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Table, Value } from '../../../src/base/value.ts';
import { delayOf } from '../../../src/broker/exchanges/delayed-message.ts';
import { ExchangeTypes } from '../../../src/broker/exchanges/registry.ts';
import type { Route } from '../../../src/broker/topology/route.ts';
import type { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import {
  assertRefused,
  binding,
  exchange,
  type FakeQueue,
  fakeQueues,
  newVirtualHost,
  queue,
} from '../topology/fixture.ts';
import { message } from './router-fixture.ts';

const delayed = (type: Value) => ({ arguments: { 'x-delayed-type': type } });

/** With a store that notes how long it is asked to keep messages, and an exchange `later` with queue `q` behind it. */
function withStore(innerType = 'topic'): { vhost: VirtualHost<FakeQueue>; asked: number[] } {
  const { vhost } = newVirtualHost();
  const spec = { durable: true, exclusiveOwner: null, autoDelete: false, arguments: {} };
  const store = fakeQueues()({ ...spec, id: 9999, shard: 0, vhost: '/', name: '(store)' });
  const asked: number[] = [];
  vhost.delays = {
    targetFor(delayMs) {
      asked.push(delayMs);
      return store;
    },
  };
  vhost.declareExchange(exchange('later', 'x-delayed-message', delayed(innerType)));
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('later', 'q', 'k'), null);
  return { vhost, asked };
}

function names(route: Route<FakeQueue> | null): string[] | null {
  return route === null ? null : route.queues.map((found) => found.name).sort();
}

function published(vhost: VirtualHost<FakeQueue>, to: string, key: string, headers: Table | null) {
  return vhost.route(vhost.exchangeForPublish(to), key, message(headers));
}

test('a message with x-delay goes to the store, and along the bindings of then when its time has come', () => {
  const { vhost, asked } = withStore();
  const headers = { 'x-delay': 5000 };
  const route = published(vhost, 'later', 'k', headers);
  assert.deepEqual([names(route), route.delayMs, route.cacheable], [['(store)'], 5000, false]);
  assert.deepEqual(asked, [5000]);
  assert.deepEqual(names(vhost.routeDelayed('later', ['k'], message(headers))), ['q']);
  assert.deepEqual(names(vhost.routeDelayed('later', ['other'], message(headers))), []);
  vhost.declareQueue(queue('r'), null);
  vhost.bindQueue(binding('later', 'r', '#'), null);
  assert.deepEqual(names(vhost.routeDelayed('later', ['k'], message(headers))), ['q', 'r']);
  vhost.deleteExchange('later');
  assert.equal(vhost.routeDelayed('later', ['k'], message(headers)), null);
});

test('without x-delay, or with one that is not positive, a message is routed at once', () => {
  const { vhost } = withStore();
  for (const headers of [null, {}, { 'x-delay': 0 }, { 'x-delay': -5000 }, { 'x-delay': 4_294_967_296 }]) {
    const route = published(vhost, 'later', 'k', headers);
    assert.deepEqual([names(route), route.delayMs], [['q'], -1], JSON.stringify(headers));
    assert.equal(route.cacheable, false, 'the next message may have a delay');
  }
});

test('x-delay is any number of milliseconds that a 32-bit timer knows, also as a text', () => {
  const cases: [Value, number][] = [
    [1, 1],
    [4_294_967_295, 4_294_967_295],
    [10n, 10],
    ['250', 250],
    [1.9, 1],
    [0.5, -1],
    ['soon', -1],
    ['', -1],
    [true, -1],
    [null, -1],
    [2n ** 63n, -1],
    [Number.NaN, -1],
    [Number.POSITIVE_INFINITY, -1],
  ];
  for (const [header, expected] of cases) {
    assert.equal(delayOf(message({ 'x-delay': header })), expected, String(header));
  }
});

test('a message waits also where another exchange leads to the one that delays, and only there', () => {
  const { vhost, asked } = withStore('fanout');
  vhost.declareQueue(queue('direct'), null);
  vhost.bindQueue(binding('amq.fanout', 'direct'), null);
  vhost.bindExchange(binding('amq.fanout', 'later'));
  vhost.declareExchange(exchange('also later', 'x-delayed-message', delayed('fanout')));
  vhost.bindExchange(binding('amq.fanout', 'also later'));
  vhost.declareQueue(queue('r'), null);
  vhost.bindQueue(binding('also later', 'r'), null);
  const headers = { 'x-delay': 70 };
  const route = published(vhost, 'amq.fanout', 'k', headers);
  assert.deepEqual([names(route), route.delayMs], [['(store)', 'direct'], 70]);
  assert.deepEqual(asked, [70], 'stored once');
  assert.deepEqual(names(vhost.routeDelayed('amq.fanout', ['k'], message(headers))), ['q', 'r']);
});

test('what has waited does not wait again at the next exchange', () => {
  const { vhost } = withStore('fanout');
  vhost.declareExchange(exchange('second', 'x-delayed-message', delayed('fanout')));
  vhost.bindExchange(binding('later', 'second'));
  vhost.declareQueue(queue('r'), null);
  vhost.bindQueue(binding('second', 'r'), null);
  assert.deepEqual(names(vhost.routeDelayed('later', ['k'], message({ 'x-delay': 5 }))), ['q', 'r']);
});

test('the alternate exchange gets what no binding wants when the time has come, and nothing before', () => {
  const { vhost } = withStore();
  const options = { 'x-delayed-type': 'direct', 'alternate-exchange': 'amq.fanout' };
  vhost.declareExchange(exchange('x', 'x-delayed-message', { arguments: options }));
  vhost.declareQueue(queue('rest'), null);
  vhost.bindQueue(binding('amq.fanout', 'rest'), null);
  const headers = { 'x-delay': 5 };
  assert.deepEqual(names(published(vhost, 'x', 'k', headers)), ['(store)']);
  assert.deepEqual(names(vhost.routeDelayed('x', ['k'], message(headers))), ['rest']);
});

test('further routing keys count when the time has come', () => {
  const { vhost } = withStore();
  const headers = { 'x-delay': 5 };
  vhost.declareQueue(queue('hidden'), null);
  vhost.bindQueue(binding('later', 'hidden', 'b'), null);
  assert.deepEqual(names(vhost.routeDelayed('later', ['other', 'k', 'b'], message(headers))), [
    'hidden',
    'q',
  ]);
});

test('the type behind it must be there, and another one', () => {
  const { vhost } = newVirtualHost();
  const declare = (args: Table) => () =>
    vhost.declareExchange(exchange('x', 'x-delayed-message', { arguments: args }));
  const kind = 'precondition-failed';
  const missing = "Invalid argument, 'x-delayed-type' must be an existing exchange type";
  assertRefused(declare({}), kind, missing);
  assertRefused(declare({ 'x-delayed-type': 7 }), kind, missing);
  const known = new ExchangeTypes().names().join(', ');
  const unknown = `unknown exchange type 'none'; there are ${known}`;
  assertRefused(declare({ 'x-delayed-type': 'none' }), kind, unknown);
  assertRefused(
    declare({ 'x-delayed-type': 'x-delayed-message' }),
    kind,
    "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'",
  );
  declare({ 'x-delayed-type': 'direct' })();
  assertRefused(
    declare({ 'x-delayed-type': 'fanout' }),
    kind,
    "inequivalent arg 'x-delayed-type' for exchange 'x' in vhost '/': received 'fanout' but current is 'direct'",
  );
});

test('arguments and bindings are checked as the type behind it does', () => {
  const { vhost } = newVirtualHost();
  const args = { 'x-delayed-type': 'x-consistent-hash', 'hash-property': 'none' };
  assertRefused(
    () => vhost.declareExchange(exchange('x', 'x-delayed-message', { arguments: args })),
    'precondition-failed',
    'Unsupported property: none',
  );
  vhost.declareExchange(exchange('x', 'x-delayed-message', delayed('x-consistent-hash')));
  vhost.declareQueue(queue('q'), null);
  assertRefused(
    () => vhost.bindQueue(binding('x', 'q', 'heavy'), null),
    'precondition-failed',
    'The binding key must be an integer: <<"heavy">>',
  );
});
