import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Access, Identity } from '../../../src/broker/access/access.ts';
import { GUEST_PASSWORD, hashPassword } from '../../../src/broker/access/password.ts';
import { PasswordVerifier } from '../../../src/broker/access/password-verifier.ts';
import { TestBroker } from '../test-broker.ts';

const ALL = { configure: '.*', write: '.*', read: '.*' };

async function login(access: Access, name: string, password = 'secret'): Promise<Identity> {
  const identity = await access.authenticate(name, password, true);
  assert.ok(identity !== null, `${name} is let in`);
  return identity;
}

/** A client that only counts, and remembers why it was closed. */
function client(user: Identity, vhost: string): { reason: string } & Parameters<Access['clients']['add']>[0] {
  return {
    user,
    vhost,
    reason: '',
    close(reason: string) {
      this.reason = reason;
    },
  };
}

describe('who may log in', () => {
  it('is guest, on a new data directory, from this machine alone', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    const guest = await access.authenticate('guest', 'guest', true);
    assert.deepEqual([...(guest?.tags ?? [])], ['administrator']);
    assert.equal(await access.authenticate('guest', 'guest', false), null);
    assert.equal(await access.authenticate('guest', '', true), null);
    assert.equal(await access.authenticate('nobody', 'guest', true), null);
    assert.equal(access.openVhost(guest as Identity, '/').name, '/');
  });

  it('is everybody added since, with the newest password, also after a restart and from elsewhere', async () => {
    await using test = await TestBroker.start();
    const { administration } = test.broker.access;
    await administration.addUser('ada', 'secret', ['monitoring']);
    await administration.addUser('bob', 'secret');
    await administration.changePassword('bob', 'changed');
    await administration.addUser('carol', null);
    for (const restart of [false, true]) {
      if (restart) await test.restart();
      const { access } = test.broker;
      assert.deepEqual([...(await login(access, 'ada')).tags], ['monitoring']);
      assert.ok((await access.authenticate('ada', 'secret', false)) !== null);
      assert.equal(await access.authenticate('bob', 'secret', true), null);
      await login(access, 'bob', 'changed');
      // Without a password no password is right; a certificate is.
      assert.equal(await access.authenticate('carol', 'guest', true), null);
      assert.equal(access.authenticateExternal('carol', false)?.name, 'carol');
      assert.equal(access.authenticateExternal('nobody', true), null);
      assert.equal(access.authenticateExternal('guest', false), null);
    }
  });

  it('is not guest any more once it was deleted, nor does / come back', async () => {
    await using test = await TestBroker.start();
    await test.broker.access.administration.deleteUser('guest');
    await test.broker.access.administration.deleteVhost('/');
    await test.restart();
    assert.deepEqual(test.broker.access.administration.listUsers(), []);
    assert.equal(await test.broker.access.authenticate('guest', 'guest', true), null);
    assert.equal(test.broker.vhosts.get('/'), undefined);
    // Once more, from the snapshot of a broker that had replayed nothing.
    await test.restart();
    assert.deepEqual(test.broker.access.administration.listUsers(), []);
  });

  it('cannot be read from the disk: passwords are nowhere in the data directory', async () => {
    await using test = await TestBroker.start();
    await test.broker.access.administration.addUser('ada', 'correct horse battery staple');
    await test.restart();
    for (const name of await readdir(test.directory, { recursive: true })) {
      const bytes = await readFile(join(test.directory, name)).catch(() => Buffer.alloc(0));
      assert.ok(!bytes.includes('battery staple'), name);
    }
  });

  it('is not decided twice: a deletion while the password is checked counts', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    await access.administration.addUser('ada', 'secret');
    const asked = access.authenticate('ada', 'secret', true);
    await access.administration.deleteUser('ada');
    assert.equal(await asked, null);
  });
});

