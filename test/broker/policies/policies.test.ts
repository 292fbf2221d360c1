import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ActivePolicy } from '../../../src/broker/policies/policy.ts';
import { settingsFromArguments } from '../../../src/broker/queues/queue-settings.ts';
import type { MetadataOperation } from '../../../src/broker/topology/metadata.ts';
import { decodeOperation, encodeOperation } from '../../../src/broker/topology/metadata.ts';
import { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import {
  assertRefused,
  contents,
  exchange,
  type FakeQueue,
  fakeQueues,
  newVirtualHost,
  queue,
  routed,
} from '../topology/fixture.ts';

const short = { name: 'short', pattern: '^q', definition: { 'max-length': 5 } };

test('a policy is in force at once for what is there, and for what comes later', () => {
  const { vhost } = newVirtualHost();
  const before = vhost.declareQueue(queue('q1'), null);
  const other = vhost.declareQueue(queue('other'), null);
  vhost.setPolicy(short);
  const after = vhost.declareQueue(queue('q2', { durable: false, exclusive: true }), {});
  assert.deepEqual([before, other, after].map(lengthOf), [5, null, 5]);
  vhost.setPolicy({ ...short, definition: { 'max-length': 7 } });
  assert.deepEqual([before, other, after].map(lengthOf), [7, null, 7]);
  vhost.setPolicy({ ...short, pattern: 'o' });
  assert.deepEqual([before, other, after].map(lengthOf), [null, 5, null]);
  vhost.clearPolicy('short');
  assert.deepEqual([before, other, after].map(lengthOf), [null, null, null]);
  assert.deepEqual(other.settings, settingsFromArguments({}));
});

test('queues that no changed policy matches are left alone', () => {
  const { vhost } = newVirtualHost();
  const untouched = vhost.declareQueue(queue('other'), null);
  const { settings } = untouched;
  vhost.setPolicy(short);
  vhost.clearPolicy('short');
  assert.equal(untouched.settings, settings);
});

test('the policy with the highest priority applies alone', () => {
  const { vhost } = newVirtualHost();
  const declared = vhost.declareQueue(queue('q'), null);
  vhost.setPolicy({ ...short, name: 'low', definition: { 'max-length': 5, expires: 1000 } });
  vhost.setPolicy({ ...short, name: 'high', priority: 1, definition: { 'max-length': 9 } });
  vhost.setPolicy({ ...short, name: 'another', definition: { 'max-length': 1 } });
  assert.deepEqual([lengthOf(declared), declared.settings.expiresMs], [9, null]);
  assert.deepEqual(
    vhost.listPolicies().map(({ name }) => name),
    ['high', 'another', 'low'],
  );
  vhost.clearPolicy('high');
  vhost.clearPolicy('another');
  assert.deepEqual([lengthOf(declared), declared.settings.expiresMs], [5, 1000]);
});

test('the limit of an operator holds whatever the others say', () => {
  const { vhost } = newVirtualHost();
  const generous = vhost.declareQueue(queue('q1', { arguments: { 'x-max-length': 100 } }), null);
  const modest = vhost.declareQueue(queue('q2', { arguments: { 'x-max-length': 2 } }), null);
  vhost.setOperatorPolicy({ name: 'cap', pattern: '', definition: { 'max-length': 10 } });
  assert.deepEqual([generous, modest].map(lengthOf), [10, 2]);
  vhost.setPolicy({ ...short, definition: { 'max-length': 50, overflow: 'reject-publish' } });
  assert.deepEqual([generous, modest].map(lengthOf), [10, 2]);
  assert.equal(generous.settings.overflow, 'reject-publish');
  const [info] = vhost.listQueues();
  assert.deepEqual(
    [info?.policy, info?.operatorPolicy, info?.policyDefinition, info?.settings],
    ['short', 'cap', { 'max-length': 10, overflow: 'reject-publish' }, generous.settings],
  );
  vhost.clearOperatorPolicy('cap');
  assert.deepEqual([generous, modest].map(lengthOf), [50, 2]);
});

test('a policy is for the kinds of things that it names', () => {
  const { vhost } = newVirtualHost();
  const classic = vhost.declareQueue(queue('a'), null);
  const quorum = vhost.declareQueue(queue('b', { arguments: { 'x-queue-type': 'quorum' } }), null);
  const lengths = (applyTo: string) => {
    vhost.setPolicy({ ...short, pattern: '.*', applyTo });
    return [classic, quorum].map(lengthOf);
  };
  assert.deepEqual(lengths('queues'), [5, 5]);
  assert.deepEqual(lengths('classic_queues'), [5, null]);
  assert.deepEqual(lengths('quorum_queues'), [null, 5]);
  assert.deepEqual(lengths('exchanges'), [null, null]);
  assert.deepEqual(lengths('all'), [5, 5]);
});

test('an alternate exchange by policy takes what matches no binding, also when the route is known already', () => {
  const { vhost } = newVirtualHost();
  vhost.declareExchange(exchange('x', 'direct'));
  vhost.declareExchange(exchange('own', 'direct', { arguments: { 'alternate-exchange': 'amq.direct' } }));
  vhost.declareQueue(queue('q'), null);
  vhost.bindQueue({ source: 'amq.fanout', destination: 'q', routingKey: '', arguments: {} }, null);
  assert.deepEqual(routed(vhost, 'x', 'k'), []);
  vhost.setPolicy({ name: 'ae', pattern: '^(x|own)$', definition: { 'alternate-exchange': 'amq.fanout' } });
  assert.deepEqual([routed(vhost, 'x', 'k'), routed(vhost, 'own', 'k')], [['q'], []]);
  const infos = vhost.listExchanges().filter(({ policy }) => policy === 'ae');
  assert.deepEqual(
    infos.map(({ name, alternateExchange }) => [name, alternateExchange]),
    [
      ['x', 'amq.fanout'],
      ['own', 'amq.direct'],
    ],
  );
  vhost.clearPolicy('ae');
  assert.deepEqual(routed(vhost, 'x', 'k'), []);
});

test('a policy that is refused, or to be cleared and not there, changes nothing', () => {
  const { vhost, journal } = newVirtualHost();
  const declared = vhost.declareQueue(queue('q'), null);
  vhost.setPolicy(short);
  const length = journal.length;
  assert.throws(() => vhost.setPolicy({ ...short, definition: { 'max-length': -1 } }), /has to be/);
  assert.throws(() => vhost.setPolicy({ ...short, pattern: '[' }), /regular expression/);
  assertRefused(() => vhost.clearPolicy('none'), 'not-found', "no policy 'none' in vhost '/'");
  assertRefused(
    () => vhost.clearOperatorPolicy('short'),
    'not-found',
    "no operator policy 'short' in vhost '/'",
  );
  assert.deepEqual([lengthOf(declared), journal.length], [5, length]);
});

/** Random changes, held against a reading of the lists of policies; at the end against what is recovered. */
test('whatever is set and cleared, each queue has what a plain reading of the policies says, also after a restart', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('set' as const),
      isOperator: fc.boolean(),
      name,
      pattern: fc.constantFrom('', '^q', '1$', 'r', 'q1'),
      applyTo: fc.constantFrom('all', 'queues', 'classic_queues', 'quorum_queues', 'exchanges'),
      priority: fc.integer({ min: -1, max: 1 }),
      length: fc.nat(9),
    }),
    fc.record({ kind: fc.constant('clear' as const), isOperator: fc.boolean(), name }),
    fc.record({
      kind: fc.constant('declare' as const),
      name: fc.constantFrom('q1', 'q2', 'r1'),
      isQuorum: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('delete' as const), name: fc.constantFrom('q1', 'q2', 'r1') }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const { vhost, journal } = newVirtualHost();
      for (const each of steps) {
        if (each.kind === 'set') {
          const { name, pattern, applyTo, priority, length, isOperator } = each;
          const request = { name, pattern, applyTo, priority, definition: { 'max-length': length } };
          if (isOperator) vhost.setOperatorPolicy(request);
          else vhost.setPolicy(request);
        } else if (each.kind === 'clear') {
          const list = each.isOperator ? vhost.listOperatorPolicies() : vhost.listPolicies();
          if (!list.some((policy) => policy.name === each.name)) continue;
          if (each.isOperator) vhost.clearOperatorPolicy(each.name);
          else vhost.clearPolicy(each.name);
        } else if (each.kind === 'declare') {
          const args = each.isQuorum ? { 'x-queue-type': 'quorum' } : {};
          if (vhost.findQueue(each.name) === undefined) {
            vhost.declareQueue(queue(each.name, { arguments: args }), null);
          }
        } else {
          vhost.deleteQueue(each.name, { ifUnused: false, ifEmpty: false }, null);
        }
        for (const declared of vhost.queues())
          assert.equal(lengthOf(declared), expectedLength(vhost, declared));
      }
      for (const operations of [journal, vhost.snapshot()]) {
        const recovered = recover(operations);
        assert.deepEqual(contents(recovered), contents(vhost));
        assert.deepEqual(
          [...recovered.queues()].map(lengthOf).sort(),
          [...vhost.queues()].map(lengthOf).sort(),
        );
      }
    }),
    { numRuns: 300 },
  );
});

