import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TestServer } from '../../servers/amqp091/test-server.ts';

const MESSAGES = 200;
/** Far more than it should be, as the machine may have other things to do. */
const MEDIAN_LATE_MS_MAX = 150;

it('a client gets delayed messages never early, soon after their time, with x-delay negated', async () => {
  await using server = await TestServer.start();
  await using connection = await server.connect();
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange('later', 'x-delayed-message', { arguments: { 'x-delayed-type': 'direct' } });
  await channel.assertQueue('q');
  await channel.bindQueue('q', 'later', 'k');
  const sent = new Map<string, { readonly atMs: number; readonly delayMs: number }>();
  const lateMs: number[] = [];
  const all = Promise.withResolvers<void>();
  await channel.consume(
    'q',
    (message) => {
      const id = message?.properties.messageId as string;
      const { atMs, delayMs } = sent.get(id) ?? assert.fail(`${id} was not sent, or came twice`);
      sent.delete(id);
      lateMs.push(performance.now() - atMs - delayMs);
      assert.equal(message?.properties.headers?.['x-delay'], -delayMs);
      assert.equal(message?.properties.headers?.other, 'kept');
      assert.equal(message?.fields.exchange, 'later');
      assert.equal(message?.content.toString(), 'body');
      if (sent.size === 0) all.resolve();
    },
    { noAck: true },
  );
  for (let id = 0; id < MESSAGES; id++) {
    const delayMs = 50 + Math.floor(Math.random() * 1950);
    sent.set(String(id), { atMs: performance.now(), delayMs });
    const headers = { 'x-delay': delayMs, other: 'kept' };
    channel.publish('later', 'k', Buffer.from('body'), {
      headers,
      messageId: String(id),
      persistent: id % 3 > 0,
    });
  }
  await channel.waitForConfirms();
  await all.promise;
  lateMs.sort((a, b) => a - b);
  assert.ok(lateMs[0] >= 0, `${lateMs[0]} ms`);
  assert.ok(lateMs[MESSAGES >> 1] < MEDIAN_LATE_MS_MAX, `${lateMs[MESSAGES >> 1]} ms`);
});
