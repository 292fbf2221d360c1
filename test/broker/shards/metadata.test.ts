import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { BrokerError } from '../../../src/broker/errors.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { until } from '../../support/until.ts';
import { TestShards } from './test-shards.ts';

/** What a shard knows of the topology, without what only the queue's own shard knows. */
function known(test: TestShards, shard: number, vhost = '/'): unknown {
  const host = test.vhost(shard, vhost);
  return {
    exchanges: host.listExchanges().sort((a, b) => (a.name < b.name ? -1 : 1)),
    queues: host
      .listQueues()
      .map(({ readyCount: _r, consumerCount: _c, ...queue }) => queue)
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    bindings: host
      .listBindings()
      .map((each) => inspect(each, { sorted: true }))
      .sort(),
    policies: host.listPolicies(),
  };
}

function assertAlike(test: TestShards): void {
  for (let shard = 1; shard < test.brokers.length; shard++) {
    assert.deepEqual(known(test, shard), known(test, 0), `shard ${shard}`);
  }
}

function refuses(kind: string): (error: unknown) => boolean {
  return (error) => error instanceof BrokerError && error.kind === kind;
}

const EXCHANGE = { type: 'topic', durable: true, autoDelete: false, internal: false, arguments: {} };

describe('the metadata of several shards', () => {
  it('is the same everywhere when a command is answered, wherever it was given', async () => {
    await using test = await TestShards.start();
    for (const shard of [0, 1, 2]) {
      const queue = await test.declare(shard, `q${shard}`);
      assert.equal(queue.isRemote, queue.shard !== shard);
      assertAlike(test);
      await test.run(shard, ({ commands }) =>
        commands.declareExchange(test.vhost(shard), { name: `x${shard}`, ...EXCHANGE }),
      );
      await test.run(shard, ({ commands }) =>
        commands.bindQueue(
          test.vhost(shard),
          { source: `x${shard}`, destination: `q${shard}`, routingKey: '#', arguments: { a: 1n } },
          null,
        ),
      );
      assertAlike(test);
    }
    assert.equal(test.vhost(2).listBindings().length, 6);
    await test.run(2, ({ commands }) => commands.deleteExchange(test.vhost(2), 'x0', false));
    assertAlike(test);
    assert.equal(test.vhost(1).findExchange('x0'), undefined);
  });

  it('is the same after a restart, and so are the shards of the queues', async () => {
    await using test = await TestShards.start();
    for (let i = 0; i < 9; i++) await test.declare(i % 3, `q${i}`);
    const before = known(test, 0);
    const shards = test
      .vhost(0)
      .listQueues()
      .map(({ name }) => test.vhost(0).findQueue(name)?.shard);
    await test.restart();
    assertAlike(test);
    assert.deepEqual(known(test, 0), before);
    assert.deepEqual(
      test
        .vhost(0)
        .listQueues()
        .map(({ name }) => test.vhost(1).findQueue(name)?.shard),
      shards,
    );
  });

  it('puts each new queue where the fewest are, or where it is told', async () => {
    await using test = await TestShards.start();
    const counts = [0, 0, 0];
    for (let i = 0; i < 12; i++) counts[(await test.declare(1, `q${i}`)).shard]++;
    assert.deepEqual(counts, [4, 4, 4]);
    for (const shard of [0, 1, 2, 5]) {
      const queue = await test.declare(0, `told${shard}`, { arguments: { 'x-shard': shard } });
      assert.equal(queue.shard, shard % 3);
    }
    const own = await test.declare(2, 'transient', { durable: false });
    assert.equal(own.shard, 2);
    test.vhost(0).setPolicy({
      name: 'p',
      pattern: '^with',
      applyTo: 'queues',
      priority: 0,
      definition: { 'shard-with': 'told2' },
    });
    for (let i = 0; i < 3; i++) assert.equal((await test.declare(1, `with${i}`)).shard, 2);
  });

  it('routes to queues of all shards, from each of them', async () => {
    await using test = await TestShards.start();
    for (const shard of [0, 1, 2]) {
      await test.declare(0, `q${shard}`, { arguments: { 'x-shard': shard } });
      await test.run(1, ({ commands }) =>
        commands.bindQueue(
          test.vhost(1),
          { source: 'amq.fanout', destination: `q${shard}`, routingKey: '', arguments: {} },
          null,
        ),
      );
    }
    for (const shard of [0, 1, 2]) {
      const vhost = test.vhost(shard);
      const { queues } = vhost.route(vhost.exchangeForPublish('amq.fanout'), 'k', bareMessage);
      assert.deepEqual(
        queues.map((queue) => [queue.name, queue.shard, queue.isRemote]).sort(),
        [0, 1, 2].map((each) => [`q${each}`, each, each !== shard]),
      );
    }
  });

  it('refuses what shard 0 refuses, in its words', async () => {
    await using test = await TestShards.start();
    await test.declare(1, 'q');
    await assert.rejects(test.declare(2, 'q', { durable: false }), refuses('precondition-failed'));
    await assert.rejects(
      test.declare(2, 'other', { arguments: { 'x-message-ttl': 'soon' } }),
      refuses('precondition-failed'),
    );
    await assert.rejects(
      test.run(1, ({ commands }) =>
        commands.bindQueue(
          test.vhost(1),
          { source: 'nowhere', destination: 'q', routingKey: '', arguments: {} },
          null,
        ),
      ),
      refuses('not-found'),
    );
    assertAlike(test);
  });

  it('keeps an exclusive queue for its connection, in the shard of that, and removes it with it', async () => {
    await using test = await TestShards.start();
    const connection = {};
    const queue = await test.declare(1, '', { exclusive: true, durable: false, owner: connection });
    assert.match(queue.name, /^amq\.gen-/);
    assert.equal(queue.shard, 1);
    assertAlike(test);
    assert.equal(test.vhost(1).checkQueue(queue.name, connection), queue);
    for (const shard of [0, 2]) {
      assert.throws(() => test.vhost(shard).checkQueue(queue.name, {}), refuses('resource-locked'));
    }
    await assert.rejects(
      test.declare(2, queue.name, { exclusive: true, durable: false, owner: {} }),
      BrokerError,
    );
    await test.run(1, ({ commands }) => commands.removeExclusiveQueues(test.vhost(1), connection));
    assertAlike(test);
    assert.equal(test.vhost(0).queueCount, 0);
  });

  it('deletes a queue of any shard, with conditions that are asked where it is', async () => {
    await using test = await TestShards.start();
    const conditions = { ifUnused: true, ifEmpty: true };
    for (const shard of [0, 1, 2]) {
      await test.declare(0, `q${shard}`, { arguments: { 'x-shard': shard } });
      const from = (shard + 1) % 3;
      await test.run(from, ({ commands }) =>
        commands.deleteQueue(test.vhost(from), `q${shard}`, conditions, null),
      );
      assertAlike(test);
    }
    assert.equal(test.vhost(0).queueCount, 0);
  });

  it('has a queue expire where it is', async () => {
    await using test = await TestShards.start();
    await test.declare(0, 'q', { arguments: { 'x-expires': 50, 'x-shard': 2 } });
    await until(() => test.vhost(0).queueCount === 0);
    await until(() => test.vhost(1).queueCount + test.vhost(2).queueCount === 0);
  });

  it('follows users and what they may do', async () => {
    await using test = await TestShards.start();
    const { administration } = test.brokers[0].access;
    await administration.createVhost('v');
    await administration.addUser('u', 'secret');
    await administration.setPermissions('u', 'v', { configure: '', write: '.*', read: '' });
    for (const { access } of test.brokers) {
      const user = await access.authenticate('u', 'secret', true);
      assert.ok(user?.may('write', 'v', 'q'));
      assert.ok(!user?.may('read', 'v', 'q'));
    }
    await administration.deleteUser('u');
    for (const { access } of test.brokers) assert.equal(access.hasUser('u'), false);
    await administration.deleteVhost('v');
    for (const { vhosts } of test.brokers) assert.equal(vhosts.get('v'), undefined);
  });

  it('of shard 0 may not be older than what another shard has seen of it', async () => {
    await using test = await TestShards.start(2);
    await test.close();
    const { cp, rm } = await import('node:fs/promises');
    await cp(test.directoryOf(0), `${test.directory}/copy`, { recursive: true });
    await test.open();
    await test.declare(0, 'q', { arguments: { 'x-shard': 1 } });
    await test.close();
    await cp(test.directoryOf(1), `${test.directory}/shards`, { recursive: true });
    await rm(test.directoryOf(0), { recursive: true });
    await cp(`${test.directory}/copy`, test.directoryOf(0), { recursive: true });
    await rm(test.directoryOf(1), { recursive: true });
    await cp(`${test.directory}/shards`, test.directoryOf(1), { recursive: true });
    await assert.rejects(test.open(), /shard 0 is older/);
    await rm(test.directoryOf(1), { recursive: true });
    await test.close();
    await test.open();
  });
});
