import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel, Received } from '../client.ts';
import { Recorder } from './recorder.ts';
import { bodies, type Check, Inbox, within } from './world.ts';

/** Long enough for a delivery that must not come to be noticed. */
const SILENCE_MS = 100;

const QUEUE_DELETE_OK = '50.41';
const BASIC_CANCEL = '60.30';

/** What is consumed, acknowledged, given back and confirmed. */
export const deliveryChecks: readonly Check[] = [
  {
    title: 'every message that was confirmed is delivered, in the order of publishing',
    run: async (world) => {
      const queue = world.name('durable');
      await world.channel.declareQueue(queue, { durable: true });
      const sent = Array.from({ length: 500 }, (_, i) => `message ${i}`);
      const inbox = new Inbox();
      await world.channel.prefetch(50);
      await world.channel.consume(queue, (message) => {
        inbox.push(message);
        if (message !== undefined) world.channel.ack(message.deliveryTag);
      });
      await within(
        Promise.all(
          sent.map((body, i) => world.confirms.publish('', queue, body, { persistent: i % 2 === 0 })),
        ),
        'all confirms',
      );
      assert.deepEqual(bodies(await inbox.take(sent.length)), sent);
      await world.channel.deleteQueue(queue);
    },
  },
  {
    title: 'a consumer has at most its prefetch unacknowledged, and the next one when it acknowledges',
    run: async (world) => {
      const queue = await world.queue();
      await world.publishAll(queue, ['a', 'b', 'c', 'd', 'e']);
      const inbox = new Inbox();
      await world.channel.prefetch(2);
      await world.channel.consume(queue, inbox.push);
      const [first, second] = await inbox.take(2);
      await delay(SILENCE_MS);
      assert.equal(inbox.size, 0);
      world.channel.ack(first.deliveryTag);
      const [third] = await inbox.take(1);
      await delay(SILENCE_MS);
      assert.equal(inbox.size, 0);
      world.channel.ack(third.deliveryTag, true);
      assert.deepEqual(bodies([first, second, third, ...(await inbox.take(2))]), ['a', 'b', 'c', 'd', 'e']);
    },
  },
  {
    title: 'a prefetch for the channel is shared by its consumers',
    run: async (world) => {
      const [one, two] = [await world.queue(), await world.queue()];
      await world.publishAll(one, ['a', 'b']);
      await world.publishAll(two, ['c', 'd']);
      const inbox = new Inbox();
      await world.channel.prefetch(3, true);
      await world.channel.consume(one, inbox.push);
      await world.channel.consume(two, inbox.push);
      const [first] = await inbox.take(3);
      await delay(SILENCE_MS);
      assert.equal(inbox.size, 0);
      world.channel.ack(first.deliveryTag);
      await inbox.take(1);
    },
  },
  {
    title: 'competing consumers share a queue fairly, and each message goes to one of them',
    run: async (world) => {
      const queue = await world.queue();
      const inboxes = [new Inbox(), new Inbox()];
      for (const inbox of inboxes) await world.channel.consume(queue, inbox.push, { noAck: true });
      await world.publishAll(queue, ['a', 'b', 'c', 'd']);
      const got = [await inboxes[0].take(2), await inboxes[1].take(2)];
      assert.deepEqual(bodies(got.flat()).sort(), ['a', 'b', 'c', 'd']);
    },
  },
  {
    title: 'a message that is given back returns to its place, marked as redelivered',
    run: async (world) => {
      const { channel } = world;
      const queue = await world.queue();
      await world.publishAll(queue, ['a', 'b', 'c']);
      const [a, b] = [await get(channel, queue), await get(channel, queue)];
      assert.deepEqual([a.redelivered, a.messageCount, b.messageCount], [false, 2, 1]);
      channel.nack(b.deliveryTag, { requeue: true });
      channel.nack(a.deliveryTag, { requeue: true });
      const again = [await get(channel, queue), await get(channel, queue), await get(channel, queue)];
      assert.deepEqual(
        again.map(({ body, redelivered }) => [body.toString(), redelivered]),
        [
          ['a', true],
          ['b', true],
          ['c', false],
        ],
      );
      channel.nack(again[2].deliveryTag, { multiple: true, requeue: true });
      assert.deepEqual(await world.drain(queue), ['a', 'b', 'c']);
    },
  },
  {
    title: 'a message that is rejected is gone, or comes again, as the client says',
    run: async (world) => {
      const { channel } = world;
      const queue = await world.queue();
      await world.publishAll(queue, ['a', 'b', 'c', 'd']);
      channel.reject((await get(channel, queue)).deliveryTag, false);
      channel.reject((await get(channel, queue)).deliveryTag, true);
      assert.equal((await get(channel, queue)).body.toString(), 'b');
      const third = await get(channel, queue);
      channel.nack(third.deliveryTag, { multiple: true, requeue: false });
      assert.deepEqual(await world.drain(queue), ['d']);
    },
  },
  {
    title: 'what a closed channel had not acknowledged comes again',
    run: async (world) => {
      const queue = await world.queue();
      await world.publishAll(queue, ['a', 'b', 'c']);
      const holder = await world.connection.channel();
      const inbox = new Inbox();
      await holder.consume(queue, inbox.push);
      const [first] = await inbox.take(3);
      holder.ack(first.deliveryTag);
      await holder.close();
      const again = await get(world.channel, queue);
      assert.deepEqual([again.body.toString(), again.redelivered], ['b', true]);
    },
  },
  {
    title: 'recover gives everything back that the channel holds',
    run: async (world) => {
      const queue = await world.queue();
      await world.publishAll(queue, ['a', 'b']);
      const inbox = new Inbox();
      await world.channel.consume(queue, inbox.push);
      assert.deepEqual(flags(await inbox.take(2)), ['a', 'b']);
      await world.channel.recover();
      assert.deepEqual(flags(await inbox.take(2)), ['a again', 'b again']);
    },
  },
  {
    title: 'get takes one message, or says that there is none',
    run: async (world) => {
      const queue = await world.queue();
      assert.equal(await world.channel.get(queue), undefined);
      await world.publishAll(queue, ['only']);
      const message = await get(world.channel, queue);
      assert.deepEqual([message.exchange, message.routingKey, message.messageCount], ['', queue, 0]);
      world.channel.ack(message.deliveryTag);
      assert.equal(await world.channel.get(queue), undefined);
    },
  },
  {
    title: 'a cancelled consumer gets no more, and may still acknowledge what it has',
    run: async (world) => {
      const { channel } = world;
      const queue = await world.queue();
      const inbox = new Inbox();
      const tag = await channel.consume(queue, inbox.push, { consumerTag: 'ours' });
      assert.equal(tag, 'ours');
      await world.publishAll(queue, ['a']);
      const [message] = await inbox.take(1);
      await channel.cancel(tag);
      await world.publishAll(queue, ['b']);
      channel.ack(message.deliveryTag);
      assert.equal((await get(channel, queue)).body.toString(), 'b');
      assert.equal(inbox.size, 0);
    },
  },
  {
    title: 'consumers are told when their queue is deleted, those of the same channel after the answer',
    run: async (world) => {
      const recorder = new Recorder(world.url);
      const connection = await world.client.connect(await recorder.open());
      try {
        const channel = await connection.channel();
        const queue = world.name('deleted');
        await world.channel.declareQueue(queue);
        const [inbox, elsewhere] = [new Inbox(), new Inbox()];
        await channel.consume(queue, inbox.push);
        await world.channel.consume(queue, elsewhere.push);
        await channel.deleteQueue(queue);
        assert.deepEqual([await inbox.next(), await elsewhere.next()], [undefined, undefined]);
        // Clients close the channel on the first, and would then wait for the other in vain.
        assert.deepEqual(recorder.received.methods.slice(-2), [QUEUE_DELETE_OK, BASIC_CANCEL]);
      } finally {
        await connection.close();
        recorder.close();
      }
    },
  },
  {
    title: 'a mandatory message that reaches no queue comes back before it is confirmed',
    run: async (world) => {
      const order: string[] = [];
      const returned = new Promise<void>((resolve) => {
        world.confirms.onReturn(({ replyCode, replyText, routingKey, body }) => {
          order.push(`${replyCode} ${replyText} ${routingKey} ${body}`);
          resolve();
        });
      });
      await world.confirms.publish('amq.direct', 'nowhere', 'lost'); // Not mandatory: dropped, and confirmed.
      await world.confirms.publish('amq.direct', 'nowhere', 'come back', { mandatory: true });
      await within(returned, 'basic.return');
      assert.deepEqual(order, ['312 NO_ROUTE nowhere come back']);
    },
  },
  {
    title: 'a transaction is nothing until it is committed, and nothing if it is rolled back',
    needs: 'transactions',
    run: async (world) => {
      const tx = world.channel.tx!;
      const channel = await world.connection.channel();
      const [one, two] = [await world.queue(), await world.queue()];
      await world.publishAll(one, ['a', 'b']);
      await tx.select();
      const publish = (queue: string, body: string) =>
        world.channel.publish('', queue, body, { persistent: true });
      world.channel.ack((await get(world.channel, one)).deliveryTag);
      await publish(one, 'rolled back');
      await publish(two, 'rolled back');
      await tx.rollback();
      assert.equal((await channel.checkQueue(two)).messageCount, 0);
      assert.equal((await channel.checkQueue(one)).messageCount, 1);
      await world.channel.recover();
      await tx.commit();
      const again = await get(world.channel, one);
      assert.deepEqual([again.body.toString(), again.redelivered], ['a', true]);

      world.channel.ack(again.deliveryTag);
      await publish(one, 'c');
      await publish(two, 'c');
      assert.equal((await channel.checkQueue(two)).messageCount, 0);
      await tx.commit();
      assert.equal((await channel.checkQueue(two)).messageCount, 1);
      await world.channel.close();
      const left: string[] = [];
      for (let message = await channel.get(one, { noAck: true }); message !== undefined; ) {
        left.push(message.body.toString());
        message = await channel.get(one, { noAck: true });
      }
      assert.deepEqual(left, ['b', 'c']);
    },
  },
];

async function get(channel: Channel, queue: string): Promise<Received> {
  const message = await channel.get(queue);
  assert.ok(message, `${queue} is empty`);
  return message;
}

function flags(messages: readonly Received[]): string[] {
  return messages.map(({ body, redelivered }) => `${body}${redelivered ? ' again' : ''}`);
}