describe('the check of passwords', () => {
  it('is done once for those who come together, and not again for those who come back', async () => {
    const verifier = new PasswordVerifier();
    const hash = await hashPassword('secret');
    const answers = await Promise.all(Array.from({ length: 1000 }, () => verifier.verify('secret', hash)));
    assert.ok(answers.every((answer) => answer));
    // A check is done by another thread, so that its answer comes in a later turn.
    let isLater = false;
    setImmediate(() => {
      isLater = true;
    });
    for (let i = 0; i < 1000; i++) assert.ok(await verifier.verify('secret', hash));
    assert.equal(isLater, false);
    assert.equal(await verifier.verify('Secret', hash), false);
  });

  it('does not hold an endless number of those who guess', async () => {
    const verifier = new PasswordVerifier(256);
    const asked = Array.from({ length: 1000 }, (_, i) => verifier.verify(`guess ${i}`, GUEST_PASSWORD));
    const results = await Promise.allSettled(asked);
    const refused = results.filter(({ status }) => status === 'rejected');
    assert.equal(refused.length, 1000 - 256 - 2);
    assert.equal(await verifier.verify('another', GUEST_PASSWORD), false);
  });

  for (const [who, asking] of [
    ['from another address', { address: '10.0.0.2', user: 'ada' }],
    ['of another user from the same address', { address: '10.0.0.1', user: 'grace' }],
    ['of the same user from the same address', { address: '10.0.0.1', user: 'ada' }],
  ] as const) {
    it(`lets a right first login ${who} not wait for 350 wrong ones`, async () => {
      const verifier = new PasswordVerifier();
      let checked = 0;
      const flood = Array.from({ length: 350 }, async (_, i) => {
        assert.equal(
          await verifier.verify(`guess ${i}`, GUEST_PASSWORD, { address: '10.0.0.1', user: 'ada' }),
          false,
        );
        checked++;
      });
      assert.equal(await verifier.verify('guest', GUEST_PASSWORD, asking), true);
      assert.ok(checked <= 6, `${checked} of the others came first`);
      await Promise.all(flood);
    });
  }

  it('is not done for those who are gone when it is their turn, unless another one wants the same', async () => {
    const verifier = new PasswordVerifier();
    const gone = { address: '10.0.0.1', user: 'ada', isGone: () => true };
    const others = [1, 2].map((i) => verifier.verify(`busy ${i}`, GUEST_PASSWORD));
    const inVain = assert.rejects(verifier.verify('nobody waits', GUEST_PASSWORD, gone), /too late/);
    const shared = verifier.verify('guest', GUEST_PASSWORD, gone);
    assert.equal(await verifier.verify('guest', GUEST_PASSWORD, { address: '', user: 'ada' }), true);
    assert.equal(await shared, true);
    await inVain;
    await Promise.all(others);
  });
});

describe('permissions', () => {
  it('are for a virtual host, and for what is done there, and change at once and for good', async () => {
    await using test = await TestBroker.start();
    const { administration } = test.broker.access;
    await administration.addUser('ada', 'secret');
    await administration.createVhost('shop');
    const ada = await login(test.broker.access, 'ada');
    assert.throws(() => test.broker.access.openVhost(ada, 'shop'), {
      kind: 'not-allowed',
      message: "access to vhost 'shop' refused for user 'ada'",
    });
    assert.throws(() => test.broker.access.openVhost(ada, 'nowhere'), { message: 'vhost nowhere not found' });
    await administration.setPermissions('ada', 'shop', { configure: '', write: '^orders', read: '.*' });
    assert.equal(test.broker.access.openVhost(ada, 'shop').name, 'shop');
    const { access } = test.broker;
    access.check(ada, 'shop', 'write', 'exchange', 'orders.eu');
    access.check(ada, 'shop', 'read', 'queue', 'any');
    assert.throws(() => access.check(ada, 'shop', 'write', 'exchange', ''), {
      kind: 'access-refused',
      message: "access to exchange 'amq.default' in vhost 'shop' refused for user 'ada'",
    });
    assert.throws(() => access.check(ada, 'shop', 'configure', 'queue', 'orders'), {
      kind: 'access-refused',
    });
    assert.throws(() => access.check(ada, '/', 'read', 'queue', 'orders'), { kind: 'access-refused' });
    await test.restart();
    assert.deepEqual(test.broker.access.administration.listPermissions({ user: 'ada' }), [
      { user: 'ada', vhost: 'shop', configure: '', write: '^orders', read: '.*' },
    ]);
    await test.broker.access.administration.clearPermissions('ada', 'shop');
    assert.deepEqual(test.broker.access.administration.listPermissions({ vhost: 'shop' }), []);
  });

  it('on topics count where they are set alone', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    await access.administration.addUser('ada', 'secret');
    await access.administration.setPermissions('ada', '/', ALL);
    await access.administration.setTopicPermissions('ada', '/', 'amq.topic', {
      write: '^{username}\\.',
      read: '.*',
    });
    const ada = await login(access, 'ada');
    access.checkTopic(ada, '/', 'write', 'amq.topic', 'ada.x');
    access.checkTopic(ada, '/', 'read', 'amq.topic', 'bob.x');
    access.checkTopic(ada, '/', 'write', 'another', 'bob.x');
    assert.throws(() => access.checkTopic(ada, '/', 'write', 'amq.topic', 'bob.x'), {
      kind: 'access-refused',
      message: "access to topic 'bob.x' in exchange 'amq.topic' in vhost '/' refused for user 'ada'",
    });
    assert.equal(access.administration.listTopicPermissions({ vhost: '/' }).length, 1);
    await access.administration.clearTopicPermissions('ada', '/');
    access.checkTopic(ada, '/', 'write', 'amq.topic', 'bob.x');
  });

  it('that cannot be understood are refused, and change nothing', async () => {
    await using test = await TestBroker.start();
    const { administration } = test.broker.access;
    const before = administration.listPermissions();
    await assert.rejects(
      administration.setPermissions('guest', '/', { ...ALL, read: '(' }),
      /no regular expression/,
    );
    await assert.rejects(administration.setPermissions('nobody', '/', ALL), { kind: 'not-found' });
    await assert.rejects(administration.setPermissions('guest', 'nowhere', ALL), { kind: 'not-found' });
    await assert.rejects(administration.addUser('guest', 'x'), { kind: 'precondition-failed' });
    await assert.rejects(administration.addUser('', 'x'), /1 to 255 bytes/);
    await assert.rejects(administration.addUser('x', ''), /a password has/);
    await assert.rejects(administration.setTags('guest', ['a b']), /no tag/);
    assert.deepEqual(administration.listPermissions(), before);
    await test.restart();
    assert.deepEqual(test.broker.access.administration.listPermissions(), before);
  });
});

