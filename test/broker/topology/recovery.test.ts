import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeOperation,
  encodeOperation,
  type MetadataOperation,
} from '../../../src/broker/topology/metadata.ts';
import { VirtualHosts } from '../../../src/broker/topology/virtual-hosts.ts';
import { binding, contents, exchange, type FakeQueue, fakeQueues, queue, routed } from './fixture.ts';

function newVirtualHosts(): { vhosts: VirtualHosts<FakeQueue>; journal: MetadataOperation[] } {
  const journal: MetadataOperation[] = [];
  const log = {
    append: (operation: MetadataOperation) => void journal.push(decodeOperation(encodeOperation(operation))),
  };
  return { vhosts: new VirtualHosts({ createQueue: fakeQueues(), log }), journal };
}

function recovered(operations: readonly MetadataOperation[]): VirtualHosts<FakeQueue> {
  const { vhosts, journal } = newVirtualHosts();
  for (const operation of operations) vhosts.apply(operation);
  assert.deepEqual(journal, [], 'recovery journals nothing');
  return vhosts;
}

test('the journal brings back durable things alone, with their ids, and routing works', () => {
  const { vhosts, journal } = newVirtualHosts();
  const vhost = vhosts.create('/');
  vhost.declareExchange(exchange('x', 'topic', { arguments: { 'alternate-exchange': 'amq.fanout' } }));
  vhost.declareExchange(exchange('gone', 'topic', { durable: false }));
  const kept = vhost.declareQueue(queue('kept'), null);
  const owner = {};
  vhost.declareQueue(queue('exclusive', { exclusive: true }), owner);
  vhost.declareQueue(queue('other', { autoDelete: true }), null);
  for (const name of ['kept', 'exclusive']) vhost.bindQueue(binding('x', name, 'a.#'), owner);
  vhost.bindQueue(binding('amq.fanout', 'other'), null);
  for (const operations of [journal, vhosts.snapshot()]) {
    const after = recovered(operations).get('/');
    assert.ok(after);
    assert.deepEqual(
      after.listQueues().map(({ name, id, autoDelete }) => [name, id, autoDelete]),
      [
        ['kept', kept.id, false],
        ['other', kept.id + 2, true],
      ],
    );
    assert.deepEqual(routed(after, 'x', 'a.b'), ['kept']);
    assert.deepEqual(routed(after, 'x', 'b'), ['other']);
    assert.throws(() => after.checkExchange('gone'), { kind: 'not-found' });
  }
});

test('an auto-delete exchange that only a transient binding kept is there after recovery', () => {
  const { vhosts, journal } = newVirtualHosts();
  const vhost = vhosts.create('/');
  vhost.declareExchange(exchange('x', 'fanout', { autoDelete: true }));
  vhost.declareQueue(queue('kept'), null);
  vhost.declareQueue(queue('transient', { durable: false }), null);
  vhost.bindQueue(binding('x', 'kept'), null);
  vhost.bindQueue(binding('x', 'transient'), null);
  vhost.unbindQueue(binding('x', 'kept'), null);
  assert.equal(recovered(journal).get('/')?.checkExchange('x').autoDelete, true);
});

test('virtual hosts are separate, and deleting one removes its queues', () => {
  const { vhosts, journal } = newVirtualHosts();
  const [a, b] = [vhosts.create('a'), vhosts.create('b')];
  assert.equal(vhosts.create('a'), a);
  const inA = a.declareQueue(queue('q'), null);
  const inB = b.declareQueue(queue('q'), null);
  assert.notEqual(inA.id, inB.id);
  vhosts.delete('a');
  assert.deepEqual([inA.removals, inB.removals], [1, 0]);
  assert.throws(() => vhosts.delete('a'), { kind: 'not-found' });
  assert.deepEqual(
    Array.from(recovered(journal), ({ name }) => name),
    ['b'],
  );
  assert.deepEqual(contents(recovered(journal)), contents(vhosts));
});

test('an operation that is in effect already changes nothing', () => {
  const { vhosts, journal } = newVirtualHosts();
  const vhost = vhosts.create('/');
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue(binding('amq.fanout', 'q'), null);
  const before = contents(vhosts);
  const { version } = vhost;
  for (const operation of journal) vhosts.apply(operation);
  assert.deepEqual([contents(vhosts), vhost.version], [before, version]);
  vhost.unbindQueue(binding('amq.fanout', 'q'), null);
  assert.deepEqual(routed(vhost, 'amq.fanout', ''), [], 'the binding was not there twice');
});

test('a deletion that was meant for an earlier queue leaves its successor', () => {
  const { vhosts, journal } = newVirtualHosts();
  const vhost = vhosts.create('/');
  vhost.removeQueue(vhost.declareQueue(queue('q'), null));
  const second = vhost.declareQueue(queue('q'), null);
  const deletion = journal.find(({ op }) => op === 'queue.delete');
  assert.ok(deletion);
  vhosts.apply(deletion);
  assert.equal(vhost.findQueue('q'), second);
});

test('a journal that contradicts itself is reported, not guessed around', () => {
  const base = { vhost: '/', autoDelete: false, arguments: {} } as const;
  const start = [
    { op: 'vhost.create', vhost: '/' },
    { ...base, op: 'queue.declare', name: 'q', id: 1 },
    { ...base, op: 'exchange.declare', name: 'x', type: 'topic', internal: false },
  ] as const;
  const bind = { ...base, op: 'binding.add', destinationKind: 'queue', routingKey: '' } as const;
  const cases: [MetadataOperation, RegExp][] = [
    [
      { ...base, op: 'queue.declare', name: 'q', id: 2 },
      /queue 'q' in vhost '\/' with id 2, but it is .* id 1/,
    ],
    [
      { ...base, op: 'exchange.declare', name: 'x', type: 'direct', internal: false },
      /as direct, .* as topic/,
    ],
    [
      { ...base, op: 'exchange.declare', name: 'y', type: 'new', internal: false },
      /unknown exchange type 'new'/,
    ],
    [{ ...bind, source: 'y', destination: 'q' }, /exchange 'y' in vhost '\/', which is not there/],
    [{ ...bind, source: 'x', destination: 'r' }, /queue 'r' in vhost '\/', which is not there/],
    [{ ...base, op: 'queue.declare', name: 'q', id: 1, vhost: 'v' }, /vhost 'v', which is not there/],
  ];
  for (const [operation, message] of cases) assert.throws(() => recovered([...start, operation]), message);
});
