import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Access, Identity } from '../../../src/broker/access/access.ts';
import { type Acl, type AclFilter, aclKey } from '../../../src/broker/access/acl.ts';
import { AclTable } from '../../../src/broker/access/acl-table.ts';
import { TestBroker } from '../test-broker.ts';

const READ_ALL = { resource: 'topic', name: '*', pattern: 'literal', operation: 'read' } as const;

function acl(fields: Partial<Acl>): Acl {
  return {
    resource: 'topic',
    name: 't',
    pattern: 'literal',
    principal: 'User:ada',
    host: '*',
    operation: 'read',
    permission: 'allow',
    ...fields,
  };
}

async function ada(
  access: Access,
  permissions: string | null = null,
  tags: string[] = [],
): Promise<Identity> {
  await access.administration.addUser('ada', 'secret', tags);
  if (permissions !== null) {
    const all = { configure: permissions, write: permissions, read: permissions };
    await access.administration.setPermissions('ada', '/', all);
  }
  return (await access.authenticate('ada', 'secret', true)) as Identity;
}

describe('the permissions of a virtual host, without access control lists', () => {
  it('are what counts: read to read, write to write, configure to change', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    const user = await ada(access);
    await access.administration.setPermissions('ada', '/', { configure: '^c', write: '^w', read: '^r' });
    const may = access.authorizer(user, '/', '10.0.0.1');
    assert.deepEqual(may.operations('topic', 'r1'), ['read', 'describe']);
    assert.deepEqual(may.operations('topic', 'w1'), ['write', 'describe']);
    assert.deepEqual(may.operations('topic', 'c1'), [
      'create',
      'describe',
      'delete',
      'alter',
      'describe-configs',
      'alter-configs',
    ]);
    assert.deepEqual(may.operations('topic', 'x'), []);
    assert.deepEqual(may.operations('group', 'r1'), ['read', 'describe']);
    assert.deepEqual(may.operations('transactional-id', 'w1'), ['describe', 'write', 'two-phase-commit']);
    assert.deepEqual(may.operations('cluster', 'kafka-cluster'), []);
    assert.ok(may.mayWriteSomewhere);
    assert.deepEqual(access.authorizer(user, 'other', '10.0.0.1').operations('topic', 'r1'), []);
  });

  it('count from when they are changed, and no more when the user is deleted', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    const may = access.authorizer(await ada(access, '.*'), '/', '10.0.0.1');
    assert.ok(may.may('read', 'topic', 't'));
    await access.administration.setPermissions('ada', '/', { configure: '', write: '', read: '^u' });
    assert.ok(!may.may('read', 'topic', 't'));
    assert.ok(!may.mayWriteSomewhere);
    await access.acls.add('/', acl({ principal: 'User:*' }));
    assert.ok(may.may('read', 'topic', 't'));
    await access.administration.deleteUser('ada');
    assert.ok(!may.may('read', 'topic', 't'));
  });

  it('say nothing of the cluster: its operations are for the tags', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    const may = access.authorizer(await ada(access, '.*', ['monitoring']), '/', '10.0.0.1');
    assert.deepEqual(may.operations('cluster', 'kafka-cluster'), ['describe-configs', 'describe']);
    await access.administration.setTags('ada', ['administrator']);
    assert.equal(may.operations('cluster', 'kafka-cluster').length, 7);
    // Nor can an administrator be locked out of it.
    await access.acls.add('/', acl({ resource: 'cluster', name: 'kafka-cluster', permission: 'deny' }));
    assert.equal(may.operations('cluster', 'kafka-cluster').length, 7);
  });
});

