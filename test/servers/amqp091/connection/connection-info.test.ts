import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { until } from '../../../support/until.ts';
import { TestServer } from '../test-server.ts';

test('a connection, its channels and its consumers are listed while they are there', async () => {
  await using server = await TestServer.start();
  const { connections } = server.broker;
  const connection = await server.connect();
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('q');
  await channel.prefetch(3);
  await channel.consume('q', () => undefined, { consumerTag: 'c', arguments: { mine: true } });
  for (let i = 0; i < 3; i++) channel.sendToQueue('q', Buffer.from('x'));
  await channel.waitForConfirms();

  const [session] = connections;
  const info = session!.describe();
  assert.deepEqual(
    [info.user, info.vhost, info.protocol, info.state, info.channelCount, info.tls],
    ['guest', '/', 'AMQP 0-9-1', 'running', 1, null],
  );
  assert.equal(info.name, `127.0.0.1:${info.peer.port} -> 127.0.0.1:${server.server.port}`);
  assert.equal(info.clientProperties.product, 'amqplib');
  assert.ok(info.receivedBytes > 100 && info.sentBytes > 100);
  await until(() => session!.channels()[0].unacknowledged === 3);
  const [listed] = session!.channels();
  assert.deepEqual(
    [listed!.name, listed!.confirms, listed!.transactional, listed!.prefetch, listed!.consumerCount],
    [`${info.name} (1)`, true, false, 3, 1],
  );
  const [consumer] = session!.consumers();
  assert.deepEqual(
    [consumer!.tag, consumer!.queue, consumer!.ackRequired, consumer!.prefetch, consumer!.arguments.mine],
    ['c', 'q', true, 3, true],
  );
  await channel.consume('amq.rabbitmq.reply-to', () => undefined, { consumerTag: 'asks', noAck: true });
  const asking = session!.consumers()[1];
  assert.deepEqual(
    [asking.tag, asking.queue, asking.ackRequired, asking.active],
    ['asks', 'amq.rabbitmq.reply-to', false, true],
  );
  await connection.close();
  await until(() => connections.size === 0);
});

test('a connection that an administrator closes is told so, with 320 (AMQP 1.4.2.9)', async () => {
  await using server = await TestServer.start();
  const { connections } = server.broker;
  await using connection = await server.connect();
  await using other = await server.connect();
  const closed = once(connection, 'close');
  const [session] = connections;
  connections.close(session!.describe().id, 'out with you');
  const [error] = await closed;
  assert.equal((error as { code?: number }).code, 320);
  assert.match(String(error), /CONNECTION_FORCED - out with you/);
  await until(() => connections.find(session!.name) === undefined);
  await other.createChannel();
  assert.throws(() => connections.close(4711, 'x'), { kind: 'not-found' });
});
