import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Channel, ChannelModel, GetMessage } from 'amqplib';
import type { Queue } from '../../../../src/broker/queues/queue.ts';
import { until } from '../../../support/until.ts';
import { TestServer } from '../test-server.ts';

type Ending = (message: GetMessage, channel: Channel, connection: ChannelModel) => unknown;

/** What consumers do, and what RabbitMQ 4.3 takes it for. */
const ENDINGS: Readonly<Record<string, readonly ['failed' | 'returned', Ending]>> = {
  'basic.reject': ['failed', (message, channel) => channel.reject(message, true)],
  'channel.close': ['failed', (_, channel) => channel.close()],
  'connection.close': ['failed', (_, __, connection) => connection.close()],
  'a lost connection': [
    'failed',
    (_, __, { connection }) => (connection as unknown as { stream: { destroy(): void } }).stream.destroy(),
  ],
  'basic.nack': ['returned', (message, channel) => channel.nack(message, false, true)],
  'basic.recover': ['returned', (_, channel) => channel.recover()],
};

/** A message of a quorum queue comes to a consumer, who ends that in this way. */
async function ended(test: TestServer, ending: Ending, args: object): Promise<Queue> {
  const connection = await test.connect();
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('q', { arguments: { 'x-queue-type': 'quorum', ...args } });
  channel.sendToQueue('q', Buffer.from('m'), { headers: { own: 1 } });
  await channel.waitForConfirms();
  const message = await channel.get('q');
  assert.ok(message !== false);
  assert.deepEqual(message.properties.headers, { own: 1 });
  await ending(message, channel, connection);
  const queue = test.queue('q') as Queue;
  await until(() => queue.unacknowledgedCount === 0);
  return queue;
}

describe('a message that comes back from its consumer', () => {
  for (const [what, [kind, ending]] of Object.entries(ENDINGS)) {
    it(`by ${what} is ${kind}: counted and delayed as such`, async () => {
      for (const type of ['failed', 'returned', 'all']) {
        await using test = await TestServer.start();
        const args = { 'x-delayed-retry-type': type, 'x-delayed-retry-min': 60_000 };
        const { retryingCount, readyCount } = await ended(test, ending, args);
        const waits = type === 'all' || type === kind;
        assert.deepEqual([retryingCount, readyCount], waits ? [1, 0] : [0, 1], type);
      }
      await using test = await TestServer.start();
      await ended(test, ending, {});
      await using connection = await test.connect();
      const again = await (await connection.createChannel()).get('q');
      const counts =
        kind === 'failed' ? { 'x-acquired-count': 1, 'x-delivery-count': 1 } : { 'x-acquired-count': 1 };
      assert.ok(again !== false);
      assert.deepEqual(again.properties.headers, { ...counts, own: 1 });
    });
  }
});