describe('an access control list', () => {
  it('gives what the permissions do not, and lets into the virtual host', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    const user = await ada(access);
    assert.throws(() => access.openVhost(user, '/'), /access to vhost '\/' refused for user 'ada'/);
    await access.acls.add('/', acl({ name: 'app-', pattern: 'prefixed' }));
    assert.equal(access.openVhost(user, '/').name, '/');
    const may = access.authorizer(user, '/', '10.0.0.1');
    assert.deepEqual(may.operations('topic', 'app-1'), ['read', 'describe']);
    assert.deepEqual(may.operations('topic', 'ap'), []);
  });

  it('takes what the permissions give, whatever else it gives', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    const user = await ada(access, '.*');
    await access.acls.add('/', acl({ ...READ_ALL, operation: 'all' }));
    await access.acls.add('/', acl({ name: 'se', pattern: 'prefixed', permission: 'deny' }));
    const may = access.authorizer(user, '/', '10.0.0.1');
    assert.ok(!may.may('read', 'topic', 'secret'));
    assert.ok(may.may('write', 'topic', 'secret'));
    assert.ok(may.may('describe', 'topic', 'secret'));
    assert.ok(may.may('read', 'topic', 'public'));
  });

  it('can be for an address, and for clients under another name', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    const user = await ada(access);
    await access.acls.add('/', acl({ host: '10.0.0.1' }));
    await access.acls.add('/', acl({ principal: 'User:ANONYMOUS', operation: 'write' }));
    assert.deepEqual(access.authorizer(user, '/', '10.0.0.1').operations('topic', 't'), ['read', 'describe']);
    assert.deepEqual(access.authorizer(user, '/', '10.0.0.2').operations('topic', 't'), []);
    const nameless = access.authorizer(user, '/', '10.0.0.2', 'ANONYMOUS');
    assert.deepEqual(nameless.operations('topic', 't'), ['write', 'describe']);
  });

  it('rules the broker from the virtual host / alone', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    const user = await ada(access);
    await access.administration.createVhost('tenant');
    for (const vhost of ['/', 'tenant']) {
      await access.acls.add(vhost, acl({ resource: 'cluster', name: 'kafka-cluster', operation: 'alter' }));
      const may = access.authorizer(user, vhost, '10.0.0.1');
      assert.ok(may.may('alter', 'cluster', 'kafka-cluster'));
      assert.equal(may.mayRule('alter', 'cluster', 'kafka-cluster'), vhost === '/');
    }
  });

  it('allows to write idempotently who may write to some topic that is not denied', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    const may = access.authorizer(await ada(access), '/', '10.0.0.1');
    assert.ok(!may.mayWriteSomewhere);
    await access.acls.add('/', acl({ operation: 'write' }));
    assert.ok(may.mayWriteSomewhere);
    await access.acls.add('/', acl({ ...READ_ALL, operation: 'all', permission: 'deny' }));
    assert.ok(!may.mayWriteSomewhere);
  });

  it('survives a restart, and goes with its user or its virtual host', async () => {
    await using test = await TestBroker.start();
    await ada(test.broker.access);
    await test.broker.access.administration.createVhost('v');
    const everybody = acl({ principal: 'User:*' });
    await test.broker.access.acls.add('/', acl({}));
    await test.broker.access.acls.add('/', everybody);
    await test.broker.access.acls.add('v', everybody);
    await test.restart();
    assert.deepEqual(test.broker.access.acls.list('/'), [acl({}), everybody]);
    await test.broker.access.administration.deleteUser('ada');
    await test.broker.access.administration.deleteVhost('v');
    await test.broker.access.administration.createVhost('v');
    await test.restart();
    assert.deepEqual(test.broker.access.acls.list('/'), [everybody]);
    assert.deepEqual(test.broker.access.acls.list('v'), []);
    const { removed, durable } = test.broker.access.acls.remove('/', {});
    await durable;
    assert.deepEqual(removed, [everybody]);
    await test.restart();
    assert.deepEqual(test.broker.access.acls.list('/'), []);
  });

  it('is refused if it makes no sense', async () => {
    await using test = await TestBroker.start();
    const { acls } = test.broker.access;
    assert.throws(() => acls.add('/', acl({ name: '' })), /name of the resource is empty/);
    assert.throws(() => acls.add('/', acl({ principal: 'ada' })), /'ada' is no principal/);
    assert.throws(() => acls.add('/', acl({ resource: 'cluster', name: 'c' })), /kafka-cluster/);
    assert.throws(() => acls.add('nowhere', acl({})), /no vhost 'nowhere'/);
  });
});

/** As it would be without an index. */
function decideSimply(list: readonly Acl[], operation: string, name: string): string | null {
  const about = list.filter(
    (each) =>
      (each.pattern === 'prefixed' ? name.startsWith(each.name) : each.name === '*' || each.name === name) &&
      ['User:*', 'User:ada'].includes(each.principal) &&
      ['*', 'here'].includes(each.host),
  );
  const direct = (each: Acl): boolean => each.operation === 'all' || each.operation === operation;
  if (about.some((each) => each.permission === 'deny' && direct(each))) return 'deny';
  const implies = (each: Acl): boolean =>
    direct(each) || (operation === 'describe' && /^(read|write|delete|alter)$/.test(each.operation));
  return about.some((each) => each.permission === 'allow' && implies(each)) ? 'allow' : null;
}

describe('what an access control list comes to', () => {
  const anAcl: fc.Arbitrary<Acl> = fc.record({
    resource: fc.constant('topic'),
    name: fc.constantFrom('*', 'a', 'ab', 'abc'),
    pattern: fc.constantFrom('literal', 'prefixed'),
    principal: fc.constantFrom('User:*', 'User:ada', 'User:bob'),
    host: fc.constantFrom('*', 'here', 'there'),
    operation: fc.constantFrom('all', 'read', 'describe', 'alter', 'alter-configs'),
    permission: fc.constantFrom('allow', 'deny'),
  });

  it('is the same with an index and without, whatever was added and taken away', () => {
    fc.assert(
      fc.property(fc.array(anAcl), fc.array(anAcl), (added, removed) => {
        const table = new AclTable();
        for (const each of added) table.add(each);
        for (const each of removed) table.delete(each);
        const gone = new Set(removed.map(aclKey));
        const left = added.filter((each) => !gone.has(aclKey(each)));
        const asker = { principals: ['User:ada'], host: 'here' };
        for (const name of ['a', 'ab', 'abcd', 'x', '*']) {
          for (const operation of ['read', 'describe', 'alter'] as const) {
            assert.equal(
              table.decide(asker, operation, 'topic', name),
              decideSimply(left, operation, name),
              `${operation} ${name}`,
            );
          }
        }
        assert.equal(table.size, new Set(left.map(aclKey)).size);
      }),
    );
  });

  it('is found by filters as Kafka has them', () => {
    const table = new AclTable();
    const [exact, every, prefix] = [
      acl({ name: 'abc' }),
      acl({ name: '*' }),
      acl({ name: 'ab', pattern: 'prefixed' }),
    ];
    for (const each of [exact, every, prefix]) table.add(each);
    const find = (filter: AclFilter): string[] => table.find(filter).map(({ name }) => name);
    assert.deepEqual(find({ name: 'abc', pattern: 'match' }), ['abc', '*', 'ab']);
    assert.deepEqual(find({ name: 'abc', pattern: null }), ['abc']);
    assert.deepEqual(find({ pattern: 'prefixed' }), ['ab']);
    assert.deepEqual(find({ name: 'ax', pattern: 'match' }), ['*']);
    assert.deepEqual(find({ operation: 'write' }), []);
    assert.deepEqual(find({}), ['abc', '*', 'ab']);
  });
});
