import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Channel, ConfirmChannel, ConsumeMessage, Options } from 'amqplib';
import { appendRecords } from '../../broker/streams/bindings/records.ts';
import { until } from '../../support/until.ts';
import { TestServer } from './test-server.ts';

const STREAM: Options.AssertQueue = { durable: true, arguments: { 'x-queue-type': 'stream' } };

interface Read {
  readonly messages: ConsumeMessage[];
  readonly bodies: string[];
}

/** Everything that a consumer with these arguments gets, acknowledged as it comes. */
async function consume(
  channel: Channel,
  queue: string,
  args: Record<string, unknown>,
  options: Options.Consume = {},
): Promise<Read> {
  const messages: ConsumeMessage[] = [];
  await channel.consume(
    queue,
    (message) => {
      if (message === null) return;
      messages.push(message);
      channel.ack(message);
    },
    { ...options, arguments: args },
  );
  return {
    messages,
    get bodies() {
      return messages.map(({ content }) => content.toString());
    },
  };
}

/** The text with which the server closes the channel. */
async function refusal(server: TestServer, act: (channel: Channel) => Promise<unknown>): Promise<string> {
  const connection = await server.connect();
  const texts: string[] = [];
  connection.on('error', (error: Error) => texts.push(error.message));
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  try {
    await act(channel);
    return 'nothing was refused';
  } catch (error) {
    return [(error as Error).message, ...texts].join('; ');
  } finally {
    await connection.close().catch(() => undefined);
  }
}

/** A stream with one active consumer at a time, and six messages, `m0` to `m5`. */
async function fillSingleActive(channel: ConfirmChannel): Promise<void> {
  await channel.assertQueue('s', {
    durable: true,
    arguments: { 'x-queue-type': 'stream', 'x-single-active-consumer': true },
  });
  for (let i = 0; i < 6; i++) channel.sendToQueue('s', Buffer.from(`m${i}`));
  await channel.waitForConfirms();
}

describe('a message that is larger than what Kafka clients can take', () => {
  const MIB = 1024 * 1024;

  /** What librdkafka takes at most by itself: a response of 100,000,000 bytes. */
  const RESPONSE_BYTES_MAX = 100_000_000;

  test('is refused by a stream that was declared over AMQP, as a queue, an exchange or by policy, with the setting named', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    server.broker.vhosts.get('/')?.setPolicy({ name: 'r', pattern: '^r$', definition: { remember: true } });
    await channel.assertQueue('s', STREAM);
    await channel.assertExchange('x', 'x-stream');
    await channel.assertExchange('r', 'fanout');
    for (const name of ['s', 'x', 'r']) {
      const max = server.broker.streams.get('/', name)?.settings.maxMessageBytes ?? 0;
      assert.ok(max > 90_000_000 && max <= RESPONSE_BYTES_MAX - 256 * 1024, `${name}: ${max}`);
    }
    const message = Buffer.alloc(96 * MIB);
    for (const [exchange, name] of [
      ['', 's'],
      ['x', 'x'],
      ['r', 'r'],
    ] as const) {
      const text = await refusal(server, async (other) => {
        const closed = new Promise((_resolve, reject) => other.once('error', reject));
        other.publish(exchange, 's', message);
        await closed;
      });
      assert.match(text, /PRECONDITION_FAILED - message size \d+ is larger than the 99614720 bytes/);
      assert.match(text, /max\.message\.bytes/);
      const stream = server.broker.streams.get('/', name);
      assert.equal(stream?.ownPartitions[0].endOffset, 0);
    }
    channel.sendToQueue('s', Buffer.alloc(MIB));
    await channel.waitForConfirms();
    // To a queue, it is no message that anybody would refuse.
    await channel.assertQueue('q');
    channel.sendToQueue('q', message);
    await channel.waitForConfirms();
  });
});

