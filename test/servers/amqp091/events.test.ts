import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConsumeMessage, connect } from 'amqplib';
import { until } from '../../support/until.ts';
import { TestServer } from './test-server.ts';

/** A queue of its own that hears all events, by a client that we did not write. */
async function listenTo(server: TestServer, pattern = '#') {
  const connection = await server.connect();
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, 'amq.rabbitmq.event', pattern);
  const heard: ConsumeMessage[] = [];
  await channel.consume(queue, (message) => message !== null && heard.push(message), { noAck: true });
  // What it did itself is heard as well, and this is the last of it.
  if (pattern !== 'user.#')
    await until(() => heard.some(({ fields }) => fields.routingKey === 'consumer.created'));
  heard.length = 0;
  return {
    heard,
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    names: () => heard.map(({ fields }) => fields.routingKey),
    /** The headers of the only event of this name so far. */
    async one(name: string): Promise<Record<string, unknown>> {
      await until(() => heard.some(({ fields }) => fields.routingKey === name));
      const found = heard.filter(({ fields }) => fields.routingKey === name);
      assert.equal(found.length, 1, `${name} came ${found.length} times`);
      return found[0].properties.headers ?? {};
    },
  };
}

test('queues, exchanges and bindings that come and go are told on amq.rabbitmq.event, and by whom', async () => {
  await using server = await TestServer.start();
  await using listener = await listenTo(server, '*.*');
  await using connection = await server.connect();
  const channel = await connection.createChannel();
  await channel.assertExchange('x', 'topic');
  await channel.assertQueue('q', { durable: true, arguments: { 'x-note': 7 } });
  await channel.bindQueue('q', 'x', 'a.#');
  await channel.deleteQueue('q');
  await channel.deleteExchange('x');

  const made = await listener.one('queue.created');
  assert.deepEqual(
    [made.name, made.vhost, made.durable, made.auto_delete, made.user_who_performed_action],
    ['q', '/', true, false, 'guest'],
  );
  assert.deepEqual(made.arguments, { 'x-note': 7 });
  assert.ok(Math.abs(Number(made.timestamp_in_ms) - Date.now()) < 5000);
  const bound = await listener.one('binding.created');
  assert.deepEqual(
    [bound.source_name, bound.destination_kind, bound.destination_name, bound.routing_key],
    ['x', 'queue', 'q', 'a.#'],
  );
  assert.equal((await listener.one('binding.deleted')).user_who_performed_action, 'guest');
  assert.equal((await listener.one('queue.deleted')).name, 'q');
  assert.equal((await listener.one('exchange.created')).type, 'topic');
  assert.equal((await listener.one('exchange.deleted')).name, 'x');
  const [first] = listener.heard;
  assert.deepEqual([first!.content.length, first!.properties.deliveryMode], [0, 1]);
});

test('connections, channels and consumers tell of their coming and going', async () => {
  await using server = await TestServer.start();
  await using listener = await listenTo(server);
  const connection = await server.connect();
  const channel = await connection.createChannel();
  await channel.assertQueue('jobs', { exclusive: true });
  await channel.prefetch(5);
  await channel.consume('jobs', () => undefined, { consumerTag: 'worker' });
  await connection.close();

  const came = await listener.one('connection.created');
  assert.deepEqual(
    [came.protocol, came.user, came.vhost, came.auth_mechanism, came.ssl, came.peer_host],
    ['AMQP 0-9-1', 'guest', '/', 'PLAIN', false, '127.0.0.1'],
  );
  assert.match(String(came.name), /^127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+$/);
  const consumer = await listener.one('consumer.created');
  assert.deepEqual(
    [consumer.consumer_tag, consumer.queue, consumer.ack_required, consumer.prefetch_count],
    ['worker', 'jobs', true, 5],
  );
  const opened = await listener.one('channel.created');
  assert.equal(opened.connection, came.pid);
  assert.equal(consumer.channel, opened.pid);
  await listener.one('connection.closed');
  assert.equal((await listener.one('consumer.deleted')).consumer_tag, 'worker');
  assert.equal((await listener.one('channel.closed')).pid, opened.pid);
  assert.equal((await listener.one('user.authentication.success')).name, 'guest');
});

test('who waits for answers without a queue comes and goes as other consumers do', async () => {
  await using server = await TestServer.start();
  await using listener = await listenTo(server, 'consumer.*');
  await using connection = await server.connect();
  const channel = await connection.createChannel();
  await channel.consume('amq.rabbitmq.reply-to', () => undefined, { consumerTag: 'asks', noAck: true });
  const came = await listener.one('consumer.created');
  assert.deepEqual(
    [came.consumer_tag, came.queue, came.vhost, came.ack_required],
    ['asks', 'amq.rabbitmq.reply-to', '/', false],
  );
  await channel.cancel('asks');
  assert.equal((await listener.one('consumer.deleted')).queue, 'amq.rabbitmq.reply-to');
  await channel.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(listener.names(), ['consumer.created', 'consumer.deleted']);
});

test('a login that is refused is told', async () => {
  await using server = await TestServer.start();
  await using listener = await listenTo(server, 'user.#');
  await assert.rejects(connect(`amqp://nobody:wrong@127.0.0.1:${server.server.port}`));
  const refused = await listener.one('user.authentication.failure');
  assert.deepEqual([refused.name, refused.auth_mechanism], ['nobody', 'PLAIN']);
});

test('an event that is published is no event itself, however many queues it goes to', async () => {
  await using server = await TestServer.start();
  await using listener = await listenTo(server);
  await using connection = await server.connect();
  const channel = await connection.createChannel();
  await channel.assertQueue('other');
  await channel.bindQueue('other', 'amq.rabbitmq.event', '#');
  const before = listener.heard.length;
  for (let i = 0; i < 10; i++) await channel.assertQueue(`q${i}`);
  await until(() => listener.names().filter((name) => name === 'queue.created').length >= 11);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(listener.heard.length - before <= 12, `${listener.heard.length - before} events for 10 queues`);
});

test('without a listener an event costs nothing that stays', async () => {
  await using server = await TestServer.start();
  const { events } = server.broker;
  assert.equal(events.isHeard, false);
  const heard: string[] = [];
  const stop = events.listen(({ name }) => heard.push(name));
  await using connection = await server.connect();
  await (await connection.createChannel()).assertQueue('q');
  stop();
  await (await connection.createChannel()).assertQueue('q2');
  assert.deepEqual(heard, [
    'user.authentication.success',
    'connection.created',
    'channel.created',
    'queue.created',
  ]);
});
