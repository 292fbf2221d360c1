import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Table } from '../../../src/base/value.ts';
import { BrokerError } from '../../../src/broker/errors.ts';
import type { BindingInfo } from '../../../src/broker/topology/listing.ts';
import {
  decodeOperation,
  encodeOperation,
  type MetadataOperation,
} from '../../../src/broker/topology/metadata.ts';
import type { Route } from '../../../src/broker/topology/route.ts';
import { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import {
  contents,
  type FakeQueue,
  type Fixture,
  fakeQueues,
  newVirtualHost,
  unconditionally,
} from './fixture.ts';

/**
 * Random commands; after each one, what the virtual host answers is compared with what a slow and simple reading of
 * its listings says, and at the end with what is recovered from the journal and from a snapshot.
 */
const queueName = fc.constantFrom('q1', 'q2', 'q3');
const exchangeName = fc.constantFrom('x1', 'x2', 'x3', 'x4', 'amq.topic');
const key = fc.constantFrom('a', 'a.b', '#', '*.b', '');
const args: fc.Arbitrary<Table> = fc.constantFrom<Table>({}, { h: 1 }, { 'x-match': 'any', h: 2n, g: 'x' });
const owners = [{}, {}];
const owner = fc.constantFrom(...owners);
const command = fc.oneof(
  fc.record({
    kind: fc.constant('declareQueue'),
    name: queueName,
    durable: fc.boolean(),
    exclusive: fc.boolean(),
    owner,
  }),
  fc.record({
    kind: fc.constant('declareExchange'),
    name: exchangeName,
    type: fc.constantFrom('direct', 'fanout', 'topic', 'headers'),
    durable: fc.boolean(),
    autoDelete: fc.boolean(),
    alternate: fc.option(fc.oneof(exchangeName, fc.constant(''))),
  }),
  fc.record({ kind: fc.constant('deleteQueue'), name: queueName, owner }),
  fc.record({ kind: fc.constant('deleteExchange'), name: exchangeName, ifUnused: fc.boolean() }),
  fc.record({ kind: fc.constant('removeExclusiveQueues'), owner }),
  fc.record({
    kind: fc.constantFrom('bindQueue', 'bindQueue', 'bindQueue', 'unbindQueue'),
    source: exchangeName,
    destination: queueName,
    key,
    args,
    owner,
  }),
  fc.record({
    kind: fc.constantFrom('bindExchange', 'bindExchange', 'unbindExchange'),
    source: exchangeName,
    destination: exchangeName,
    key,
    args,
  }),
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

function run(vhost: VirtualHost<FakeQueue>, step: Command): void {
  if ('durable' in step && 'exclusive' in step) {
    const { name, durable, exclusive, owner: by } = step;
    vhost.declareQueue({ name, durable, exclusive, autoDelete: false, arguments: {} }, by);
  } else if ('type' in step) {
    const { name, type, durable, autoDelete, alternate } = step;
    const declared = alternate === null ? {} : { 'alternate-exchange': alternate };
    vhost.declareExchange({ name, type, durable, autoDelete, internal: false, arguments: declared });
  } else if ('ifUnused' in step) {
    vhost.deleteExchange(step.name, step.ifUnused);
  } else if ('key' in step) {
    const { source, destination } = step;
    const request = { source, destination, routingKey: step.key, arguments: step.args };
    if ('owner' in step) vhost[step.kind](request, step.owner);
    else vhost[step.kind](request);
  } else if ('name' in step) {
    vhost.deleteQueue(step.name, unconditionally, step.owner);
  } else {
    vhost.removeExclusiveQueues(step.owner);
  }
}

/** The reference for routing, from the listings alone. */
function expectedRoute(
  vhost: VirtualHost<FakeQueue>,
  from: string,
  routingKey: string,
  headers: Table,
): string[] {
  const bindings = vhost.listBindings();
  const exchanges = new Map(vhost.listExchanges().map((info) => [info.name, info]));
  const queues = new Set<string>();
  const seen = new Set<string>();
  const pass = (name: string): void => {
    const info = exchanges.get(name);
    if (info === undefined || seen.has(name)) return;
    seen.add(name);
    if (name === '') {
      if (vhost.findQueue(routingKey) !== undefined) queues.add(routingKey);
      return;
    }
    const found = bindings.filter(
      (b) => b.source === name && bindingMatches(info.type, b, routingKey, headers),
    );
    for (const { destinationKind, destination } of found) {
      if (destinationKind === 'queue') queues.add(destination);
      else pass(destination);
    }
    const alternate = info.arguments['alternate-exchange'];
    if (found.length === 0 && typeof alternate === 'string') pass(alternate);
  };
  pass(from);
  return [...queues].sort();
}

function bindingMatches(type: string, binding: BindingInfo, routingKey: string, headers: Table): boolean {
  if (type === 'fanout') return true;
  if (type === 'direct') return binding.routingKey === routingKey;
  if (type === 'topic') {
    const expression = { a: /^a$/, 'a.b': /^a\.b$/, '#': /^.*$/, '*.b': /^[^.]*\.b$/, '': /^$/ }[
      binding.routingKey
    ];
    return expression?.test(routingKey) === true;
  }
  const expected = Object.entries(binding.arguments).filter(([name]) => name !== 'x-match');
  const agrees = ([name, value]: (typeof expected)[number]) => Number(headers[name]) === Number(value);
  return binding.arguments['x-match'] === 'any' ? expected.some(agrees) : expected.every(agrees);
}

/** What publishers keep: each route that was ever handed out, and what it was asked for. */
type Kept = Map<Route<FakeQueue>, readonly [from: string, routingKey: string]>;

function assertConsistent({ vhost }: Fixture, kept: Kept): void {
  const queues = new Set(vhost.listQueues().map(({ name }) => name));
  const exchanges = new Set(vhost.listExchanges().map(({ name }) => name));
  for (const { source, destinationKind, destination } of vhost.listBindings()) {
    assert.ok(exchanges.has(source), `the source of a binding is there: ${source}`);
    const ends = destinationKind === 'queue' ? queues : exchanges;
    assert.ok(ends.has(destination), `the destination of a binding is there: ${destination}`);
  }
  for (const from of exchanges) {
    if (from.startsWith('amq.rabbitmq.')) continue;
    const exchange = vhost.exchangeForPublish(from);
    for (const routingKey of ['a', 'a.b', '', 'c.b', 'q1', 'q2']) {
      for (const headers of [{}, { h: 1 }, { h: 2 }]) {
        const found = vhost.route(exchange, routingKey, { headers: () => headers, property: () => null });
        const expected = expectedRoute(vhost, from, routingKey, headers);
        assert.deepEqual(names(found), expected, `${from} with '${routingKey}'`);
        assert.equal(found.version, vhost.version);
        if (found.cacheable) kept.set(found, [from, routingKey]);
      }
    }
  }
  for (const [route, [from, routingKey]] of kept) {
    if (route.version !== vhost.version) continue;
    const expected = expectedRoute(vhost, from, routingKey, {});
    assert.deepEqual(names(route), expected, `${from} with '${routingKey}', as it was kept`);
    assert.ok(route.queues.every((queue) => vhost.findQueue(queue.name) === queue));
  }
}

function names({ queues }: Route<FakeQueue>): string[] {
  return queues.map(({ name }) => name).sort();
}

function recover(operations: readonly MetadataOperation[], times: number): VirtualHost<FakeQueue> {
  const log = { append: () => assert.fail('recovery journals nothing') };
  const vhost = new VirtualHost<FakeQueue>('/', { createQueue: fakeQueues(), log });
  for (const operation of operations) {
    for (let i = 0; i < times; i++) vhost.apply(decodeOperation(encodeOperation(operation)));
  }
  return vhost;
}

test('routes, listings, journal and snapshot agree after any sequence of commands', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), (steps) => {
      const fixture = newVirtualHost();
      const kept: Kept = new Map();
      for (const step of steps) {
        const before = fixture.journal.length;
        try {
          run(fixture.vhost, step);
        } catch (error) {
          if (!(error instanceof BrokerError)) throw error;
          assert.equal(fixture.journal.length, before, 'what is refused leaves no trace');
        }
        assertConsistent(fixture, kept);
      }
      const expected = contents(fixture.vhost);
      assert.deepEqual(contents(recover(fixture.journal, 1)), expected, 'from the journal');
      assert.deepEqual(contents(recover(fixture.journal, 2)), expected, 'each operation twice');
      assert.deepEqual(contents(recover(fixture.vhost.snapshot(), 1)), expected, 'from the snapshot');
    }),
    { numRuns: 150 },
  );
});
