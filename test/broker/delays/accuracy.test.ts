import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TestServer } from '../../servers/amqp091/test-server.ts';

const MESSAGES = 200;
/** A timer may be that early, or late. */
const TIMER_MS = 5;
/** Within two seconds. They would be two, if delays were looked at once a second. */
const MOMENTS_MIN = 10;

interface Sent {
  readonly isPersistent: boolean;
  readonly delayMs: number;
  /** The broker has read it between these two. */
  readonly sentAtMs: number;
  confirmedAtMs: number;
}

it('a client gets delayed messages never early, each at its time, with x-delay negated', async () => {
  await using server = await TestServer.start();
  await using connection = await server.connect();
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange('later', 'x-delayed-message', { arguments: { 'x-delayed-type': 'direct' } });
  await channel.assertQueue('q');
  await channel.bindQueue('q', 'later', 'k');
  const waiting = new Map<string, Sent>();
  const came: Sent[] = [];
  const moments = new Set<number>();
  let early = 0;
  const all = Promise.withResolvers<void>();
  await channel.consume(
    'q',
    (message) => {
      const id = message?.properties.messageId as string;
      const sent = waiting.get(id) ?? assert.fail(`${id} was not sent, or came twice`);
      waiting.delete(id);
      const nowMs = performance.now();
      if (nowMs < sent.sentAtMs + sent.delayMs) early++;
      came.push(sent);
      moments.add(Math.floor(nowMs / 10));
      assert.equal(message?.properties.headers?.['x-delay'], -sent.delayMs);
      assert.equal(message?.properties.headers?.other, 'kept');
      assert.equal(message?.fields.exchange, 'later');
      assert.equal(message?.content.toString(), 'body');
      if (waiting.size === 0) all.resolve();
    },
    { noAck: true },
  );
  for (let id = 0; id < MESSAGES; id++) {
    const delayMs = 50 + Math.floor(Math.random() * 1950);
    const isPersistent = id % 3 > 0;
    const sent: Sent = { isPersistent, delayMs, sentAtMs: performance.now(), confirmedAtMs: 0 };
    waiting.set(String(id), sent);
    const headers = { 'x-delay': delayMs, other: 'kept' };
    const options = { headers, messageId: String(id), persistent: isPersistent };
    channel.publish('later', 'k', Buffer.from('body'), options, () => {
      sent.confirmedAtMs = performance.now();
    });
  }
  await channel.waitForConfirms();
  await all.promise;
  assert.equal(early, 0);
  assert.ok(moments.size >= MOMENTS_MIN, `they came in ${moments.size} moments`);
  // A persistent one waits for the disk before it comes, and no transient one waits for it.
  for (const isPersistent of [true, false]) {
    const alike = came.filter((each) => each.isPersistent === isPersistent);
    for (const [i, first] of alike.entries()) {
      const earliestMs = first.sentAtMs + first.delayMs;
      const overtaken = alike
        .slice(i + 1)
        .filter(({ confirmedAtMs, delayMs }) => confirmedAtMs + delayMs < earliestMs - TIMER_MS);
      assert.deepEqual(overtaken, [], `they were due before one that was due at ${earliestMs}`);
    }
  }
});
