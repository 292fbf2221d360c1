import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bareMessage, cachedRoutesMax } from '../../../src/broker/topology/routing.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { binding, exchange, newVirtualHost, queue, routed, unconditionally } from './fixture.ts';

test('the default exchange reaches every queue by its name', () => {
  const { vhost } = newVirtualHost();
  assert.deepEqual(routed(vhost, '', 'q'), []);
  vhost.declareQueue(queue('q'), null);
  assert.deepEqual(routed(vhost, '', 'q'), ['q']);
  vhost.deleteQueue('q', unconditionally, null);
  assert.deepEqual(routed(vhost, '', 'q'), []);
});

test('a message reaches a queue once, however many ways lead there', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('amq.topic', 'q', 'a.*'), null);
  vhost.bindQueue(binding('amq.topic', 'q', '#'), null);
  vhost.bindExchange(binding('amq.topic', 'amq.fanout', 'a.b'));
  vhost.bindQueue(binding('amq.fanout', 'q'), null);
  assert.deepEqual(routed(vhost, 'amq.topic', 'a.b'), ['q']);
});

test('a message passes through exchanges by each one in its own way', () => {
  const { vhost } = newVirtualHost();
  for (const name of ['q', 'r', 's']) vhost.declareQueue(queue(name), null);
  vhost.bindExchange(binding('amq.fanout', 'amq.topic'));
  vhost.bindExchange(binding('amq.topic', 'amq.direct', 'a.#'));
  vhost.bindQueue(binding('amq.direct', 'q', 'a.b'), null);
  vhost.bindQueue(binding('amq.direct', 'r', 'a'), null);
  vhost.bindQueue(binding('amq.topic', 's', '*.b'), null);
  assert.deepEqual(routed(vhost, 'amq.fanout', 'a.b'), ['q', 's']);
  assert.deepEqual(routed(vhost, 'amq.fanout', 'a'), ['r']);
  assert.deepEqual(routed(vhost, 'amq.fanout', 'b.b'), ['s']);
});

test('exchanges that are bound in a circle route each message once around', () => {
  const { vhost } = newVirtualHost();
  for (const name of ['a', 'b', 'c']) {
    vhost.declareExchange(exchange(name, 'fanout'));
    vhost.declareQueue(queue(`q${name}`), null);
    vhost.bindQueue(binding(name, `q${name}`), null);
  }
  for (const [from, to] of ['ab', 'bc', 'ca', 'aa']) vhost.bindExchange(binding(from, to));
  for (const name of ['a', 'b', 'c']) assert.deepEqual(routed(vhost, name, ''), ['qa', 'qb', 'qc']);
});

test('an internal exchange is reached through a binding', () => {
  const { vhost } = newVirtualHost();
  vhost.declareExchange(exchange('inner', 'fanout', { internal: true }));
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('inner', 'q'), null);
  vhost.bindExchange(binding('amq.direct', 'inner', 'k'));
  assert.deepEqual(routed(vhost, 'amq.direct', 'k'), ['q']);
});

test('what matches no binding goes to the alternate exchange, and on to its alternate', () => {
  const { vhost } = newVirtualHost();
  const alternate = (name: string) => ({ arguments: { 'alternate-exchange': name } });
  vhost.declareExchange(exchange('x', 'direct', alternate('y')));
  for (const name of ['matched', 'second', 'last']) vhost.declareQueue(queue(name), null);
  vhost.bindQueue(binding('x', 'matched', 'k'), null);
  assert.deepEqual(routed(vhost, 'x', 'other'), [], 'the alternate exchange need not exist');
  vhost.declareExchange(exchange('y', 'direct', { ...alternate('z'), internal: true }));
  vhost.declareExchange(exchange('z', 'fanout', alternate('x')));
  vhost.bindQueue(binding('y', 'second', 'other'), null);
  vhost.bindQueue(binding('z', 'last'), null);
  assert.deepEqual(routed(vhost, 'x', 'k'), ['matched']);
  assert.deepEqual(routed(vhost, 'x', 'other'), ['second']);
  assert.deepEqual(routed(vhost, 'x', 'third'), ['last']);
});