test('a policy for one of 10,000 queues looks at each of their names once, and one for all of them applies to all', (t) => {
  const { vhost } = newVirtualHost();
  for (let i = 0; i < 10_000; i++) vhost.declareQueue(queue(`q${i}`), null);
  for (let i = 0; i < 20; i++)
    vhost.setPolicy({ ...short, name: `p${i}`, pattern: `^none${i}`, priority: 1 });
  const { mock } = t.mock.method(ActivePolicy.prototype, 'matches');
  vhost.setPolicy({ ...short, pattern: '^q77$' });
  assert.ok(mock.callCount() < 10_100, `${mock.callCount()} names`);
  vhost.setPolicy({ ...short, name: 'all', pattern: '^q\\d+$' });
  assert.equal([...vhost.queues()].filter((each) => lengthOf(each) === 5).length, 10_000);
});

function lengthOf(declared: FakeQueue): number | null {
  return declared.settings.maxLength;
}

function expectedLength(vhost: VirtualHost<FakeQueue>, declared: FakeQueue): number | null {
  const type = declared.arguments['x-queue-type'] === 'quorum' ? 'quorum_queues' : 'classic_queues';
  const lengths = [vhost.listPolicies(), vhost.listOperatorPolicies()].flatMap((list) => {
    const matching = list
      .filter(({ pattern }) => new RegExp(pattern).test(declared.name))
      .filter(({ applyTo }) => ['all', 'queues', type].includes(applyTo))
      .sort((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1));
    return matching[0] === undefined ? [] : [matching[0].definition['max-length'] as number];
  });
  return lengths.length === 0 ? null : Math.min(...lengths);
}

function recover(operations: readonly MetadataOperation[]): VirtualHost<FakeQueue> {
  const log = { append: () => assert.fail('recovery journals nothing') };
  const vhost = new VirtualHost('/', { createQueue: fakeQueues(), log });
  for (const operation of operations) vhost.apply(decodeOperation(encodeOperation(operation)));
  return vhost;
}
