import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import { until } from '../../support/until.ts';
import { publishBytes } from './raw-client.ts';
import { TestServer } from './test-server.ts';

const CONSUME = {
  name: 'basic.consume',
  queue: 'q',
  consumerTag: 'c',
  noLocal: false,
  noAck: true,
  exclusive: false,
  noWait: false,
  arguments: {},
} as const;

const QUEUE = { name: 'q', durable: true, exclusive: false, autoDelete: false, arguments: {} };

/** Fills queue `q` with 1 MB messages. */
async function fill(test: TestServer, count: number): Promise<void> {
  await using connection = await test.connect();
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('q');
  const body = Buffer.alloc(1_000_000, 'x');
  for (let n = 0; n < count; n++) channel.sendToQueue('q', body);
  await channel.waitForConfirms();
}

describe('a peer that does not read', () => {
  it('is given a bounded number of messages, and the rest once it reads', async () => {
    await using test = await TestServer.start({ outputHighWaterBytes: 1_000_000 });
    await fill(test, 40);
    using slow = await test.rawChannel();
    slow.doNotParse();
    slow.socket.pause();
    slow.method(1, CONSUME);
    const queue = test.queue('q');
    assert.ok(queue);
    await until(() => queue.readyCount < 40);
    await new Promise((resolve) => setTimeout(resolve, 100));
    // What the operating system's buffers take, and the high-water mark.
    assert.ok(queue.readyCount > 10, `${queue.readyCount}`);
    await using other = await test.connect();
    const channel = await other.createChannel();
    assert.ok(await channel.get('q', { noAck: true }), 'others go on');
    slow.socket.resume();
    await until(() => queue.readyCount === 0 && slow.bytesCount > 39_000_000);
  });

  it('is dropped after the stated time', async () => {
    await using test = await TestServer.start({ stalledPeerTimeoutMs: 100, outputHighWaterBytes: 100_000 });
    await fill(test, 20);
    using slow = await test.rawChannel();
    slow.socket.pause();
    slow.method(1, { ...CONSUME, noAck: false });
    await until(() => test.queue('q')?.readyCount !== 20);
    await until(() => test.server.connectionCount === 0);
    await until(() => test.queue('q')?.readyCount === 20);
  });

  it('cannot fill our memory with answers, by basic.get', async () => {
    await using test = await TestServer.start({ outputHighWaterBytes: 1_000_000 });
    await fill(test, 40);
    using client = await test.rawChannel();
    client.doNotParse();
    client.socket.pause();
    for (let n = 0; n < 40; n++) client.method(1, { name: 'basic.get', queue: 'q', noAck: true });
    const queue = test.queue('q');
    assert.ok(queue);
    await until(() => queue.readyCount < 40);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(queue.readyCount > 10, `${queue.readyCount}`);
    client.socket.resume();
    await until(() => queue.readyCount === 0 && client.bytesCount > 40_000_000);
  });
});

