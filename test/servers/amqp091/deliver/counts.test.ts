import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Channel, Message } from 'amqplib';
import { TestServer } from '../test-server.ts';

/** What a publisher says of its own message. */
const FORGED = {
  'x-delivery-count': 77,
  'x-acquired-count': 'often',
  own: { 'x-delivery-count': 5 },
  after: 1,
};
const OWN = { own: { 'x-delivery-count': 5 }, after: 1 };

/** Queues that count how often a message came back. */
const COUNTING = {
  'a quorum queue': { 'x-queue-type': 'quorum' },
  'a queue with a delivery limit': { 'x-delivery-limit': 10 },
  'a queue with delayed retries': { 'x-delayed-retry-type': 'returned', 'x-delayed-retry-min': 1 },
};

const WAYS: Readonly<Record<string, (channel: Channel) => Promise<Message>>> = {
  async 'basic.get'(channel) {
    for (;;) {
      const message = await channel.get('q');
      if (message !== false) return message;
    }
  },
  async 'basic.consume'(channel) {
    const { promise, resolve } = Promise.withResolvers<Message>();
    const { consumerTag } = await channel.consume('q', (message) => message !== null && resolve(message));
    const message = await promise;
    await channel.cancel(consumerTag);
    return message;
  },
};

async function publishForged(test: TestServer, args: object): Promise<Channel> {
  const channel = await (await test.connect()).createConfirmChannel();
  await channel.assertQueue('q', { durable: true, arguments: args });
  channel.sendToQueue('q', Buffer.from('m'), { headers: FORGED });
  await channel.waitForConfirms();
  return channel;
}

describe('the counts in a delivery', () => {
  for (const [what, args] of Object.entries(COUNTING)) {
    for (const [way, take] of Object.entries(WAYS)) {
      it(`of ${what} by ${way} are the queue's, and never the publisher's`, async () => {
        await using test = await TestServer.start();
        const channel = await publishForged(test, args);
        const first = await take(channel);
        assert.deepEqual(first.properties.headers, OWN);
        channel.nack(first as never, false, true);
        const second = await take(channel);
        assert.deepEqual(second.properties.headers, { 'x-acquired-count': 1, ...OWN });
        channel.reject(second as never, true);
        const third = await take(channel);
        assert.deepEqual(third.properties.headers, { 'x-acquired-count': 2, 'x-delivery-count': 1, ...OWN });
      });
    }
  }

  it('of a queue that does not count are headers like any other', async () => {
    await using test = await TestServer.start();
    const channel = await publishForged(test, {});
    assert.deepEqual((await WAYS['basic.get'](channel)).properties.headers, FORGED);
  });
});