describe('a queue of type stream', () => {
  test('can be read again and again, from wherever a consumer wants to begin', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('s', STREAM);
    for (let i = 0; i < 5; i++) channel.sendToQueue('s', Buffer.from(`m${i}`));
    await channel.waitForConfirms();
    await channel.prefetch(2);
    const all = await consume(channel, 's', { 'x-stream-offset': 'first' });
    const again = await consume(channel, 's', { 'x-stream-offset': 'first' });
    const some = await consume(channel, 's', { 'x-stream-offset': 3 });
    const last = await consume(channel, 's', { 'x-stream-offset': 'last' });
    const next = await consume(channel, 's', { 'x-stream-offset': 'next' });
    const recent = await consume(channel, 's', { 'x-stream-offset': '1h' });
    const timestamp = { '!': 'timestamp', value: Math.floor(Date.now() / 1000) + 3600 };
    const future = await consume(channel, 's', { 'x-stream-offset': timestamp });
    channel.sendToQueue('s', Buffer.from('new'));
    await until(() => next.bodies.length === 1 && all.bodies.length === 6 && recent.bodies.length === 6);
    await until(() => again.bodies.length === 6 && some.bodies.length === 3 && last.bodies.length === 2);
    assert.deepEqual(all.bodies, ['m0', 'm1', 'm2', 'm3', 'm4', 'new']);
    assert.deepEqual(again.bodies, all.bodies);
    assert.deepEqual(some.bodies, ['m3', 'm4', 'new']);
    assert.deepEqual(last.bodies, ['m4', 'new']);
    assert.deepEqual(next.bodies, ['new']);
    await until(() => future.bodies.length === 1);
    const [first] = all.messages;
    assert.equal(first?.properties.headers?.['x-stream-offset'], 0);
    assert.equal(first?.fields.routingKey, 's');
    assert.equal(first?.fields.exchange, '');
    assert.equal(first?.fields.redelivered, false);
  });

  test('gives a consumer no more than it acknowledges, whichever way', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('s', STREAM);
    for (let i = 0; i < 10; i++) channel.sendToQueue('s', Buffer.from(`m${i}`));
    await channel.waitForConfirms();
    await channel.prefetch(3);
    const messages: ConsumeMessage[] = [];
    await channel.consume('s', (message) => message !== null && messages.push(message), {
      arguments: { 'x-stream-offset': 'first' },
    });
    await until(() => messages.length === 3);
    channel.ack(messages[0]);
    channel.nack(messages[1], false, true);
    channel.reject(messages[2], false);
    await until(() => messages.length === 6);
    await channel.checkQueue('s');
    assert.deepEqual(
      messages.map(({ content }) => content.toString()),
      ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'],
    );
  });

  test('is the exchange of its name, and can be bound to others', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('s', STREAM);
    await channel.bindQueue('s', 'amq.topic', 'a.#');
    channel.publish('amq.topic', 'a.b', Buffer.from('1'), { headers: { h: [1, 'x'] }, messageId: 'id' });
    channel.publish('amq.topic', 'b', Buffer.from('not this'));
    channel.publish('s', 'key', Buffer.from('2'));
    await channel.waitForConfirms();
    assert.deepEqual(await channel.checkQueue('s'), { queue: 's', messageCount: 2, consumerCount: 0 });
    await channel.prefetch(10);
    const { messages } = await consume(channel, 's', { 'x-stream-offset': 'first' });
    await until(() => messages.length === 2);
    assert.deepEqual(
      messages.map(({ fields, content }) => [fields.exchange, fields.routingKey, content.toString()]),
      [
        ['amq.topic', 'a.b', '1'],
        ['s', 'key', '2'],
      ],
    );
    const properties = messages[0]?.properties;
    assert.deepEqual(properties?.headers?.h, [1, 'x']);
    assert.equal(properties?.messageId, 'id');
    await channel.unbindQueue('s', 'amq.topic', 'a.#');
    channel.publish('amq.topic', 'a.b', Buffer.from('unbound'));
    await channel.waitForConfirms();
    assert.equal((await channel.checkQueue('s')).messageCount, 2);
  });

  test('gives records of all its partitions, and what others wrote as messages', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const stream = server.broker.streams.create({ vhost: '/', name: 't', partitions: 3, configs: new Map() });
    for (let p = 0; p < 3; p++) {
      const records = Array.from({ length: 100 }, (_, i) => ({
        key: `k${p}`,
        value: `${p}:${i}`,
        headers: [['h', 'v']] as const,
      }));
      appendRecords(stream, records, { partition: p, codec: p === 1 ? 'zstd' : 'none' });
    }
    const channel = await connection.createChannel();
    await channel.prefetch(7);
    const { messages, bodies } = await consume(channel, 't', { 'x-stream-offset': 'first' });
    await until(() => messages.length === 300);
    void bodies;
    for (let p = 0; p < 3; p++) {
      const own = messages.filter(({ fields }) => fields.routingKey === `k${p}`);
      assert.deepEqual(
        own.map(({ content }) => content.toString()),
        Array.from({ length: 100 }, (_, i) => `${p}:${i}`),
      );
      assert.ok(own.every(({ properties }) => properties.headers?.['x-stream-partition'] === p));
    }
    assert.equal(messages[0]?.fields.exchange, 't');
    assert.equal(messages[0]?.properties.headers?.h, 'v');
  });

  test('filters for a consumer that asks for it', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('s', STREAM);
    for (const value of ['eu', 'us', null, 'eu']) {
      const headers = value === null ? {} : { 'x-stream-filter-value': value };
      channel.sendToQueue('s', Buffer.from(String(value)), { headers });
    }
    await channel.waitForConfirms();
    await channel.prefetch(10);
    const from = { 'x-stream-offset': 'first' };
    const one = await consume(channel, 's', { ...from, 'x-stream-filter': 'eu' });
    const two = await consume(channel, 's', { ...from, 'x-stream-filter': ['eu', 'us'] });
    const more = await consume(channel, 's', {
      ...from,
      'x-stream-filter': 'us',
      'x-stream-match-unfiltered': true,
    });
    await until(() => one.bodies.length === 2 && two.bodies.length === 3 && more.bodies.length === 2);
    assert.deepEqual(one.bodies, ['eu', 'eu']);
    assert.deepEqual(two.bodies, ['eu', 'us', 'eu']);
    assert.deepEqual(more.bodies, ['us', 'null']);
  });

  test('has one active consumer if it is declared so, and the next goes on where that one was', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    await fillSingleActive(channel);
    await channel.prefetch(2);
    const held: ConsumeMessage[] = [];
    const { consumerTag } = await channel.consume('s', (message) => message !== null && held.push(message), {
      arguments: { 'x-stream-offset': 'first' },
    });
    const second = await consume(channel, 's', { 'x-stream-offset': 'next' });
    await until(() => held.length === 2);
    channel.ack(held[0]);
    await until(() => held.length === 3);
    assert.deepEqual(second.bodies, []);
    await channel.cancel(consumerTag);
    await until(() => second.bodies.length === 5);
    assert.deepEqual(second.bodies, ['m1', 'm2', 'm3', 'm4', 'm5']);
  });

  test('has one active consumer, and the next begins with the oldest that was given back by basic.recover', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    await fillSingleActive(channel);
    const active = await connection.createChannel();
    await active.prefetch(2);
    const held: ConsumeMessage[] = [];
    await active.consume('s', (message) => message !== null && held.push(message), {
      arguments: { 'x-stream-offset': 'first' },
    });
    await channel.prefetch(2);
    const second = await consume(channel, 's', { 'x-stream-offset': 'next' });
    await until(() => held.length === 2);
    active.ack(held[0]);
    await until(() => held.length === 3);
    await active.recover();
    await until(() => held.length === 5);
    active.ack(held[4], true);
    await active.close();
    await until(() => second.bodies.length === 5);
    assert.deepEqual(second.bodies, ['m1', 'm2', 'm3', 'm4', 'm5']);
  });

  test('tells its consumers when it is deleted', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('s', STREAM);
    await channel.prefetch(1);
    let wasCancelled = false;
    await channel.consume('s', (message) => {
      if (message === null) wasCancelled = true;
    });
    await channel.deleteQueue('s');
    await until(() => wasCancelled);
    assert.match(
      await refusal(server, (other) => other.checkQueue('s')),
      /NOT_FOUND - no queue 's' in vhost '\/'/,
    );
    assert.match(await refusal(server, (other) => other.checkExchange('s')), /NOT_FOUND - no exchange 's'/);
  });

  test('is refused what RabbitMQ refuses it, in the same words', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    await (await connection.createChannel()).assertQueue('s', STREAM);
    const cases: readonly (readonly [string, (channel: Channel) => Promise<unknown>])[] = [
      [
        "NOT_IMPLEMENTED - basic.get not supported by stream queues queue 's' in vhost '/'",
        (c) => c.get('s'),
      ],
      [
        "NOT_IMPLEMENTED - queue.purge not supported by stream queues queue 's' in vhost '/'",
        (c) => c.purgeQueue('s'),
      ],
      [
        "PRECONDITION_FAILED - consumer prefetch count is not set for 'queue 's' in vhost '/''",
        (c) => c.consume('s', () => undefined),
      ],
      [
        "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 's' in vhost '/'",
        async (c) => {
          await c.prefetch(1);
          await c.consume('s', () => undefined, { arguments: { 'x-stream-offset': 'sometime' } });
        },
      ],
      [
        "NOT_IMPLEMENTED - automatic acknowledgement not supported by stream queues queue 's' in vhost '/'",
        async (c) => {
          await c.prefetch(1);
          await c.consume('s', () => undefined, { noAck: true });
        },
      ],
      [
        "NOT_IMPLEMENTED - queue 's' in vhost '/' does not support global qos",
        async (c) => {
          await c.prefetch(1, true);
          await c.consume('s', () => undefined);
        },
      ],
      [
        "invalid property 'non-durable' for queue 'n' in vhost '/'",
        (c) => c.assertQueue('n', { ...STREAM, durable: false }),
      ],
      [
        "invalid property 'exclusive-owner' for queue 'n' in vhost '/'",
        (c) => c.assertQueue('n', { ...STREAM, exclusive: true }),
      ],
      [
        "invalid property 'auto-delete' for queue 'n' in vhost '/'",
        (c) => c.assertQueue('n', { ...STREAM, autoDelete: true }),
      ],
      [
        "invalid arg 'x-message-ttl' for queue 'n' in vhost '/' of queue type rabbit_stream_queue",
        (c) =>
          c.assertQueue('n', { durable: true, arguments: { 'x-queue-type': 'stream', 'x-message-ttl': 1 } }),
      ],
      [
        "invalid arg 'x-max-age' for queue 'n' in vhost '/': invalid_max_age",
        (c) =>
          c.assertQueue('n', { durable: true, arguments: { 'x-queue-type': 'stream', 'x-max-age': 'old' } }),
      ],
      [
        "inequivalent arg 'x-max-age' for queue 's' in vhost '/': received the value '1h' of type 'longstr' but current is none",
        (c) =>
          c.assertQueue('s', { durable: true, arguments: { 'x-queue-type': 'stream', 'x-max-age': '1h' } }),
      ],
      [
        "inequivalent arg 'x-queue-type' for queue 's' in vhost '/'",
        (c) => c.assertQueue('s', { durable: true }),
      ],
      ['Cannot declare a server-named queue for type rabbit_stream_queue', (c) => c.assertQueue('', STREAM)],
    ];
    for (const [text, act] of cases) {
      const message = await refusal(server, act);
      assert.ok(message.includes(text), `${message}\n  instead of\n${text}`);
    }
  });

  test('is a stream of the exchange type of that name, with partitions', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertExchange('s', 'x-stream', {
      durable: true,
      arguments: { 'x-partitions': 2, 'x-max-age': '1h' },
    });
    const stream = server.broker.streams.get('/', 's');
    assert.equal(stream?.ownPartitions.length, 2);
    assert.equal(stream?.configs.get('retention.ms'), '3600000');
    channel.publish('s', 'k', Buffer.from('0'), { headers: { 'x-partition': 1 } });
    await channel.waitForConfirms();
    assert.equal(stream?.ownPartitions[1]?.highWatermark, 1);
    const text = await refusal(server, async (other) => {
      other.publish('s', 'k', Buffer.from('0'), { headers: { 'x-partition': 2 } });
      await other.checkExchange('s');
      await other.checkExchange('s');
    });
    assert.match(
      text,
      /PRECONDITION_FAILED - invalid header 'x-partition': stream 's' has the partitions 0 to 1/,
    );
    await channel.deleteExchange('s');
    assert.equal(server.broker.streams.get('/', 's'), undefined);
  });
});
