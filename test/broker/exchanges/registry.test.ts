import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExchangeTypes } from '../../../src/broker/exchanges/registry.ts';
import type { BindingPattern, ExchangeType, Router } from '../../../src/broker/exchanges/type.ts';
import { decodeOperation, encodeOperation } from '../../../src/broker/topology/metadata.ts';
import { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import { assertRefused, binding, exchange, fakeQueues, queue, routed } from '../topology/fixture.ts';

/** A type of somebody else's making: keys match from their ends. */
const suffixExchange: ExchangeType = {
  name: 'x-suffix',
  createRouter<B extends BindingPattern>(): Router<B> {
    const bindings = new Set<B>();
    return {
      isKeyed: true,
      takesEveryKey: true,
      add: (added) => void bindings.add(added),
      remove: (removed) => void bindings.delete(removed),
      route(routingKey, _message, visit) {
        for (const found of bindings) if (routingKey.endsWith(found.routingKey)) visit(found);
      },
    };
  },
};

test('a new exchange type is one value, and works like those of AMQP', () => {
  const types = new ExchangeTypes([suffixExchange]);
  const vhost = new VirtualHost('/', { createQueue: fakeQueues(), log: { append() {} }, types });
  vhost.declareExchange(exchange('x', 'x-suffix'));
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('x', 'q', '.log'), null);
  assert.deepEqual(routed(vhost, 'x', 'server.log'), ['q']);
  assert.deepEqual(routed(vhost, 'x', 'server.txt'), []);
});

test('a type that nobody registered is refused, which ends no more than a channel', () => {
  const types = new ExchangeTypes();
  const known = types.names().join(', ');
  assertRefused(
    () => types.get('x-none'),
    'precondition-failed',
    `unknown exchange type 'x-none'; there are ${known}`,
  );
  assertRefused(
    () => types.get('topc'),
    'precondition-failed',
    `unknown exchange type 'topc' (did you mean 'topic'?); there are ${known}`,
  );
});

test('a type cannot be registered twice', () => {
  assert.throws(() => new ExchangeTypes([suffixExchange, suffixExchange]), /registered already/);
});

test('every type comes back from a snapshot, and leads where it led', () => {
  const vhosts = ['before', 'after'].map(
    () => new VirtualHost('/', { createQueue: fakeQueues(), log: { append() {} } }),
  );
  const [before, after] = vhosts as [(typeof vhosts)[0], (typeof vhosts)[0]];
  for (const name of ['b', 'a', 'd', 'c']) before.declareQueue(queue(name), null);
  // That of a stream comes with the stream.
  const types = new ExchangeTypes().names().filter((type) => type !== 'x-stream');
  for (const type of types) {
    const args = type === 'x-delayed-message' ? { 'x-delayed-type': 'x-consistent-hash' } : {};
    before.declareExchange(exchange(`of ${type}`, type, { arguments: args }));
    for (const name of ['b', 'a', 'd', 'c']) before.bindQueue(binding(`of ${type}`, name, '1'), null);
  }
  for (const operation of before.snapshot()) after.apply(decodeOperation(encodeOperation(operation)));
  for (const type of types) {
    for (const key of ['1', 'user.1', 'user.2', 'user.3']) {
      if (type === 'x-random') continue;
      assert.deepEqual(
        routed(after, `of ${type}`, key),
        routed(before, `of ${type}`, key),
        `${type}, ${key}`,
      );
    }
  }
});
