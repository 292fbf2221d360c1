import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../../support/until.ts';
import { ShardServers } from './shard-servers.ts';

/** How many different messages a queue of any shard has, and how many in all. */
async function taken(servers: ShardServers, shard: number, queue: string, count: number): Promise<string[]> {
  const { channel } = await servers.client(shard);
  const bodies: string[] = [];
  await channel.consume(queue, (message) => bodies.push(message?.content.toString() ?? ''), { noAck: true });
  await until(() => bodies.length >= count);
  // What came twice would be behind the others.
  await new Promise((resolve) => setTimeout(resolve, 100));
  return bodies;
}

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `m${from + i}`);
}

it('a stream that feeds a queue goes on where it was when the queue is moved, and keeps what it has', async () => {
  await using servers = await ShardServers.start(3);
  const { channel } = await servers.client(0);
  await channel.assertExchange('stream', 'x-stream', { arguments: { 'x-partitions': 1 } });
  await channel.assertQueue('fed', { durable: true, arguments: { 'x-shard': 2 } });
  await channel.bindQueue('fed', 'stream', '#');
  for (const body of numbered(0, 200)) channel.publish('stream', 'k', Buffer.from(body));
  await channel.waitForConfirms();
  // Some are in the queue, some on their way, some in the stream alone.
  await servers.moved(1);
  const again = await servers.client(0);
  for (const body of numbered(200, 220)) again.channel.publish('stream', 'k', Buffer.from(body));
  await again.channel.waitForConfirms();
  assert.deepEqual(await taken(servers, 0, 'fed', 220), numbered(0, 220));
});
