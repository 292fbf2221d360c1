import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, binding, exchange, newVirtualHost, queue } from './fixture.ts';

test('an auto-delete exchange goes with its last binding, and takes those before it along', () => {
  const { vhost, journal } = newVirtualHost();
  for (const name of ['a', 'b', 'c']) vhost.declareExchange(exchange(name, 'fanout', { autoDelete: true }));
  vhost.declareQueue(queue('q', { durable: false }), null);
  vhost.declareQueue(queue('r'), null);
  vhost.bindExchange(binding('a', 'b'));
  vhost.bindExchange(binding('b', 'c'));
  vhost.bindQueue(binding('c', 'q'), null);
  vhost.bindQueue(binding('c', 'r'), null);
  const names = () => vhost.listExchanges().filter(({ autoDelete }) => autoDelete).length;
  vhost.unbindQueue(binding('c', 'r'), null);
  assert.equal(names(), 3, 'one binding is left');
  vhost.deleteQueue('q', { ifUnused: false, ifEmpty: false }, null);
  assert.equal(names(), 0);
  assert.deepEqual(
    journal.slice(-3).map((operation) => ('name' in operation ? [operation.op, operation.name] : [])),
    [
      ['exchange.delete', 'c'],
      ['exchange.delete', 'b'],
      ['exchange.delete', 'a'],
    ],
  );
});

test('an auto-delete exchange goes when the exchange that it was bound to is deleted', () => {
  const { vhost } = newVirtualHost();
  vhost.declareExchange(exchange('a', 'fanout', { autoDelete: true }));
  vhost.declareExchange(exchange('b', 'fanout'));
  vhost.bindExchange(binding('a', 'b'));
  vhost.deleteExchange('b', true);
  assertRefused(() => vhost.checkExchange('a'), 'not-found', "no exchange 'a' in vhost '/'");
});

test('an auto-delete exchange that was never bound stays, also when what leads to it goes', () => {
  const { vhost } = newVirtualHost();
  vhost.declareExchange(exchange('a', 'fanout', { autoDelete: true }));
  vhost.declareExchange(exchange('b', 'fanout'));
  vhost.bindExchange(binding('b', 'a'));
  vhost.deleteExchange('b');
  vhost.unbindQueue(binding('a', 'nothing'), null);
  assert.equal(vhost.checkExchange('a').name, 'a');
});

test('an auto-delete exchange bound to itself alone can be unbound', () => {
  const { vhost } = newVirtualHost();
  vhost.declareExchange(exchange('a', 'fanout', { autoDelete: true }));
  vhost.bindExchange(binding('a', 'a'));
  vhost.unbindExchange(binding('a', 'a'));
  assertRefused(() => vhost.checkExchange('a'), 'not-found', "no exchange 'a' in vhost '/'");
});
