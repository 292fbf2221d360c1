import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { Channel } from 'amqplib';
import { until } from '../../support/until.ts';
import { TestServer } from './test-server.ts';

describe('the exchange types of RabbitMQ plugins, to a client', () => {
  let test: TestServer;
  before(async () => {
    test = await TestServer.start();
  });
  after(async () => {
    await test[Symbol.asyncDispose]();
  });

  async function withQueues(exchange: string, type: string, queues: string[], key: string, args = {}) {
    const connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertExchange(exchange, type, { autoDelete: true, arguments: args });
    for (const queue of queues) {
      await channel.assertQueue(queue, { exclusive: true });
      await channel.bindQueue(queue, exchange, key);
    }
    return Object.assign(channel, { [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose]() });
  }

  async function counts(channel: Channel, queues: string[]): Promise<number[]> {
    const found = [];
    for (const queue of queues) found.push((await channel.checkQueue(queue)).messageCount);
    return found;
  }

  it('x-consistent-hash: the same key, or header, the same queue', async () => {
    const queues = ['h1', 'h2', 'h3'];
    await using channel = await withQueues('h', 'x-consistent-hash', queues, '1');
    await using byUser = await withQueues('u', 'x-consistent-hash', ['u1', 'u2', 'u3'], '1', {
      'hash-header': 'user',
    });
    for (let i = 0; i < 60; i++) channel.publish('h', 'always this one', Buffer.from('x'));
    for (let i = 0; i < 300; i++) {
      byUser.publish('u', `key ${i}`, Buffer.from('x'), { headers: { user: i % 3 === 0 ? 'same' : i } });
    }
    await Promise.all([channel.waitForConfirms(), byUser.waitForConfirms()]);
    const byKey = await counts(channel, queues);
    assert.deepEqual(byKey.sort(), [0, 0, 60]);
    const spread = await counts(byUser, ['u1', 'u2', 'u3']);
    assert.equal(spread[0] + spread[1] + spread[2], 300);
    assert.ok(Math.min(...spread) > 20 && Math.max(...spread) >= 100 + 20, String(spread));
  });

  it('x-round-robin and x-random: one queue each time', async () => {
    await using turns = await withQueues('r', 'x-round-robin', ['r1', 'r2', 'r3'], '');
    await using chance = await withQueues('c', 'x-random', ['c1', 'c2', 'c3'], '');
    for (let i = 0; i < 300; i++) {
      turns.publish('r', 'k', Buffer.from('x'));
      chance.publish('c', 'k', Buffer.from('x'));
    }
    await Promise.all([turns.waitForConfirms(), chance.waitForConfirms()]);
    assert.deepEqual(await counts(turns, ['r1', 'r2', 'r3']), [100, 100, 100]);
    const found = await counts(chance, ['c1', 'c2', 'c3']);
    assert.equal(found[0] + found[1] + found[2], 300);
    assert.ok(Math.min(...found) > 50, String(found));
  });

  it('x-consistent-hash: a binding key that is no weight ends the channel (406)', async () => {
    await using channel = await withQueues('w', 'x-consistent-hash', ['w1'], '1');
    const failed = once(channel, 'error');
    channel.bindQueue('w1', 'w', 'heavy').catch(() => undefined);
    const [error] = await failed;
    assert.match((error as Error).message, /406.*The binding key must be an integer: <<"heavy">>/);
  });

  it('x-delayed-message: later, with the header negated; hidden keys stay hidden; mandatory is satisfied', async () => {
    await using channel = await withQueues('l', 'x-delayed-message', ['l1'], 'k', {
      'x-delayed-type': 'direct',
    });
    let returned = 0;
    channel.on('return', () => returned++);
    const arrivals: { body: string; headers: object; afterMs: number; exchange: string; key: string }[] = [];
    const begin = performance.now();
    await channel.consume('l1', (message) => {
      if (message === null) return;
      const { exchange, routingKey: key } = message.fields;
      const headers = message.properties.headers ?? {};
      arrivals.push({
        body: String(message.content),
        headers,
        afterMs: performance.now() - begin,
        exchange,
        key,
      });
    });
    const headers = { 'x-delay': 300, BCC: ['k'], other: 'kept' };
    channel.publish('l', 'hidden', Buffer.from('late'), { headers, mandatory: true, persistent: true });
    channel.publish('l', 'k', Buffer.from('soon'), { headers: { 'x-delay': 100 } });
    channel.publish('l', 'k', Buffer.from('now'), { headers: { 'x-delay': 0 } });
    await channel.waitForConfirms();
    await until(() => arrivals.length === 3);
    assert.deepEqual(
      arrivals.map(({ body, headers: found, exchange, key }) => [body, found, exchange, key]),
      [
        ['now', { 'x-delay': 0 }, 'l', 'k'],
        ['soon', { 'x-delay': -100 }, 'l', 'k'],
        ['late', { 'x-delay': -300, other: 'kept' }, 'l', 'hidden'],
      ],
    );
    assert.ok(arrivals[1].afterMs >= 99 && arrivals[2].afterMs >= 299, 'none comes too early');
    assert.equal(returned, 0);
  });
});
