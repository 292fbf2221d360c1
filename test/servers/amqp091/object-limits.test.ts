import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestServer } from './test-server.ts';

const DECLARE = {
  name: 'queue.declare',
  passive: false,
  durable: true,
  exclusive: false,
  autoDelete: false,
  noWait: false,
  arguments: {},
} as const;

describe('a user', () => {
  it('who has as many queues as there may be is told the limit and its setting, and goes on with those', async () => {
    await using test = await TestServer.start({}, { objectLimits: { administrator: { queues: 1 } } });
    using client = await test.rawChannel();
    client.method(1, { ...DECLARE, queue: 'a' });
    await client.expect('queue.declare-ok');
    client.method(1, { ...DECLARE, queue: 'b' });
    const { replyCode, replyText } = await client.expect('channel.close');
    assert.equal(replyCode, 406);
    assert.equal(
      replyText,
      "PRECONDITION_FAILED - user 'guest' has reached the limit of 1 queues; it is set by 'administrator-limits'",
    );
    client.method(1, { name: 'channel.close-ok' });
    client.method(2, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    client.method(2, { ...DECLARE, queue: 'a' });
    await client.expect('queue.declare-ok');
  });

  it('has so many channels and consumers, and has them again when they are closed', async () => {
    await using test = await TestServer.start(
      {},
      { objectLimits: { administrator: { channels: 2, consumers: 1 } } },
    );
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('q');
    const { consumerTag } = await channel.consume('q', () => undefined);
    const other = await connection.createChannel();
    other.on('error', () => undefined);
    await assert.rejects(
      other.consume('q', () => undefined),
      /limit of 1 consumers/,
    );
    await channel.cancel(consumerTag);
    await channel.consume('q', () => undefined);
    const third = await connection.createChannel();
    await third.close();
    assert.equal(test.broker.quotas.count('channels', { user: 'guest' }), 1);
    await using one = await test.connect();
    await one.createChannel();
    // A connection error, as RabbitMQ has it for its own limit of channels.
    await assert.rejects(one.createChannel());
  });

  it('has messages of so many priorities; beyond, they go with those of the next lower one, and none is lost', async () => {
    await using test = await TestServer.start(
      {},
      { objectLimits: { administrator: { 'priority-levels': 2 } } },
    );
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('q', { maxPriority: 255 });
    for (const priority of [3, 7, 9, 200, 1]) {
      channel.sendToQueue('q', Buffer.from(String(priority)), { priority });
    }
    await channel.waitForConfirms();
    assert.equal(test.broker.quotas.count('priority-levels', { user: 'guest' }), 2);
    const got: string[] = [];
    for (let message = await channel.get('q', { noAck: true }); message !== false; ) {
      got.push(message.content.toString());
      message = await channel.get('q', { noAck: true });
    }
    assert.deepEqual(got, ['7', '9', '200', '3', '1']);
    await channel.deleteQueue('q');
    assert.equal(test.broker.quotas.count('priority-levels', { user: 'guest' }), 0);
  });
});

describe('while disk space is short', () => {
  it('a declaration closes its channel alone, and is done when there is space again', async () => {
    await using test = await TestServer.start();
    using client = await test.rawChannel();
    test.broker.shard.setAlarm('disk', true);
    client.method(1, { ...DECLARE, queue: 'a' });
    const { replyText } = await client.expect('channel.close');
    assert.equal(
      replyText,
      'PRECONDITION_FAILED - no queues are made while disk is short: consume or delete something, and try again',
    );
    client.method(1, { name: 'channel.close-ok' });
    test.broker.shard.setAlarm('disk', false);
    client.method(2, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    client.method(2, { ...DECLARE, queue: 'a' });
    await client.expect('queue.declare-ok');
  });
});