describe('limits', () => {
  it('hold for the connections and channels of a user, and for connections and queues of a virtual host', async () => {
    await using test = await TestBroker.start();
    const { administration } = test.broker.access;
    await administration.setUserLimits('guest', { 'max-connections': 1, 'max-channels': 3 });
    await administration.setVhostLimits('/', { 'max-queues': 1, 'max-connections': 1 });
    await test.restart();
    const { access } = test.broker;
    const guest = await login(access, 'guest', 'guest');
    access.openVhost(guest, '/');
    access.checkQueueLimit('/', 'a');
    test.queue('a');
    assert.throws(() => access.checkQueueLimit('/', 'b'), {
      kind: 'precondition-failed',
      message: "cannot declare queue 'b': queue limit in vhost '/' (1) is reached",
    });
    const first = client(guest, '/');
    access.clients.add(first);
    const { quotas } = test.broker;
    const account = quotas.account('guest');
    quotas.change('channels', account, '/', 2);
    access.checkChannelLimit(guest, '/');
    quotas.change('channels', account, 'other', 1);
    assert.throws(() => access.checkChannelLimit(guest, '/'), {
      kind: 'not-allowed',
      message: "number of channels opened for user 'guest' has reached the maximum allowed user limit of (3)",
    });
    assert.throws(() => access.openVhost(guest, '/'), {
      kind: 'not-allowed',
      message: "access to vhost '/' refused for user 'guest': connection limit (1) is reached",
    });
    await access.administration.clearVhostLimits('/');
    assert.throws(() => access.openVhost(guest, '/'), {
      kind: 'not-allowed',
      message: "connection refused for user 'guest': user connection limit (1) is reached",
    });
    await access.administration.setUserLimits('guest', { 'max-connections': -1 });
    access.openVhost(guest, '/');
    assert.deepEqual(access.administration.listUsers()[0]?.limits, { 'max-channels': 3 });
    await assert.rejects(
      access.administration.setUserLimits('guest', { 'max-houses': 1 } as never),
      /no limit/,
    );
  });
});

describe('deleting', () => {
  it('a user closes its connections, and a new one of the same name has nothing of it', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    await access.administration.addUser('ada', 'secret');
    await access.administration.setPermissions('ada', '/', ALL);
    const ada = await login(access, 'ada');
    const connected = client(ada, '/');
    access.clients.add(connected);
    await access.administration.deleteUser('ada');
    assert.equal(connected.reason, "user 'ada' is deleted");
    await access.administration.addUser('ada', 'secret');
    assert.deepEqual(access.administration.listPermissions({ user: 'ada' }), []);
    await access.administration.setPermissions('ada', '/', ALL);
    assert.throws(() => access.check(ada, '/', 'read', 'queue', 'q'), { kind: 'access-refused' });
    assert.throws(() => access.openVhost(ada, '/'), { kind: 'not-allowed' });
  });

  it('a virtual host closes its connections; its queues, permissions and limits are gone', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    const { administration } = access;
    await administration.createVhost('shop');
    await administration.setPermissions('guest', 'shop', ALL);
    await administration.setTopicPermissions('guest', 'shop', 'e', { write: 'x', read: 'x' });
    await administration.setVhostLimits('shop', { 'max-queues': 9 });
    const guest = await login(access, 'guest', 'guest');
    const shop = access.openVhost(guest, 'shop');
    shop.declareQueue({ name: 'q', durable: true, exclusive: false, autoDelete: false, arguments: {} }, null);
    const connected = client(guest, 'shop');
    access.clients.add(connected);
    assert.deepEqual(administration.listVhosts()[1], {
      name: 'shop',
      limits: { 'max-queues': 9 },
      queueCount: 1,
      connectionCount: 1,
    });
    await administration.deleteVhost('shop');
    access.clients.delete(connected);
    assert.equal(connected.reason, "vhost 'shop' is deleted");
    await test.restart();
    await test.broker.access.administration.createVhost('shop');
    const [, again] = test.broker.access.administration.listVhosts();
    assert.deepEqual(again, { name: 'shop', limits: {}, queueCount: 0, connectionCount: 0 });
    assert.deepEqual(test.broker.access.administration.listPermissions({ vhost: 'shop' }), []);
    assert.deepEqual(test.broker.access.administration.listTopicPermissions({ vhost: 'shop' }), []);
  });
});
