import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExchangeTypes } from '../../../src/broker/exchanges/registry.ts';
import { assertRefused, binding, exchange, newVirtualHost, queue } from './fixture.ts';

test('a virtual host begins with the exchanges that clients expect', () => {
  const { vhost, journal } = newVirtualHost();
  const found = vhost.listExchanges().map(({ name, type, internal }) => [name, type, internal]);
  assert.deepEqual(found, [
    ['', 'direct', false],
    ['amq.direct', 'direct', false],
    ['amq.fanout', 'fanout', false],
    ['amq.topic', 'topic', false],
    ['amq.headers', 'headers', false],
    ['amq.match', 'headers', false],
    ['amq.rabbitmq.trace', 'topic', true],
    ['amq.rabbitmq.event', 'topic', true],
  ]);
  assert.ok(vhost.listExchanges().every(({ durable, autoDelete }) => durable && !autoDelete));
  assert.deepEqual(journal, []);
});

test('declaring an exchange again gives the same one, and journals it once', () => {
  const { vhost, journal } = newVirtualHost();
  const first = vhost.declareExchange(exchange('x', 'topic'));
  assert.equal(vhost.declareExchange(exchange('x', 'topic', { arguments: { other: 'data' } })), first);
  assert.equal(vhost.checkExchange('x'), first);
  assert.deepEqual(journal, [
    {
      op: 'exchange.declare',
      vhost: '/',
      name: 'x',
      type: 'topic',
      autoDelete: false,
      internal: false,
      arguments: {},
    },
  ]);
});

test('a predeclared exchange can be declared as it is', () => {
  const { vhost } = newVirtualHost();
  assert.equal(vhost.declareExchange(exchange('amq.topic', 'topic')), vhost.checkExchange('amq.topic'));
});

test('declaring an exchange differently is refused, and says in what', () => {
  const { vhost } = newVirtualHost();
  vhost.declareExchange(exchange('x', 'direct', { arguments: { 'alternate-exchange': 'a' } }));
  const same = { arguments: { 'alternate-exchange': 'a' } };
  const message = (arg: string, received: string, current: string) =>
    `inequivalent arg '${arg}' for exchange 'x' in vhost '/': received ${received} but current is ${current}`;
  assertRefused(
    () => vhost.declareExchange(exchange('x', 'fanout', same)),
    'precondition-failed',
    message('type', "'fanout'", "'direct'"),
  );
  assertRefused(
    () => vhost.declareExchange(exchange('x', 'direct', { ...same, durable: false })),
    'precondition-failed',
    message('durable', "'false'", "'true'"),
  );
  assertRefused(
    () => vhost.declareExchange(exchange('x', 'direct', { ...same, autoDelete: true })),
    'precondition-failed',
    message('auto_delete', "'true'", "'false'"),
  );
  assertRefused(
    () => vhost.declareExchange(exchange('x', 'direct', { ...same, internal: true })),
    'precondition-failed',
    message('internal', "'true'", "'false'"),
  );
  assertRefused(
    () => vhost.declareExchange(exchange('x', 'direct', { arguments: { 'alternate-exchange': 'b' } })),
    'precondition-failed',
    message('alternate-exchange', "'b'", "'a'"),
  );
  assertRefused(
    () => vhost.declareExchange(exchange('x', 'direct')),
    'precondition-failed',
    message('alternate-exchange', 'none', "the value 'a' of type 'longstr'"),
  );
});

test('what is wrong with an exchange declaration is said in the words of RabbitMQ', () => {
  const { vhost, journal } = newVirtualHost();
  assertRefused(() => vhost.checkExchange('x'), 'not-found', "no exchange 'x' in vhost '/'");
  assertRefused(
    () => vhost.declareExchange(exchange('x', 'none')),
    'precondition-failed',
    `unknown exchange type 'none'; there are ${new ExchangeTypes().names().join(', ')}`,
  );
  assertRefused(
    () => vhost.declareExchange(exchange('amq.foo', 'direct')),
    'access-refused',
    "exchange name 'amq.foo' contains reserved prefix 'amq.*'",
  );
  for (const command of [
    () => vhost.declareExchange(exchange('', 'direct')),
    () => vhost.checkExchange(''),
    () => vhost.deleteExchange(''),
  ]) {
    assertRefused(command, 'access-refused', 'operation not permitted on the default exchange');
  }
  assertRefused(
    () => vhost.declareExchange(exchange('x', 'direct', { arguments: { 'alternate-exchange': 1 } })),
    'precondition-failed',
    "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'",
  );
  assert.throws(() => vhost.declareExchange(exchange('é'.repeat(128), 'direct')), /256 bytes, at most 255/);
  assert.equal(vhost.listExchanges().length, 8);
  assert.deepEqual(journal, []);
});

test('publishing to an internal or unknown exchange is refused', () => {
  const { vhost } = newVirtualHost();
  vhost.declareExchange(exchange('x', 'direct', { internal: true }));
  assertRefused(
    () => vhost.exchangeForPublish('x'),
    'access-refused',
    "cannot publish to internal exchange 'x' in vhost '/'",
  );
  assertRefused(() => vhost.exchangeForPublish('y'), 'not-found', "no exchange 'y' in vhost '/'");
  assert.equal(vhost.exchangeForPublish(''), vhost.defaultExchange);
});

test('deleting an exchange takes its bindings along, and minds if-unused', () => {
  const { vhost, journal } = newVirtualHost();
  vhost.declareExchange(exchange('x', 'fanout'));
  vhost.declareExchange(exchange('y', 'fanout'));
  vhost.declareQueue(queue('q'), null);
  vhost.bindExchange(binding('x', 'y'));
  vhost.bindQueue(binding('y', 'q'), null);
  assertRefused(
    () => vhost.deleteExchange('y', true),
    'precondition-failed',
    "exchange 'y' in vhost '/' in use",
  );
  vhost.deleteExchange('y');
  assert.deepEqual(vhost.listBindings({ source: 'y' }), []);
  assert.deepEqual(vhost.listBindings({ source: 'x' }), []);
  assert.deepEqual(journal.at(-1), { op: 'exchange.delete', vhost: '/', name: 'y' });
  vhost.deleteExchange('x', true);
  vhost.deleteExchange('x');
  assert.equal(journal.filter(({ op }) => op === 'exchange.delete').length, 2);
});

test('the exchanges of the system cannot be deleted', () => {
  const { vhost } = newVirtualHost();
  assertRefused(
    () => vhost.deleteExchange('amq.direct'),
    'access-refused',
    "deletion of system exchange 'amq.direct' in vhost '/' not allowed",
  );
});
