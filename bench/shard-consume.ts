/**
 * Processor time of a message from its publish to its acknowledgement, with the consumer in the shard of the queue and in another one:
 * all in one thread and one process, so that what the door costs is what they differ by.
 *
 *     node bench/shard-consume.ts
 */
import { Publisher } from '../src/broker/publishing/publisher.ts';
import { bareMessage } from '../src/broker/topology/routing.ts';
import { queueAt, ShardConsumer } from '../test/broker/shards/shard-consumer.ts';
import { TestShards } from '../test/broker/shards/test-shards.ts';
import { fillView } from '../test/broker/test-broker.ts';

const MESSAGES = 400_000;
const PER_TURN = 200;
const ROUNDS = 5;
const BODY_BYTES = 100;

async function round(test: TestShards, shard: number, noAck: boolean): Promise<number> {
  const broker = test.brokers[1];
  const vhost = test.vhost(1);
  const publisher = new Publisher(broker.shard, broker.deadLettering);
  fillView(publisher.messageView, 'q', Buffer.alloc(BODY_BYTES, 'x'));
  const consumer = await ShardConsumer.open(test, shard, 'q', { noAck, credit: noAck ? Infinity : 1000 });
  let count = 0;
  consumer.onMessage = ({ tag }) => {
    count++;
    if (!noAck && count % 50 === 0) consumer.unacknowledged.ack(tag, true);
    consumer.messages.length = 0;
  };
  const route = vhost.route(vhost.defaultExchange, 'q', bareMessage);
  const before = process.cpuUsage();
  for (let published = 0; published < MESSAGES; published += PER_TURN) {
    for (let i = 0; i < PER_TURN; i++) publisher.publish(route, false);
    await new Promise(setImmediate);
    while (published - count > 4000) await new Promise(setImmediate);
  }
  while (count < MESSAGES) await new Promise(setImmediate);
  consumer.unacknowledged.ack(0, true);
  const queue = queueAt(test, 'q');
  while (queue.unacknowledgedCount > 0) await new Promise(setImmediate);
  const { user, system } = process.cpuUsage(before);
  consumer.close();
  while (queue.consumerCount > 0) await new Promise(setImmediate);
  return (user + system) / MESSAGES;
}

const test = await TestShards.start(2);
await test.declare(1, 'q', { durable: false });
for (const noAck of [false, true]) {
  const figures: Record<string, number[]> = { local: [], remote: [] };
  for (let i = 0; i < ROUNDS; i++) {
    figures.local?.push(await round(test, 1, noAck));
    figures.remote?.push(await round(test, 0, noAck));
  }
  for (const [where, all] of Object.entries(figures)) {
    const best = Math.min(...all).toFixed(3);
    const each = all.map((us) => us.toFixed(2)).join(' ');
    console.log(`${noAck ? 'no ack' : 'ack 50'}  ${where.padEnd(6)} ${best} µs a message, of ${each}`);
  }
}
await test[Symbol.asyncDispose]();
