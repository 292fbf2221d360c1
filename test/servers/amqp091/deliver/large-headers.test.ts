import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ConsumeMessage, connect } from 'amqplib';
import { FrameWriter } from '../../../../src/wire/amqp091/frames.ts';
import { encodeProperties } from '../../../../src/wire/amqp091/properties.ts';
import { publishBytes } from '../raw-client.ts';
import { TestServer } from '../test-server.ts';

/** With it and the rest of its frame, a publisher's frame-max of 131,072 is used up to some bytes. */
const LARGE = 'h'.repeat(131_000);
const FRAME_MAX_MIN = 4096;

/** By a client that has no limit of its own for headers. */
async function publishLarge(test: TestServer, body: Buffer): Promise<void> {
  const client = await test.rawChannel();
  const writer = new FrameWriter();
  writer.ensure(2 * LARGE.length);
  encodeProperties(writer, { headers: { LARGE } });
  client.method(1, { name: 'confirm.select', noWait: false });
  await client.expect('confirm.select-ok');
  client.write(publishBytes(1, '', 'q', body, { properties: writer.take() }));
  await client.expect('basic.ack');
  client.socket.destroy();
}

async function firstOf(test: TestServer, queue: string, args: object = {}): Promise<ConsumeMessage> {
  const connection = await connect(
    `amqp://127.0.0.1:${test.server.port}?heartbeat=0&frameMax=${FRAME_MAX_MIN}`,
  );
  const channel = await connection.createChannel();
  await channel.prefetch(1);
  const { promise, resolve } = Promise.withResolvers<ConsumeMessage>();
  await channel.consume(queue, (message) => message !== null && resolve(message), { arguments: args });
  const message = await promise;
  await connection.close();
  return message;
}

describe('headers that take a whole frame', () => {
  it('reach a consumer with the smallest frame-max whole, as a content header cannot be divided (AMQP 4.2.6.1)', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('q');
    await publishLarge(test, Buffer.alloc(10_000, 'b'));
    const { properties, content } = await firstOf(test, 'q');
    assert.deepEqual(properties.headers, { LARGE });
    assert.ok(content.equals(Buffer.alloc(10_000, 'b')));
  });

  const withStream = TestServer.hereAlone('streams are seen from one shard here');
  it('are whole with what dead-lettering adds, in a queue and in a stream', withStream, async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertExchange('dlx', 'fanout');
    await channel.assertQueue('q', { arguments: { 'x-dead-letter-exchange': 'dlx' } });
    await channel.assertQueue('dead');
    await channel.assertQueue('history', { durable: true, arguments: { 'x-queue-type': 'stream' } });
    await channel.bindQueue('dead', 'dlx', '');
    await channel.bindQueue('history', 'dlx', '');
    await publishLarge(test, Buffer.from('m'));
    const message = await channel.get('q');
    assert.ok(message !== false);
    channel.reject(message, false);
    for (const dead of [
      await firstOf(test, 'dead'),
      await firstOf(test, 'history', { 'x-stream-offset': 'first' }),
    ]) {
      const { headers = {} } = dead.properties;
      assert.equal(headers.LARGE, LARGE);
      assert.equal(headers['x-first-death-queue'], 'q');
      assert.equal(dead.content.toString(), 'm');
    }
  });
});
