import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Received } from '../client.ts';
import { bodies, type Check, Inbox, refuses, type World } from './world.ts';

/** What RabbitMQ adds to AMQP 0-9-1, and applications rely on. */
export const featureChecks: readonly Check[] = [
  {
    title: 'a remote call is answered through a reply queue',
    run: async (world) => call(world, await world.queue()),
  },
  {
    title: 'a remote call is answered through direct reply-to',
    run: async (world) => call(world, 'amq.rabbitmq.reply-to'),
  },
  {
    title:
      'a message that outlives the time-to-live of its queue goes to the dead-letter exchange, and tells why',
    run: async (world) => {
      const dead = await world.queue();
      const key = world.name('dead');
      await world.channel.bindQueue(dead, 'amq.direct', key);
      const queue = await limited(world, {
        'x-message-ttl': 50,
        'x-dead-letter-exchange': 'amq.direct',
        'x-dead-letter-routing-key': key,
      });
      await world.confirms.publish('', queue, 'late', { headers: { mine: 'kept' } });
      const message = await arrives(world, dead);
      assert.deepEqual(
        [message.exchange, message.routingKey, `${message.body}`],
        ['amq.direct', key, 'late'],
      );
      assert.equal(message.headers.mine, 'kept');
      checkDeath(message, queue);
      assert.deepEqual(await world.drain(queue), []);
    },
  },
  {
    title: 'a message with an expiration of its own dies alone, and loses it on the way',
    run: async (world) => {
      const dead = await world.queue();
      // Through the default exchange, with its own routing key, it would come back to where it died.
      const exchange = world.name('dead');
      await world.channel.declareExchange(exchange, 'fanout', { autoDelete: true });
      await world.channel.bindQueue(dead, exchange, '');
      const queue = await limited(world, { 'x-dead-letter-exchange': exchange });
      await world.confirms.publish('', queue, 'short', { expiration: '50' });
      await world.confirms.publish('', queue, 'long', { expiration: '60000' });
      const message = await arrives(world, dead);
      assert.deepEqual([message.exchange, message.routingKey, `${message.body}`], [exchange, queue, 'short']);
      assert.equal(message.expiration, undefined);
      assert.equal(checkDeath(message, queue)['original-expiration'], '50');
      assert.deepEqual(await world.drain(queue), ['long']);
    },
  },
  {
    title: 'a queue with priorities gives the most urgent message first',
    run: async (world) => {
      const queue = await limited(world, { 'x-max-priority': 5 });
      const publish = (body: string, priority?: number) =>
        world.confirms.publish('', queue, body, priority === undefined ? {} : { priority });
      await publish('none');
      await publish('low', 1);
      await publish('high', 5);
      await publish('low too', 1);
      await publish('beyond', 9);
      // More than the highest is the highest; none is the lowest.
      assert.deepEqual(await world.drain(queue), ['high', 'beyond', 'low', 'low too', 'none']);
    },
  },
  {
    title: 'a queue with a length limit drops the oldest, or refuses the newest, as it was declared',
    run: async (world) => {
      const dropping = await limited(world, { 'x-max-length': 3, 'x-overflow': 'drop-head' });
      await world.publishAll(dropping, ['a', 'b', 'c', 'd', 'e']);
      assert.deepEqual(await world.drain(dropping), ['c', 'd', 'e']);
      const refusing = await limited(world, { 'x-max-length': 1, 'x-overflow': 'reject-publish' });
      await world.confirms.publish('', refusing, 'a');
      await assert.rejects(world.confirms.publish('', refusing, 'b'));
      assert.deepEqual(await world.drain(refusing), ['a']);
    },
  },
  {
    title: '406: a queue that is declared again with another limit',
    run: async (world) => {
      const name = world.name('kept');
      await world.channel.declareQueue(name, { exclusive: true });
      const channel = await world.connection.channel();
      await refuses(
        channel,
        406,
        /^PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '.*' in vhost '\/': received the value '1' of type '\w+' but current is none$/,
        () => channel.declareQueue(name, { exclusive: true, arguments: { 'x-max-length': 1 } }),
      );
      await world.confirms.publish('', name, 'still here');
      assert.deepEqual(await world.drain(name), ['still here']);
    },
  },
];

async function limited(world: World, args: Record<string, unknown>): Promise<string> {
  const name = world.name('limited');
  await world.channel.declareQueue(name, { exclusive: true, arguments: args });
  return name;
}

/** Waits for a message that the broker moves in its own time. */
async function arrives(world: World, queue: string): Promise<Received> {
  for (let i = 0; i < 500; i += 1) {
    const message = await world.channel.get(queue, { noAck: true });
    if (message !== undefined) return message;
    await delay(20);
  }
  return assert.fail(`nothing came to ${queue}`);
}

/** A server on a channel of its own answers a request with its body in capitals. */
async function call(world: World, replyTo: string): Promise<void> {
  const server = await world.connection.channel();
  const requests = await world.queue();
  await server.consume(requests, (request) => {
    const { replyTo: to, correlationId, body } = request!;
    server.publish('', to!, `${body}`.toUpperCase(), { correlationId: correlationId! }).catch(() => {});
    server.ack(request!.deliveryTag);
  });
  const inbox = new Inbox();
  await world.channel.consume(replyTo, inbox.push, { noAck: true });
  await world.channel.publish('', requests, 'question', { replyTo, correlationId: 'call 1' });
  const replies = await inbox.take(1);
  assert.deepEqual(bodies(replies), ['QUESTION']);
  assert.equal(replies[0].correlationId, 'call 1');
}

/** Checks the headers by which a message tells how it died; returns the entry of x-death. */
function checkDeath({ headers }: Received, queue: string): Record<string, unknown> {
  const deaths = headers['x-death'] as Record<string, unknown>[];
  assert.equal(deaths.length, 1);
  const [{ reason, count, queue: where, exchange, 'routing-keys': keys, time }] = deaths;
  assert.deepEqual([reason, Number(count), where, exchange, keys], ['expired', 1, queue, '', [queue]]);
  assert.ok(time !== undefined);
  const first = ['reason', 'queue', 'exchange'].map((what) => headers[`x-first-death-${what}`]);
  assert.deepEqual(first, ['expired', queue, '']);
  return deaths[0];
}
