import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { Channel, ConsumeMessage } from 'amqplib';
import { DrivenTime } from '../../../support/driven-time.ts';
import { until } from '../../../support/until.ts';
import { publishBytes } from '../raw-client.ts';
import { TestServer } from '../test-server.ts';

const LIMIT = { consumerTimeoutMs: 150 };
const CONSUME = { noLocal: false, noAck: false, exclusive: false, noWait: false, arguments: {} };

/** What a consumer was given; null where it was told that it is cancelled. */
async function consume(channel: Channel, queue: string, tag: string): Promise<(ConsumeMessage | null)[]> {
  const seen: (ConsumeMessage | null)[] = [];
  await channel.consume(queue, (message) => seen.push(message), { consumerTag: tag });
  return seen;
}

const bodies = (messages: readonly (ConsumeMessage | null)[]) =>
  messages.map((message) => message?.content.toString() ?? null);

describe('the delivery acknowledgement timeout', () => {
  it('cancels the consumer that is late and gives what it holds to others, while its channel goes on', async () => {
    const time = new DrivenTime();
    await using test = await TestServer.start(LIMIT, { clock: time, scheduler: time });
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    for (const queue of ['work', 'other']) await channel.assertQueue(queue);
    const late = await consume(channel, 'work', 'late');
    const prompt = await consume(channel, 'other', 'prompt');
    channel.sendToQueue('work', Buffer.from('a'));
    channel.sendToQueue('work', Buffer.from('b'));
    await until(() => late.length === 2);
    for (let i = 0; i < 8; i++) {
      channel.sendToQueue('other', Buffer.from(String(i)));
      await until(() => prompt.length === i + 1);
      channel.ack(prompt[i] as ConsumeMessage);
      time.pass(30);
    }
    await until(() => late.length === 3);
    assert.deepEqual(bodies(late), ['a', 'b', null]);
    assert.equal(prompt.length, 8);
    const heir = await consume(channel, 'work', 'heir');
    await until(() => heir.length === 2);
    assert.deepEqual(bodies(heir), ['a', 'b']);
    assert.ok(heir.every((message) => message?.fields.redelivered));
    for (const message of heir) channel.ack(message as ConsumeMessage);
    assert.equal((await channel.checkQueue('other')).consumerCount, 1);
    assert.equal((await channel.checkQueue('work')).consumerCount, 1);
  });

  it('ignores acknowledgements that come too late, single and multiple, but no others that are unknown', async () => {
    const time = new DrivenTime();
    await using test = await TestServer.start(LIMIT, { clock: time, scheduler: time });
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('work');
    const late = await consume(channel, 'work', 'late');
    for (const body of ['a', 'b', 'c', 'd']) channel.sendToQueue('work', Buffer.from(body));
    await time.passUntil(() => late.length === 5);
    channel.ack(late[0] as ConsumeMessage);
    channel.nack(late[2] as ConsumeMessage, true, true);
    channel.reject(late[3] as ConsumeMessage, false);
    assert.equal((await channel.checkQueue('work')).messageCount, 4);
    const failed = once(channel, 'error');
    channel.ack({ fields: { deliveryTag: 99 } } as ConsumeMessage);
    const [error] = (await failed) as [Error];
    assert.match(error.message, /PRECONDITION_FAILED - unknown delivery tag 99/);
  });

  it('leaves those alone who acknowledge in time, however long they go on', async () => {
    const time = new DrivenTime();
    await using test = await TestServer.start(LIMIT, { clock: time, scheduler: time });
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('work');
    await channel.prefetch(2);
    const seen = await consume(channel, 'work', 'prompt');
    for (let i = 0; i < 12; i++) channel.sendToQueue('work', Buffer.from(String(i)));
    for (let i = 0; i < 12; i++) {
      await until(() => seen.length > i);
      time.pass(40);
      channel.ack(seen[i] as ConsumeMessage);
    }
    assert.equal(seen.length, 12);
    assert.ok(!seen.includes(null));
  });

  it('holds for what a consumer got that was cancelled since', async () => {
    const time = new DrivenTime();
    await using test = await TestServer.start(LIMIT, { clock: time, scheduler: time });
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('work');
    const seen = await consume(channel, 'work', 'gone');
    channel.sendToQueue('work', Buffer.from('a'));
    await until(() => seen.length === 1);
    await channel.cancel('gone');
    assert.equal(test.queue('work')?.unacknowledgedCount, 1);
    await time.passUntil(() => test.queue('work')?.readyCount === 1);
    channel.ack(seen[0] as ConsumeMessage);
    assert.equal((await channel.checkQueue('work')).messageCount, 1);
  });

  it('is that of the queue, if the queue has one, and none by default', async () => {
    const time = new DrivenTime();
    await using test = await TestServer.start({}, { clock: time, scheduler: time });
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('patient');
    await channel.assertQueue('strict', { arguments: { 'x-consumer-timeout': 200 } });
    const patient = await consume(channel, 'patient', 'p');
    const strict = await consume(channel, 'strict', 's');
    channel.sendToQueue('patient', Buffer.from('a'));
    channel.sendToQueue('strict', Buffer.from('a'));
    await until(() => patient.length === 1 && strict.length === 1);
    await time.passUntil(() => strict.length === 2);
    assert.deepEqual(bodies(strict), ['a', null]);
    assert.deepEqual(bodies(patient), ['a']);
  });

  it("closes the channel, with RabbitMQ's text, where the client would not understand basic.cancel", async () => {
    const time = new DrivenTime();
    await using test = await TestServer.start(LIMIT, { clock: time, scheduler: time });
    using client = await test.rawChannel();
    client.method(1, {
      name: 'queue.declare',
      queue: 'work',
      passive: false,
      durable: false,
      exclusive: false,
      autoDelete: false,
      noWait: false,
      arguments: {},
    });
    await client.expect('queue.declare-ok');
    client.method(1, { name: 'basic.consume', queue: 'work', consumerTag: 'c', ...CONSUME });
    await client.expect('basic.consume-ok');
    client.write(publishBytes(1, '', 'work', Buffer.from('a')));
    await client.expect('basic.deliver');
    await client.next();
    await client.next();
    await time.passUntil(() => client.received.length > 0);
    const { replyCode, replyText } = await client.expect('channel.close');
    assert.equal(replyCode, 406);
    assert.match(
      replyText,
      /^PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out\. Timeout value used: 150 ms\./,
    );
    await until(() => test.queue('work')?.readyCount === 1);
  });
});
