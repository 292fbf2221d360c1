import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AccessState } from '../../../src/broker/access/access-state.ts';
import {
  type AccessOperation,
  decodeAccessOperation,
  encodeAccessOperation,
  isAccessOperation,
} from '../../../src/broker/access/operations.ts';
import { GUEST_PASSWORD } from '../../../src/broker/access/password.ts';
import { GUEST_SCRAM } from '../../../src/broker/access/scram.ts';
import { encodeOperation } from '../../../src/broker/topology/metadata.ts';

const user = fc.constantFrom('u', 'ü', '__proto__', '{"op":"');
const vhost = fc.constantFrom('/', 'v', 'toString');
const exchange = fc.constantFrom('e', 'amq.topic');
const pattern = fc.constantFrom('', '.*', '^q', '(?i)x');
const limit = fc.nat();
/** As JSON.parse makes objects. */
const PLAIN = { noNullPrototype: true } as const;

const acl = fc.record(
  {
    resource: fc.constantFrom('topic' as const, 'group' as const),
    name: fc.constantFrom('*', 't', 'to', '__proto__'),
    pattern: fc.constantFrom('literal' as const, 'prefixed' as const),
    principal: fc.constantFrom('User:u', 'User:*', 'User:ü'),
    host: fc.constantFrom('*', '10.0.0.1'),
    operation: fc.constantFrom('read' as const, 'all' as const),
    permission: fc.constantFrom('allow' as const, 'deny' as const),
  },
  PLAIN,
);

/** A user is there before there is something to say about it. */
const operations: fc.Arbitrary<AccessOperation[]> = fc
  .array(
    fc.oneof(
      fc.record(
        {
          op: fc.constant('access.user.set' as const),
          user,
          password: fc.constantFrom(null, GUEST_PASSWORD),
          scram: fc.constantFrom({}, GUEST_SCRAM),
          tags: fc.uniqueArray(fc.constantFrom('administrator', 'monitoring')),
          limits: fc.record({ 'max-connections': limit }, { requiredKeys: [], noNullPrototype: true }),
        },
        PLAIN,
      ),
      fc.record({ op: fc.constant('access.user.delete' as const), user }, PLAIN),
      fc.record(
        {
          op: fc.constant('access.permissions.set' as const),
          user,
          vhost,
          configure: pattern,
          write: pattern,
          read: pattern,
        },
        PLAIN,
      ),
      fc.record({ op: fc.constant('access.permissions.clear' as const), user, vhost }, PLAIN),
      fc.record(
        {
          op: fc.constant('access.topic.set' as const),
          user,
          vhost,
          exchange,
          write: pattern,
          read: pattern,
        },
        PLAIN,
      ),
      fc.record({ op: fc.constant('access.topic.clear' as const), user, vhost, exchange }, PLAIN),
      fc.record(
        {
          op: fc.constant('access.vhost-limits.set' as const),
          vhost,
          limits: fc.record({ 'max-queues': limit }, { requiredKeys: [], noNullPrototype: true }),
        },
        PLAIN,
      ),
      fc.record(
        { op: fc.constantFrom('access.acl.add' as const, 'access.acl.remove' as const), vhost, acl },
        PLAIN,
      ),
      fc.record({ op: fc.constant('access.acl.clear' as const), vhost }, PLAIN),
      fc.record(
        {
          op: fc.constant('access.quota.set' as const),
          entity: fc.record(
            { user: fc.option(user), clientId: fc.option(user) },
            { requiredKeys: [], noNullPrototype: true },
          ),
          values: fc.record(
            { producer_byte_rate: fc.constantFrom(1, 0.5) },
            { requiredKeys: [], noNullPrototype: true },
          ),
        },
        PLAIN,
      ),
    ),
  )
  .map((list) => {
    const users = new Set<string>();
    return list.filter((operation) => {
      if (operation.op === 'access.user.set') users.add(operation.user);
      if (operation.op === 'access.user.delete') users.delete(operation.user);
      return (
        !/^access\.(permissions|topic)\.set$/.test(operation.op) ||
        ('user' in operation && users.has(operation.user))
      );
    });
  });

function stateAfter(list: readonly AccessOperation[]): AccessState {
  const state = new AccessState();
  for (const operation of list) state.apply(operation);
  return state;
}

describe('operations on users', () => {
  it('are in the journal what they were, and told from those of the topology', () => {
    fc.assert(
      fc.property(operations, (list) => {
        for (const operation of list) {
          const bytes = encodeAccessOperation(operation);
          assert.ok(isAccessOperation(bytes));
          assert.deepEqual(decodeAccessOperation(bytes), operation);
        }
      }),
    );
    const other = encodeOperation({ op: 'vhost.create', vhost: '{"op":"access.' });
    assert.ok(!isAccessOperation(Buffer.from(other)));
  });

  it('come to the same state by way of a snapshot', () => {
    fc.assert(
      fc.property(operations, (list) => {
        const state = stateAfter([{ op: 'access.begin' }, ...list]);
        const snapshot = state.snapshot();
        assert.deepEqual(stateAfter(snapshot).snapshot(), snapshot);
        assert.deepEqual([...stateAfter(snapshot).users.keys()], [...state.users.keys()]);
      }),
    );
  });

  it('are refused when the journal has something else', () => {
    for (const text of [
      '{"op":"access.nothing"}',
      '{"op":"access.user.delete"}',
      '{"op":"access.user.set","user":"u","password":"secret","tags":[],"limits":{}}',
      '{"op":"access.user.set","user":"u","password":null,"tags":"x","limits":{}}',
      '{"op":"access.vhost-limits.set","vhost":"/","limits":{"max-queues":"1"}}',
      '{"op":"access.user.set","user":"u","password":null,"tags":[],"limits":{},"scram":{"SCRAM-SHA-1":{}}}',
      '{"op":"access.acl.add","vhost":"/","acl":{"resource":"topic"}}',
      '{"op":"access.quota.set","entity":{"user":1},"values":{}}',
    ]) {
      assert.throws(() => decodeAccessOperation(Buffer.from(text)), /metadata operation/, text);
    }
  });
});