describe('a blocked broker', TestServer.hereAlone('alarms are those of one shard here'), () => {
  it('tells publishers that understand it, and does not read them until it is over', async () => {
    await using test = await TestServer.start();
    using client = await test.raw();
    await client.handshake({}, { 'connection.blocked': true });
    client.method(1, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    client.method(1, { name: 'confirm.select', noWait: false });
    await client.expect('confirm.select-ok');
    test.broker.shard.setAlarm('disk', true);
    // Whoever has not published is not concerned.
    client.write(publishBytes(1, '', 'q', Buffer.from('1')));
    assert.equal((await client.expect('connection.blocked')).reason, 'low on disk');
    client.write(publishBytes(1, '', 'q', Buffer.from('2')));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(client.received.length, 0);
    test.broker.shard.setAlarm('disk', false);
    await client.expect('connection.unblocked');
    const { deliveryTag, multiple } = await client.expect('basic.ack');
    if (deliveryTag === 1 && !multiple) assert.equal((await client.expect('basic.ack')).deliveryTag, 2);
    else assert.equal(deliveryTag, 2);
  });

  it('appends nothing of what new connections publish, be it half sent before, and all of it when it is over', async () => {
    await using test = await TestServer.start();
    const queue = asLocal(test.broker.vhosts.get('/')?.declareQueue(QUEUE, null));
    assert.ok(queue);
    using begun = await test.raw();
    await begun.handshake({}, { 'connection.blocked': true });
    begun.method(1, { name: 'channel.open' });
    await begun.expect('channel.open-ok');
    const body = Buffer.from('half sent before');
    const bytes = publishBytes(1, '', 'q', body);
    // The frames of the method and the header, and those of another channel, whose answer says that they were read.
    const bodyFrameBytes = 7 + body.length + 1;
    begun.write(bytes.subarray(0, bytes.length - bodyFrameBytes));
    begun.method(2, { name: 'channel.open' });
    await begun.expect('channel.open-ok');
    test.broker.shard.setAlarm('disk', true);
    const clients = await Promise.all(Array.from({ length: 5 }, () => test.raw()));
    for (const client of clients) {
      await client.handshake({}, { 'connection.blocked': true });
      client.method(1, { name: 'channel.open' });
      await client.expect('channel.open-ok');
      client.method(1, { name: 'confirm.select', noWait: false });
      await client.expect('confirm.select-ok');
      client.write(publishBytes(1, '', 'q', Buffer.from('first')));
      await client.expect('connection.blocked');
    }
    begun.write(bytes.subarray(bytes.length - bodyFrameBytes));
    await begun.expect('connection.blocked');
    assert.equal(queue.readyCount, 0);
    test.broker.shard.setAlarm('disk', false);
    for (const client of clients) {
      await client.expect('connection.unblocked');
      await client.expect('basic.ack');
      client.socket.destroy();
    }
    await until(() => queue.readyCount === 6);
  });

  it('commits no messages of a transaction, but acknowledges', async () => {
    await using test = await TestServer.start();
    const queue = asLocal(test.broker.vhosts.get('/')?.declareQueue(QUEUE, null));
    assert.ok(queue);
    using client = await test.rawChannel();
    client.method(1, { name: 'tx.select' });
    await client.expect('tx.select-ok');
    client.write(publishBytes(1, '', 'q', Buffer.from('1')));
    client.method(1, { name: 'tx.commit' });
    await client.expect('tx.commit-ok');
    using consumer = await test.rawChannel();
    consumer.method(1, { name: 'tx.select' });
    await consumer.expect('tx.select-ok');
    consumer.method(1, { ...CONSUME, noAck: false });
    await consumer.expect('basic.consume-ok');
    await consumer.expect('basic.deliver');
    // Its header and body.
    await consumer.next();
    await consumer.next();
    client.write(publishBytes(1, '', 'q', Buffer.from('2')));
    client.method(2, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    test.broker.shard.setAlarm('disk', true);
    consumer.method(1, { name: 'basic.ack', deliveryTag: 1, multiple: false });
    consumer.method(1, { name: 'tx.commit' });
    await consumer.expect('tx.commit-ok');
    assert.equal(queue.unacknowledgedCount, 0);
    client.method(1, { name: 'tx.commit' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(queue.ledger.routed, 1);
    test.broker.shard.setAlarm('disk', false);
    await client.expect('tx.commit-ok');
    assert.equal(queue.ledger.routed, 2);
  });

  it('notices that a publisher which it does not read is gone', async () => {
    await using test = await TestServer.start({ stalledPeerTimeoutMs: 100 });
    test.broker.shard.setAlarm('disk', true);
    using client = await test.raw();
    await client.handshake({}, { 'connection.blocked': true });
    client.method(1, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    client.write(publishBytes(1, '', 'q', Buffer.from('1')));
    await client.expect('connection.blocked');
    assert.equal(test.server.connectionCount, 1);
    // More than is read ahead of somebody who does not want it: from here on the socket is not looked at.
    client.write(publishBytes(1, '', 'q', Buffer.alloc(500_000)));
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.socket.resetAndDestroy();
    await until(() => test.server.connectionCount === 0);
  });
});
