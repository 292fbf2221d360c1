import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { Broker } from '../../../src/broker/broker.ts';

/** Looks ahead, which brokers before took, and RE2 does not. */
const OLD = '^(?!amq\\.)';

it('a stored pattern that is none any more stops no start: it denies, or applies to nothing, and the log names it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-patterns-'));
  const errors: object[] = [];
  const open = (): Promise<Broker> =>
    Broker.open({
      dataDirectory: join(directory, 'data'),
      log: { info() {}, warn() {}, error: (fields) => void errors.push(fields) },
    });
  const check = (broker: Broker): void => {
    const user = broker.access.authenticateExternal('u', true);
    assert.ok(user?.may('read', '/', 'orders'));
    assert.equal(user?.may('write', '/', 'orders'), false);
    const vhost = broker.vhosts.get('/');
    const queue = vhost?.declareQueue(
      { name: 'q', durable: true, exclusive: false, autoDelete: false, arguments: {} },
      null,
    );
    assert.equal(queue?.settings.maxLength ?? null, null);
    assert.equal(vhost?.listPolicies()[0].pattern, OLD);
    const common = { vhost: '/', pattern: OLD };
    assert.deepEqual(
      errors.map(({ problem, ...fields }: { problem?: string }) => fields),
      [
        { ...common, user: 'u', permission: 'write' },
        { ...common, user: 'u', permission: 'read', exchange: 'amq.topic' },
        { ...common, policy: 'old' },
      ],
    );
    assert.match(String((errors[0] as { problem: string }).problem), /\(\?!/);
    errors.length = 0;
  };
  try {
    let broker = await open();
    await broker.access.administration.addUser('u', null);
    // What an older broker has applied.
    broker.access.apply({
      op: 'access.permissions.set',
      user: 'u',
      vhost: '/',
      configure: '',
      write: OLD,
      read: '.*',
    });
    broker.access.apply({
      op: 'access.topic.set',
      user: 'u',
      vhost: '/',
      exchange: 'amq.topic',
      write: '',
      read: OLD,
    });
    const definition = { 'max-length': 1 };
    broker.vhosts.apply({
      op: 'policy.set',
      vhost: '/',
      name: 'old',
      pattern: OLD,
      applyTo: 'all',
      priority: 0,
      definition,
    });
    for (let start = 0; start < 2; start++) {
      await broker.close();
      broker = await open();
      check(broker);
    }
    await broker.close();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
