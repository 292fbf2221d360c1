import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FRAME_BODY, FRAME_METHOD } from '../../../src/wire/amqp091/constants.ts';
import type { Method } from '../../../src/wire/amqp091/definitions.ts';
import { FrameWriter } from '../../../src/wire/amqp091/frames.ts';
import { until } from '../../support/until.ts';
import { methodBytes, publishBytes, type RawClient } from './raw-client.ts';
import { TestServer } from './test-server.ts';

const CONSUME = {
  name: 'basic.consume',
  queue: '',
  consumerTag: '',
  noLocal: false,
  noAck: false,
  exclusive: false,
  noWait: false,
  arguments: {},
} as const;

const DECLARE = {
  name: 'queue.declare',
  queue: '',
  passive: false,
  durable: false,
  exclusive: true,
  autoDelete: false,
  noWait: false,
  arguments: {},
} as const;

describe('channels', () => {
  let test: TestServer;
  before(async () => {
    test = await TestServer.start({ maxMessageBytes: 1000 });
  });
  after(() => test[Symbol.asyncDispose]());

  /** What the server answers to one request: the close method of the channel or the connection. */
  async function refusal(request: Method | Buffer, prepare?: (client: RawClient) => Promise<void>) {
    using client = await test.rawChannel();
    await prepare?.(client);
    client.write(request instanceof Buffer ? request : methodBytes(1, request as Method));
    const { method, channel } = await client.next();
    assert.ok(method?.name === 'channel.close' || method?.name === 'connection.close', method?.name);
    assert.equal(channel, method.name === 'channel.close' ? 1 : 0);
    const { name, replyCode, replyText, classId, methodId } = method;
    if (name === 'channel.close') {
      // What was under way is ignored until close-ok; then the number can be used again.
      client.write(publishBytes(1, 'missing', '', Buffer.from('late')));
      client.method(1, { name: 'channel.close-ok' });
      client.method(1, { name: 'channel.open' });
      await client.expect('channel.open-ok');
    } else {
      client.method(0, { name: 'connection.close-ok' });
      await client.closed();
    }
    return [name, replyCode, replyText, classId, methodId];
  }

  it("close with RabbitMQ's codes and texts, and the connection goes on, after channel errors (AMQP 1.2)", async () => {
    const publish = (exchange: string, size = 1) => publishBytes(1, exchange, 'k', Buffer.alloc(size));
    const cases: readonly (readonly [Method | Buffer, number, string, number, number])[] = [
      [{ ...DECLARE, queue: 'nope', passive: true }, 404, "NOT_FOUND - no queue 'nope' in vhost '/'", 50, 10],
      [publish('nope'), 404, "NOT_FOUND - no exchange 'nope' in vhost '/'", 60, 40],
      [
        publish('amq.rabbitmq.trace'),
        403,
        "ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'",
        60,
        40,
      ],
      [
        publish('', 1001),
        406,
        'PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000',
        60,
        40,
      ],
      [
        { name: 'basic.ack', deliveryTag: 5, multiple: false },
        406,
        'PRECONDITION_FAILED - unknown delivery tag 5',
        60,
        80,
      ],
      [
        { name: 'basic.reject', deliveryTag: 1, requeue: true },
        406,
        'PRECONDITION_FAILED - unknown delivery tag 1',
        60,
        90,
      ],
      [CONSUME, 404, 'NOT_FOUND - no previously declared queue', 60, 20],
      [{ name: 'tx.commit' }, 406, 'PRECONDITION_FAILED - channel is not transactional', 90, 20],
      [{ name: 'tx.rollback' }, 406, 'PRECONDITION_FAILED - channel is not transactional', 90, 30],
    ];
    for (const [request, code, text, classId, methodId] of cases) {
      assert.deepEqual(await refusal(request), ['channel.close', code, text, classId, methodId]);
    }
  });

  it('take their connection with them after connection errors (AMQP 1.2)', async () => {
    const cases: readonly (readonly [Method | Buffer, number, string, number, number])[] = [
      [
        publishBytes(1, '', 'k', Buffer.from('x'), { immediate: true }),
        540,
        'NOT_IMPLEMENTED - immediate=true',
        60,
        40,
      ],
      [
        { name: 'basic.qos', prefetchSize: 9, prefetchCount: 1, global: false },
        540,
        'NOT_IMPLEMENTED - prefetch_size!=0 (9)',
        60,
        10,
      ],
      [{ name: 'channel.open' }, 504, "CHANNEL_ERROR - second 'channel.open' seen", 20, 10],
      [
        methodBytes(7, { name: 'basic.recover', requeue: true }),
        504,
        "CHANNEL_ERROR - expected 'channel.open'",
        60,
        110,
      ],
      [{ name: 'basic.consume-ok', consumerTag: 'x' }, 503, 'COMMAND_INVALID - unimplemented method', 60, 21],
      [{ name: 'connection.close-ok' }, 503, 'COMMAND_INVALID - unimplemented method', 10, 51],
      [
        methodBytes(0, { name: 'connection.open', virtualHost: '/' }),
        504,
        'CHANNEL_ERROR - unexpected method in connection state running',
        10,
        40,
      ],
    ];
    for (const [request, code, text, classId, methodId] of cases) {
      assert.deepEqual(await refusal(request), ['connection.close', code, text, classId, methodId]);
    }
  });

  it('refuse to mix confirms with transactions', async () => {
    const afterConfirm = await refusal({ name: 'tx.select' }, async (client) => {
      client.method(1, { name: 'confirm.select', noWait: false });
      await client.expect('confirm.select-ok');
    });
    assert.equal(afterConfirm[2], 'PRECONDITION_FAILED - cannot switch from confirm to tx mode');
    const afterTx = await refusal({ name: 'confirm.select', noWait: false }, async (client) => {
      client.method(1, { name: 'tx.select' });
      await client.expect('tx.select-ok');
    });
    assert.equal(afterTx[2], 'PRECONDITION_FAILED - cannot switch from tx to confirm mode');
  });

  it('refuse a consumer tag that is in use with 530 (AMQP 1.8.3.3)', async () => {
    const closed = await refusal({ ...CONSUME, consumerTag: 'mine' }, async (client) => {
      client.method(1, DECLARE);
      await client.expect('queue.declare-ok');
      client.method(1, { ...CONSUME, consumerTag: 'mine' });
      await client.expect('basic.consume-ok');
    });
    assert.deepEqual(closed.slice(1, 3), [530, "NOT_ALLOWED - attempt to reuse consumer tag 'mine'"]);
  });

  it('refuse the user-id of another user', async () => {
    const properties = Buffer.from([0, 0x10, 5, ...Buffer.from('admin')]);
    const [, code, text] = await refusal(publishBytes(1, '', 'k', Buffer.from('x'), { properties }));
    assert.deepEqual(
      [code, text],
      [406, "PRECONDITION_FAILED - user_id property set to 'admin' but authenticated user was 'guest'"],
    );
  });

  it('want content after a publish, and no content without one (AMQP 4.2.6; 505)', async () => {
    const publish = methodBytes(1, {
      name: 'basic.publish',
      exchange: '',
      routingKey: 'k',
      mandatory: false,
      immediate: false,
    });
    const content = publishBytes(1, '', 'k', Buffer.from('body')).subarray(publish.length);
    const writer = new FrameWriter();
    writer.endFrame(writer.startFrame(FRAME_BODY, 1));
    const body = Buffer.from(writer.take());
    const twice = Buffer.concat([publish, publish]);
    const header = 'expected content header for class 60, got non content header frame instead';
    const cases: readonly (readonly [Buffer, string])[] = [
      [content, 'expected method frame, got non method frame instead'],
      [twice, header],
      [Buffer.concat([publish, body]), header],
      [
        Buffer.concat([publish, content.subarray(0, 22), publish]),
        'expected content body, got non content body frame instead',
      ],
    ];
    for (const [bytes, text] of cases) {
      const [name, code, replyText] = await refusal(bytes);
      assert.deepEqual([name, code, replyText], ['connection.close', 505, `UNEXPECTED_FRAME - ${text}`]);
    }
  });

  it('end with the connection when a frame is malformed (AMQP 4.2.3; 501), or its method unknown (503)', async () => {
    const noMethod = new FrameWriter();
    const frame = noMethod.startFrame(FRAME_METHOD, 1);
    noMethod.u32((60 << 16) | 99);
    noMethod.endFrame(frame);
    const short = Buffer.from(methodBytes(1, { name: 'basic.ack', deliveryTag: 1, multiple: false }));
    // Its tag is beyond what is sent in such a frame.
    short.writeUInt32BE(0xffffffff, 11);
    const cases: readonly (readonly [Buffer, number])[] = [
      [Buffer.from([1, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0xff]), 501],
      [Buffer.from([1, 0, 1, 0xff, 0, 0, 0]), 501],
      [Buffer.from([9, 0, 1, 0, 0, 0, 0, 0xce]), 501],
      [short, 501],
      [Buffer.from(noMethod.take()), 503],
    ];
    for (const [bytes, code] of cases) {
      using client = await test.rawChannel();
      client.write(bytes);
      assert.equal((await client.expect('connection.close')).replyCode, code);
      client.write(Buffer.alloc(100_000));
      await client.closed();
    }
  });

  it('are limited in number by channel-max (AMQP 1.4.2.6)', async () => {
    using client = await test.raw();
    await client.handshake({ channelMax: 2 });
    client.method(1, { name: 'channel.open' });
    client.method(2, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    await client.expect('channel.open-ok');
    client.method(3, { name: 'channel.open' });
    const { replyCode, replyText } = await client.expect('connection.close');
    assert.equal(replyCode, 530);
    assert.equal(
      replyText,
      'NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)',
    );
  });

  it('have their messages requeued, and their exclusive queues deleted, when the connection is cut (AMQP 1.7.2.1)', async () => {
    await using reader = await test.connect();
    const channel = await reader.createChannel();
    await channel.assertQueue('kept');
    channel.sendToQueue('kept', Buffer.from('m'));
    const client = await test.rawChannel();
    client.method(1, { ...DECLARE, queue: 'own' });
    await client.expect('queue.declare-ok');
    await until(() => test.queue('kept')?.readyCount === 1);
    client.method(1, { name: 'basic.get', queue: 'kept', noAck: false });
    await client.expect('basic.get-ok');
    await assert.rejects(
      reader.createChannel().then((other) => {
        other.on('error', () => undefined);
        return other.checkQueue('own');
      }),
      /405.*RESOURCE_LOCKED/,
    );
    client.socket.destroy();
    await until(() => test.queue('own') === undefined);
    const again = await channel.get('kept');
    assert.ok(again !== false && again.fields.redelivered);
  });
});

describe('a connection', () => {
  it('is told when the broker stops, and waited for only so long (AMQP 1.4.2.9)', async () => {
    const test = await TestServer.start({ closeTimeoutMs: 100 });
    using client = await test.rawChannel();
    using other = await test.raw();
    const disposed = test[Symbol.asyncDispose]();
    const { replyCode, replyText } = await client.expect('connection.close');
    assert.deepEqual([replyCode, replyText], [320, 'CONNECTION_FORCED - broker shutdown']);
    await Promise.all([client.closed(), other.closed(), disposed]);
  });

  it('beyond the greatest number is closed at once', async () => {
    await using test = await TestServer.start({ maxConnections: 1 });
    using first = await test.rawChannel();
    using second = await test.raw();
    await second.closed();
    assert.ok(!first.isClosed);
  });

  it('answers update-secret, and a close of its peer (AMQP 1.4.2.9)', async () => {
    await using test = await TestServer.start();
    using client = await test.rawChannel();
    client.method(0, { name: 'connection.update-secret', newSecret: 'x', reason: 'old' });
    await client.expect('connection.update-secret-ok');
    client.method(0, { name: 'connection.close', replyCode: 200, replyText: 'bye', classId: 0, methodId: 0 });
    await client.expect('connection.close-ok');
    await client.closed();
    await until(() => test.server.connectionCount === 0);
  });
});
