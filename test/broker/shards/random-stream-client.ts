import type { ConsumeMessage } from 'amqplib';
import type { Client } from './shard-servers.ts';

const FIRST = { 'x-stream-offset': 'first' };
const KIB = 1024;

/** Publishes a hundred messages, and meanwhile reads, takes what it likes, and cancels. */
export async function act(client: Client, topic: string, random: () => number, name: string): Promise<void> {
  const { channel } = client;
  for (let i = 0; i < 100; i++) {
    const size = Math.floor(random() < 0.05 ? random() * 40 * KIB : random() * 200);
    channel.publish(topic, `k${Math.floor(random() * 9)}`, Buffer.from(`${name}:${i}:${'.'.repeat(size)}`));
    if (random() > 0.1) continue;
    const reader = await client.connection.createChannel();
    await reader.prefetch(1 + Math.floor(random() * 5));
    const got: ConsumeMessage[] = [];
    const { consumerTag } = await reader.consume(topic, (message) => message !== null && got.push(message), {
      arguments: random() < 0.5 ? FIRST : { 'x-stream-offset': Math.floor(random() * 20) },
    });
    for (let turn = 0; turn < 5; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      for (const message of got.splice(0)) if (random() < 0.8) reader.ack(message);
    }
    if (random() < 0.5) await reader.cancel(consumerTag);
    await reader.close();
  }
  await channel.waitForConfirms();
}

/** By partition: the offsets, and the beginnings of the bodies. */
export function sequences(messages: readonly ConsumeMessage[]): Map<unknown, (readonly [unknown, string])[]> {
  const byPartition = new Map<unknown, (readonly [unknown, string])[]>();
  for (const { properties, content } of messages) {
    const { headers } = properties;
    const partition = headers?.['x-stream-partition'];
    const sequence = byPartition.get(partition) ?? [];
    byPartition.set(partition, sequence);
    sequence.push([headers?.['x-stream-offset'], content.toString('latin1', 0, 8)]);
  }
  return new Map([...byPartition].sort(([a], [b]) => Number(a) - Number(b)));
}
