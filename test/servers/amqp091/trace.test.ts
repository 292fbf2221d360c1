import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConsumeMessage } from 'amqplib';
import { until } from '../../support/until.ts';
import { TestServer } from './test-server.ts';

test('a virtual host that is traced sends copies of what is published and delivered to amq.rabbitmq.trace', async () => {
  await using server = await TestServer.start();
  const { tracing } = server.broker;
  await using tap = await server.connect();
  const tapChannel = await tap.createChannel();
  await tapChannel.assertQueue('tap');
  await tapChannel.bindQueue('tap', 'amq.rabbitmq.trace', '#');
  const copies: ConsumeMessage[] = [];
  await tapChannel.consume('tap', (message) => message !== null && copies.push(message), { noAck: true });

  // One that was there before, and one that comes when it is on already.
  await using publisher = await server.connect();
  const channel = await publisher.createConfirmChannel();
  await channel.assertQueue('jobs');
  await channel.assertExchange('x', 'fanout');
  await channel.bindQueue('jobs', 'x', '');
  tracing.set('/', true);
  await using consumer = await server.connect();
  const consuming = await consumer.createChannel();

  channel.publish('x', 'a.key', Buffer.from('body'), { contentType: 'text/plain', headers: { n: 1 } });
  await channel.waitForConfirms();
  await until(() => copies.length === 1);
  const [published] = copies;
  assert.equal(published!.fields.routingKey, 'publish.x');
  assert.equal(published!.content.toString(), 'body');
  const headers = published!.properties.headers!;
  assert.deepEqual(
    [
      headers.exchange_name,
      headers.routing_keys,
      headers.routed_queues,
      headers.vhost,
      headers.user,
      headers.channel,
    ],
    ['x', ['a.key'], ['jobs'], '/', 'guest', 1],
  );
  assert.equal(headers.properties.content_type, 'text/plain');
  assert.deepEqual(headers.properties.headers, { n: 1 });

  await consuming.consume('jobs', (message) => message !== null && consuming.ack(message));
  await until(() => copies.length === 2);
  const delivered = copies[1];
  assert.equal(delivered.fields.routingKey, 'deliver.jobs');
  assert.equal(delivered.content.toString(), 'body');
  assert.deepEqual(
    [delivered.properties.headers!.exchange_name, delivered.properties.headers!.redelivered],
    ['x', 0],
  );
  assert.match(String(delivered.properties.headers!.connection), /^127\.0\.0\.1:\d+ -> /);

  tracing.set('/', false);
  channel.publish('x', 'a.key', Buffer.from('untraced'));
  await channel.waitForConfirms();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(copies.length, 2);
});

test('what is fetched singly is traced too, and copies are not copied', async () => {
  await using server = await TestServer.start();
  server.broker.tracing.set('/', true);
  await using connection = await server.connect();
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('tap');
  await channel.bindQueue('tap', 'amq.rabbitmq.trace', '#');
  await channel.assertQueue('q');
  channel.sendToQueue('q', Buffer.from('1'));
  await channel.waitForConfirms();
  await channel.get('q', { noAck: true });
  await until(() => server.queue('tap')!.readyCount === 2);
  const keys: string[] = [];
  for (let got = await channel.get('tap', { noAck: true }); got !== false; ) {
    keys.push(got.fields.routingKey);
    got = await channel.get('tap', { noAck: true });
  }
  assert.deepEqual(keys, ['publish.', 'deliver.q']);
});

test('answers that go past the queues are traced where they are delivered', async () => {
  await using server = await TestServer.start();
  server.broker.tracing.set('/', true);
  await using connection = await server.connect();
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('tap');
  await channel.bindQueue('tap', 'amq.rabbitmq.trace', 'deliver.#');
  await channel.assertQueue('q');
  const answers: ConsumeMessage[] = [];
  const take = (message: ConsumeMessage | null) => message !== null && answers.push(message);
  await channel.consume('amq.rabbitmq.reply-to', take, { noAck: true });
  channel.sendToQueue('q', Buffer.from('?'), { replyTo: 'amq.rabbitmq.reply-to' });
  await channel.waitForConfirms();
  const request = await channel.get('q', { noAck: true });
  assert.ok(request !== false);
  channel.sendToQueue(request.properties.replyTo as string, Buffer.from('!'));
  await until(() => answers.length === 1);
  assert.equal(answers[0].content.toString(), '!');
  await channel.get('tap', { noAck: true });
  const copy = await channel.get('tap', { noAck: true });
  assert.ok(copy !== false);
  assert.equal(copy.fields.routingKey, 'deliver.amq.rabbitmq.reply-to');
  assert.equal(copy.content.toString(), '!');
});