test('alternate exchanges in a circle end', () => {
  const { vhost } = newVirtualHost();
  vhost.declareExchange(exchange('x', 'direct', { arguments: { 'alternate-exchange': 'y' } }));
  vhost.declareExchange(exchange('y', 'direct', { arguments: { 'alternate-exchange': 'x' } }));
  assert.deepEqual(routed(vhost, 'x', 'k'), []);
});

test('a binding to an exchange that leads nowhere still counts as a match', () => {
  const { vhost } = newVirtualHost();
  vhost.declareExchange(exchange('x', 'fanout', { arguments: { 'alternate-exchange': 'amq.fanout' } }));
  vhost.declareExchange(exchange('empty', 'fanout'));
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('amq.fanout', 'q'), null);
  vhost.bindExchange(binding('x', 'empty'));
  assert.deepEqual(routed(vhost, 'x', 'k'), []);
});

test('the route of an exchange and key is the same object until the topology changes', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('amq.topic', 'q', '#'), null);
  const from = vhost.exchangeForPublish('amq.topic');
  const first = vhost.route(from, 'a', {
    headers: () => assert.fail('no headers are needed'),
    property: () => assert.fail('no properties are needed'),
  });
  assert.equal(vhost.route(from, 'a', bareMessage), first);
  assert.notEqual(vhost.route(from, 'b', bareMessage), first);
  assert.deepEqual([first.cacheable, first.version], [true, vhost.version]);
  vhost.bindQueue(binding('amq.topic', 'q', '#'), null);
  assert.equal(first.version, vhost.version, 'to bind again changes nothing');
  vhost.declareQueue(queue('r'), null);
  const changes: (() => void)[] = [
    () => vhost.bindQueue(binding('amq.topic', 'r', 'a'), null),
    () => vhost.unbindQueue(binding('amq.topic', 'r', 'a'), null),
    () => vhost.bindQueue(binding('amq.fanout', 'r', 'a'), null),
    () => vhost.deleteQueue('r', unconditionally, null),
    () => vhost.declareExchange(exchange('x', 'fanout')),
    () => vhost.deleteExchange('x'),
  ];
  for (const change of changes) {
    const before = vhost.route(from, 'a', bareMessage);
    change();
    assert.notEqual(vhost.version, before.version, String(change));
    const after = vhost.route(from, 'a', bareMessage);
    assert.notEqual(after, before);
    assert.equal(after.version, vhost.version);
  }
});

test('a queue that nothing is bound to changes the route of its name, and no other', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('amq.topic', 'q', '#'), null);
  const from = vhost.exchangeForPublish('amq.topic');
  const to = (key: string) => vhost.route(vhost.defaultExchange, key, bareMessage);
  const [topic, other, none] = [vhost.route(from, 'r', bareMessage), to('q'), to('r')];
  assert.deepEqual(none.queues, []);
  vhost.declareQueue(queue('r'), null);
  assert.notEqual(none.version, vhost.version);
  const there = to('r');
  assert.deepEqual([there.queues.map(({ name }) => name), there.version], [['r'], vhost.version]);
  vhost.deleteQueue('r', unconditionally, null);
  assert.notEqual(there.version, vhost.version);
  assert.deepEqual(to('r').queues, []);
  assert.deepEqual([vhost.route(from, 'r', bareMessage), to('q')], [topic, other]);
  assert.deepEqual([topic.version, other.version], [vhost.version, vhost.version]);
});

test('a queue is found at once by an exchange that has the default exchange as its alternate', () => {
  const { vhost } = newVirtualHost();
  vhost.declareExchange(exchange('x', 'direct', { arguments: { 'alternate-exchange': '' } }));
  assert.deepEqual(routed(vhost, 'x', 'q'), []);
  vhost.declareQueue(queue('q'), null);
  assert.deepEqual(routed(vhost, 'x', 'q'), ['q']);
  vhost.deleteQueue('q', unconditionally, null);
  assert.deepEqual(routed(vhost, 'x', 'q'), []);
});

