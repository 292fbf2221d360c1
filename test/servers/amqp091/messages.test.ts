import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ConsumeMessage, GetMessage } from 'amqplib';
import { FRAME_BODY, FRAME_HEADER } from '../../../src/wire/amqp091/constants.ts';
import { FrameWriter } from '../../../src/wire/amqp091/frames.ts';
import { encodeProperties } from '../../../src/wire/amqp091/properties.ts';
import { until } from '../../support/until.ts';
import { publishBytes } from './raw-client.ts';
import { TestServer } from './test-server.ts';

function text(message: ConsumeMessage | GetMessage | null | false): string {
  assert.ok(message);
  return message.content.toString();
}

describe('messages', () => {
  let test: TestServer;
  before(async () => {
    test = await TestServer.start();
  });
  after(() => test[Symbol.asyncDispose]());

  it('come through with every property and header as they were sent (AMQP 4.2.6.1)', async () => {
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'amq.topic', 'a.*.c');
    const sent = {
      contentType: 'text/plain',
      contentEncoding: 'identity',
      headers: { text: 'ü', number: 7, nested: { list: [1, 'two', true] } },
      deliveryMode: 2,
      priority: 5,
      correlationId: 'c',
      replyTo: 'r',
      messageId: 'm',
      timestamp: 1_700_000_000,
      type: 't',
      userId: 'guest',
      appId: 'a',
    };
    channel.publish('amq.topic', 'a.b.c', Buffer.from('hello'), sent);
    await channel.waitForConfirms();
    const message = await channel.get(queue, { noAck: true });
    assert.ok(message);
    assert.equal(text(message), 'hello');
    assert.equal(message.fields.exchange, 'amq.topic');
    assert.equal(message.fields.routingKey, 'a.b.c');
    for (const [name, value] of Object.entries(sent)) {
      assert.deepEqual((message.properties as unknown as Record<string, unknown>)[name], value, name);
    }
  });

  it('of any size keep their bytes and their order', async () => {
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const sizes = [0, 1, 47, 48, 4000, 5000, 40_000, 65_535, 131_064, 131_065, 300_000, 2_000_000, 3, 0];
    const bodies = sizes.map((size, n) => Buffer.alloc(size, n + 1));
    const got: ConsumeMessage[] = [];
    await channel.consume(queue, (message) => message && got.push(message), { noAck: true });
    for (const body of bodies) channel.sendToQueue(queue, body);
    await channel.waitForConfirms();
    await until(() => got.length === sizes.length);
    for (const [n, body] of bodies.entries()) assert.ok(body.equals(got[n].content), `message ${n}`);
  });

  it('are the same however the frames of a publish are split (AMQP 4.2.6)', async () => {
    using client = await test.rawChannel();
    client.method(1, {
      name: 'queue.declare',
      queue: 'split',
      passive: false,
      durable: false,
      exclusive: true,
      autoDelete: false,
      noWait: false,
      arguments: {},
    });
    await client.expect('queue.declare-ok');
    const writer = new FrameWriter();
    encodeProperties(writer, { contentType: 'x', headers: { n: 1 }, deliveryMode: 1 });
    const properties = Buffer.from(writer.take());
    // The body takes two frames.
    const body = Buffer.from('0123456789');
    const one = publishBytes(1, '', 'split', body, { properties, frameMax: 14 });
    const both = Buffer.concat([one, one]);
    let published = 0;
    for (let at = 1; at < both.length; at++) {
      client.write(both.subarray(0, at));
      await new Promise((resolve) => setImmediate(resolve));
      client.write(both.subarray(at));
      await new Promise((resolve) => setImmediate(resolve));
      published += 2;
    }
    await until(() => test.queue('split')?.readyCount === published);
    for (let n = 0; n < published; n++) client.method(1, { name: 'basic.get', queue: '', noAck: true });
    for (let n = 0; n < published; n++) {
      const got = await client.expect('basic.get-ok');
      assert.deepEqual([got.routingKey, got.messageCount], ['split', published - n - 1]);
      const header = await client.next();
      assert.equal(header.type, FRAME_HEADER);
      assert.ok(header.payload.subarray(12).equals(properties));
      const content = await client.next();
      assert.equal(content.type, FRAME_BODY);
      assert.ok(content.payload.equals(body));
    }
    client.method(1, { name: 'basic.get', queue: '', noAck: true });
    await client.expect('basic.get-empty');
  });

  it('are cut into frames as small as the consumer wants them (AMQP 4.2.3)', async () => {
    using client = await test.raw();
    await client.handshake({ frameMax: 4096 });
    client.method(1, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('cut', { autoDelete: true });
    channel.sendToQueue('cut', Buffer.alloc(9000, 'x'));
    await channel.waitForConfirms();
    client.method(1, { name: 'basic.get', queue: 'cut', noAck: true });
    await client.expect('basic.get-ok');
    assert.equal((await client.next()).payload.readUIntBE(4 + 2, 6), 9000);
    const pieces = [await client.next(), await client.next(), await client.next()];
    assert.deepEqual(
      pieces.map(({ payload }) => payload.length),
      [4088, 4088, 824],
    );
  });

  const inOrder = TestServer.hereAlone('confirms of different shards have no order');
  it(
    'are confirmed in order, the mandatory ones after their basic.return (AMQP 1.8.3.8)',
    inOrder,
    async () => {
      await using connection = await test.connect();
      const channel = await connection.createConfirmChannel();
      const events: string[] = [];
      channel.on('return', (message) => {
        assert.partialDeepStrictEqual(message.fields, { replyCode: 312, replyText: 'NO_ROUTE' });
        events.push(`returned ${message.content}`);
      });
      await channel.assertQueue('confirmed', { durable: true });
      for (let n = 0; n < 100; n++) {
        const queue = n % 10 === 3 ? 'nowhere' : 'confirmed';
        const options = { mandatory: true, persistent: n % 2 === 0 };
        channel.publish('', queue, Buffer.from(`${n}`), options, (error) =>
          events.push(`${error ?? 'ok'} ${n}`),
        );
      }
      await channel.waitForConfirms();
      const confirms = events.filter((event) => event.startsWith('ok'));
      assert.deepEqual(
        confirms,
        Array.from({ length: 100 }, (_, n) => `ok ${n}`),
      );
      for (let n = 3; n < 100; n += 10) {
        assert.ok(events.indexOf(`returned ${n}`) < events.indexOf(`ok ${n}`), `${n}`);
        assert.ok(events.includes(`returned ${n}`));
      }
    },
  );

  it('are limited per consumer, or per channel, until they are acknowledged (AMQP 1.8.3.1)', async () => {
    await using connection = await test.connect();
    for (const global of [false, true]) {
      const channel = await connection.createChannel();
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.prefetch(3, global);
      const got: ConsumeMessage[] = [];
      const take = (message: ConsumeMessage | null) => message && got.push(message);
      await channel.consume(queue, take);
      await channel.consume(queue, take);
      for (let n = 0; n < 20; n++) channel.sendToQueue(queue, Buffer.from(`${n}`));
      const limit = global ? 3 : 6;
      await until(() => got.length >= limit);
      await channel.checkQueue(queue);
      assert.equal(got.length, limit);
      channel.ack(got[0]);
      await until(() => got.length > limit);
      await channel.checkQueue(queue);
      assert.equal(got.length, limit + 1);
      channel.nack(got[1], false, false);
      channel.ack(got[limit], true);
      await until(() => got.length >= 2 * limit + 1);
      await channel.close();
    }
  });

  it('that are rejected come again as redelivered, or are dropped (AMQP 1.8.3.14)', async () => {
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    for (const body of ['a', 'b', 'c']) channel.sendToQueue(queue, Buffer.from(body));
    const a = await channel.get(queue);
    const b = await channel.get(queue);
    assert.ok(a && b);
    channel.nack(b, false, false);
    channel.reject(a, true);
    const again = await channel.get(queue);
    assert.equal(text(again), 'a');
    assert.ok(again !== false && again.fields.redelivered);
    assert.equal(text(await channel.get(queue)), 'c');
    await channel.recover();
    assert.equal(text(await channel.get(queue)), 'a');
    assert.equal(text(await channel.get(queue)), 'c');
    assert.equal(await channel.get(queue), false);
  });

  it('are not delivered while the client stopped the flow (AMQP 1.5.2.3)', async () => {
    using client = await test.rawChannel();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('flow', { autoDelete: true });
    client.method(1, { name: 'channel.flow', active: false });
    assert.equal((await client.expect('channel.flow-ok')).active, false);
    client.method(1, {
      name: 'basic.consume',
      queue: 'flow',
      consumerTag: 'c',
      noLocal: false,
      noAck: true,
      exclusive: false,
      noWait: false,
      arguments: {},
    });
    await client.expect('basic.consume-ok');
    channel.sendToQueue('flow', Buffer.from('m'));
    await channel.waitForConfirms();
    client.method(1, { name: 'basic.qos', prefetchSize: 0, prefetchCount: 0, global: true });
    await client.expect('basic.qos-ok');
    client.method(1, { name: 'channel.flow', active: true });
    await client.expect('channel.flow-ok');
    assert.equal((await client.expect('basic.deliver')).consumerTag, 'c');
  });
});

describe('consumers', () => {
  it('are told when their queue is deleted, and exclusive ones keep others away', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('gone');
    let cancelled = false;
    await channel.consume('gone', (message) => (cancelled ||= message === null), { exclusive: true });
    const other = await connection.createChannel();
    other.on('error', () => undefined);
    await assert.rejects(
      other.consume('gone', () => undefined),
      /403.*ACCESS_REFUSED - queue 'gone' in vhost '\/' in exclusive use/,
    );
    await channel.deleteQueue('gone');
    assert.ok(cancelled);
  });

  it('that are cancelled get nothing more, and take an auto-delete queue along (AMQP 1.8.3.5)', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('auto', { autoDelete: true });
    const { consumerTag } = await channel.consume('auto', () => undefined);
    assert.match(consumerTag, /^amq\.ctag-/);
    await channel.cancel(consumerTag);
    assert.equal(test.queue('auto'), undefined);
  });
});
