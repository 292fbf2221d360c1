import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asLocal } from '../../../../src/broker/queues/any-queue.ts';
import { AmqpServer } from '../../../../src/servers/amqp091/server.ts';
import { TestShards } from '../../../broker/shards/test-shards.ts';
import { until } from '../../../support/until.ts';
import { publishBytes, RawClient } from '../raw-client.ts';

const PERSISTENT = { properties: Buffer.from([0x10, 0, 2]) };

describe('a tx channel of one shard whose messages are for queues of all', () => {
  it('answers its commit when there is room for them and they are safe, and they come; also after a restart', async () => {
    await using test = await TestShards.start();
    for (const shard of [0, 1, 2]) await test.declare(0, `q${shard}`, { arguments: { 'x-shard': shard } });
    const server = await AmqpServer.listen(test.brokers[1], {
      host: '127.0.0.1',
      port: 0,
      closeTimeoutMs: 500,
    });
    const client = await RawClient.connect(server.port);
    await client.handshake();
    client.method(1, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    client.method(1, { name: 'tx.select' });
    await client.expect('tx.select-ok');
    for (let round = 0; round < 5; round++) {
      for (const shard of [0, 1, 2]) {
        client.write(publishBytes(1, '', `q${shard}`, Buffer.from(`m${round}`), PERSISTENT));
      }
      client.method(1, { name: 'tx.commit' });
      await client.expect('tx.commit-ok');
    }
    // Nothing of what is rolled back, or never committed.
    client.write(publishBytes(1, '', 'q0', Buffer.from('not this'), PERSISTENT));
    client.method(1, { name: 'tx.rollback' });
    await client.expect('tx.rollback-ok');
    client.write(publishBytes(1, '', 'q2', Buffer.from('nor this'), PERSISTENT));
    client.method(1, { name: 'channel.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 });
    await client.expect('channel.close-ok');
    client[Symbol.dispose]();
    await server.close();
    await test.restart();
    for (const shard of [0, 1, 2]) {
      const queue = asLocal(test.vhost(shard).findQueue(`q${shard}`));
      assert.ok(queue);
      await until(() => queue.readyCount === 5);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const shard of [0, 1, 2])
      assert.equal(asLocal(test.vhost(shard).findQueue(`q${shard}`))?.readyCount, 5);
  });
});