test('a route that the cache had no room for any more holds no longer', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  const to = (key: string) => vhost.route(vhost.defaultExchange, key, bareMessage);
  const first = to('q');
  for (let i = 0; i < cachedRoutesMax; i++) assert.equal(to(`${i}`).version, vhost.version);
  vhost.deleteQueue('q', unconditionally, null);
  assert.notEqual(first.version, vhost.version);
});

test('a route that passes a headers exchange is worked out for each message, which is asked once', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  vhost.bindExchange(binding('amq.fanout', 'amq.headers'));
  vhost.bindExchange(binding('amq.headers', 'amq.match', '', { 'x-match': 'all' }));
  vhost.bindQueue(binding('amq.match', 'q', '', { colour: 'red' }), null);
  const from = vhost.exchangeForPublish('amq.fanout');
  let asked = 0;
  const route = (colour: string) =>
    vhost.route(from, 'k', {
      headers: () => {
        asked++;
        return { colour };
      },
      property: () => null,
    });
  assert.deepEqual([route('red').queues.length, route('blue').queues.length], [1, 0]);
  assert.equal(route('red').cacheable, false);
  assert.equal(asked, 3);
  assert.deepEqual(routed(vhost, 'amq.fanout', 'k', null), []);
});

test('the cache of routes is bounded, and right after it was emptied', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('amq.topic', 'q', 'k.*'), null);
  const from = vhost.exchangeForPublish('amq.topic');
  for (let i = 0; i < cachedRoutesMax + 100; i++) {
    assert.equal(vhost.route(from, `k.${i}`, bareMessage).queues.length, 1);
    vhost.route(vhost.defaultExchange, `${i}`, bareMessage);
  }
  assert.ok(from.routes.size + vhost.defaultExchange.routes.size <= cachedRoutesMax);
  vhost.deleteQueue('q', unconditionally, null);
  assert.equal(from.routes.size + vhost.defaultExchange.routes.size, 0);
  assert.equal(vhost.route(from, 'k.1', bareMessage).queues.length, 0);
});

test('an exchange that was deleted keeps no routes, so that it leads to no deleted queue', () => {
  const { vhost } = newVirtualHost();
  const gone = vhost.declareExchange(exchange('x', 'fanout'));
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('x', 'q'), null);
  assert.equal(vhost.route(gone, '', bareMessage).queues.length, 1);
  vhost.deleteExchange('x');
  assert.equal(vhost.route(gone, '', bareMessage).queues.length, 0);
  assert.equal(gone.routes.size, 0);
});

test('a policy names the alternate exchange of exchanges that were declared without', () => {
  const { vhost } = newVirtualHost();
  const own = { arguments: { 'alternate-exchange': 'amq.direct' } };
  const plain = vhost.declareExchange(exchange('plain', 'topic'));
  const declared = vhost.declareExchange(exchange('declared', 'topic', own));
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('amq.fanout', 'q'), null);
  assert.deepEqual(routed(vhost, 'plain', 'k'), []);
  for (const each of [plain, declared]) each.setPolicy({ alternateExchange: 'amq.fanout' });
  vhost.invalidateRoutes();
  assert.deepEqual(routed(vhost, 'plain', 'k'), ['q']);
  assert.deepEqual(routed(vhost, 'declared', 'k'), [], 'the argument counts');
  plain.setPolicy({ alternateExchange: null });
  vhost.invalidateRoutes();
  assert.deepEqual(routed(vhost, 'plain', 'k'), []);
});

