import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Channel, ConsumeMessage } from 'amqplib';
import { publishBytes, type RawClient } from './raw-client.ts';
import { TestServer } from './test-server.ts';

const REPLY_TO = 'amq.rabbitmq.reply-to';
const CALLS = 3;
const OPTIONS = { noLocal: false, noAck: true, exclusive: false, noWait: false, arguments: {} };

/** Content properties: correlation-id and reply-to. */
function properties(correlationId: string): Buffer {
  const strings = [correlationId, REPLY_TO].map((text) => [Buffer.from([text.length]), Buffer.from(text)]);
  return Buffer.concat([Buffer.from([0x06, 0]), ...strings.flat()]);
}

/** Doubles numbers, on a connection of its own. */
async function serve(test: TestServer): Promise<AsyncDisposable> {
  const connection = await test.connect();
  const channel = await connection.createChannel();
  await channel.prefetch(50);
  await channel.consume('double', (request) => {
    if (request === null) return;
    const answer = Buffer.from(String(2 * Number(request.content)));
    channel.sendToQueue(request.properties.replyTo as string, answer, {
      correlationId: request.properties.correlationId as string,
      mandatory: true,
    });
    channel.ack(request);
  });
  channel.on('return', () => assert.fail('an answer reached nobody'));
  return connection;
}

/** On a channel of its own, one call at a time. */
async function call(channel: Channel, caller: number): Promise<void> {
  let answered: (message: ConsumeMessage) => void = () => undefined;
  await channel.consume(REPLY_TO, (message) => message && answered(message), { noAck: true });
  for (let n = 0; n < CALLS; n++) {
    const answer = new Promise<ConsumeMessage>((resolve) => {
      answered = resolve;
    });
    const correlationId = `${caller}.${n}`;
    channel.sendToQueue('double', Buffer.from(String(caller)), { replyTo: REPLY_TO, correlationId });
    const { content, properties } = await answer;
    assert.equal(properties.correlationId, correlationId);
    assert.equal(Number(content), 2 * caller);
  }
}

/** The same with nothing but a socket. */
async function callRaw(client: RawClient, caller: number): Promise<void> {
  client.method(1, { name: 'basic.consume', queue: REPLY_TO, consumerTag: 'r', ...OPTIONS });
  await client.expect('basic.consume-ok');
  for (let n = 0; n < CALLS; n++) {
    const request = Buffer.from(String(caller));
    client.write(publishBytes(1, '', 'double', request, { properties: properties(`${caller}.${n}`) }));
    await client.expect('basic.deliver');
    await client.next();
    const { payload } = await client.next();
    assert.equal(Number(payload), 2 * caller);
  }
}

describe('remote calls by direct reply-to', () => {
  it('reach 1,000 concurrent callers, each with its own answers, and leave nothing behind', async () => {
    await using test = await TestServer.start();
    await using setup = await test.connect();
    await (await setup.createChannel()).assertQueue('double');
    await using stack = new AsyncDisposableStack();
    for (let i = 0; i < 8; i++) stack.use(await serve(test));
    const callers: Promise<void>[] = [];
    for (let i = 0; i < 18; i++) {
      const connection = stack.use(await test.connect());
      for (let j = 0; j < 50; j++) {
        callers.push(connection.createChannel().then((channel) => call(channel, 50 * i + j)));
      }
    }
    const sockets = Array.from({ length: 100 }, async (_, i) => {
      const client = stack.use(await test.rawChannel());
      await callRaw(client, 1000 + i);
    });
    const queuesBefore = test.broker.vhosts.get('/')?.listQueues().length;
    const versionBefore = test.broker.vhosts.get('/')?.version;
    await Promise.all([...callers, ...sockets]);
    const vhost = test.broker.vhosts.get('/');
    assert.equal(vhost?.version, versionBefore, 'callers changed the topology');
    assert.equal(vhost?.directReplies.size, 1000);
    assert.equal(vhost?.listQueues().length, queuesBefore);
    await stack.disposeAsync();
    assert.equal(vhost?.directReplies.size, 0);
    assert.equal(test.queue('double')?.readyCount, 0);
  });
});