test('with several keys a message goes where each leads; a type that chooses chooses once', () => {
  const { vhost } = newVirtualHost();
  for (const name of ['a', 'b', 'c']) {
    vhost.declareQueue(queue(name), null);
    vhost.bindQueue(binding('amq.topic', name, `${name}.#`), null);
  }
  vhost.declareExchange(exchange('turns', 'x-round-robin'));
  for (const name of ['a', 'b', 'c']) vhost.bindQueue(binding('turns', name), null);
  const to = (from: string, keys: string[]) =>
    vhost
      .routeWithKeys(vhost.exchangeForPublish(from), keys, bareMessage)
      .queues.map((found) => found.name)
      .sort();
  assert.deepEqual(to('amq.topic', ['a.x', 'c', 'a']), ['a', 'c']);
  assert.deepEqual(to('', ['b', 'none', 'c']), ['b', 'c']);
  assert.deepEqual(to('turns', ['x', 'y']), ['a']);
  assert.deepEqual(to('turns', ['x', 'y']), ['b']);
});

test('an exchange that chooses leads to the queue, the exchange or the alternate that it chose', () => {
  const { vhost } = newVirtualHost();
  const alternate = { arguments: { 'alternate-exchange': 'amq.fanout' } };
  const turns = vhost.declareExchange(exchange('turns', 'x-round-robin', alternate));
  for (const name of ['q', 'behind', 'rest']) vhost.declareQueue(queue(name), null);
  vhost.bindQueue(binding('amq.fanout', 'rest'), null);
  assert.deepEqual(routed(vhost, 'turns', 'k'), ['rest']);
  vhost.bindQueue(binding('turns', 'q'), null);
  vhost.bindExchange(binding('turns', 'amq.direct'));
  vhost.bindQueue(binding('amq.direct', 'behind', 'k'), null);
  const found = ['k', 'other', 'k', 'k'].map((key) => routed(vhost, 'turns', key));
  assert.deepEqual(found, [['q'], [], ['q'], ['behind']]);
  const route = vhost.route(turns, 'k', bareMessage);
  assert.equal(route.cacheable, false);
  vhost.route(turns, 'k', bareMessage);
  assert.equal(vhost.route(turns, 'any other', bareMessage), route, 'remembered by the queue');
  vhost.deleteQueue('q', unconditionally, null);
  assert.deepEqual([routed(vhost, 'turns', 'k'), routed(vhost, 'turns', 'k')], [['behind'], ['behind']]);
});

test('many routing keys through a chain of many exchanges end before they hold up others', () => {
  const { vhost } = newVirtualHost();
  for (let index = 0; index < 400; index++) vhost.declareExchange(exchange(`e${index}`, 'direct'));
  const keys = Array.from({ length: 400 }, (_, index) => `k${index}`);
  for (let index = 1; index < 400; index++) {
    for (const key of keys.slice(0, 2)) vhost.bindExchange(binding(`e${index - 1}`, `e${index}`, key));
  }
  vhost.declareQueue(queue('first'), null);
  vhost.bindQueue(binding('e0', 'first', 'k0'), null);
  const through = (routingKeys: readonly string[]) =>
    vhost.routeWithKeys(vhost.exchangeForPublish('e0'), routingKeys, bareMessage);
  assert.equal(through(keys.slice(0, 100)).isCutOff, false);
  const cutOff = through(keys);
  assert.equal(cutOff.isCutOff, true);
  assert.deepEqual(
    cutOff.queues.map(({ name }) => name),
    ['first'],
  );
  // The same key again is the same key.
  const again = Array.from({ length: 100_000 }, () => 'k0');
  assert.equal(through(again).isCutOff, false);
});

test('a binding that would make the messages of others slow is refused, and one that is there is not', () => {
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q'), null);
  const random = seededRandom(3);
  const keys = Array.from({ length: 3000 }, () => {
    const words = Array.from({ length: 100 }, () => 'a*#'[Math.floor(random() * 3)]);
    return `#.${words.join('.')}`;
  });
  const bindAll = (): void => {
    for (const key of keys) vhost.bindQueue(binding('amq.topic', 'q', key), null);
  };
  assert.throws(bindAll, {
    kind: 'resource-error',
    message: /exchange 'amq.topic': too many bindings whose wildcards overlap/,
  });
  vhost.bindQueue(binding('amq.topic', 'q', keys[0]), null);
});
