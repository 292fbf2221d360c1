import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isLoopbackAddress } from '../../../../src/servers/listener/loopback.ts';
import { FRAME_HEARTBEAT, PROTOCOL_HEADER } from '../../../../src/wire/amqp091/constants.ts';
import type { MethodOf } from '../../../../src/wire/amqp091/definitions.ts';
import { encodeTable } from '../../../../src/wire/amqp091/field-table.ts';
import { FrameWriter } from '../../../../src/wire/amqp091/frames.ts';
import { methodBytes, publishBytes, type RawClient, startOk } from '../raw-client.ts';
import { TestServer } from '../test-server.ts';

describe('the handshake', () => {
  let test: TestServer;
  before(async () => {
    test = await TestServer.start({ handshakeTimeoutMs: 1000 });
  });
  after(() => test[Symbol.asyncDispose]());

  async function started(): Promise<RawClient> {
    const client = await test.raw();
    client.write(PROTOCOL_HEADER);
    await client.expect('connection.start');
    return client;
  }

  it('offers PLAIN and AMQPLAIN, and its capabilities (AMQP 1.4.2.1)', async () => {
    using client = await test.raw();
    client.write(PROTOCOL_HEADER);
    const start = await client.expect('connection.start');
    assert.equal(start.mechanisms, 'PLAIN AMQPLAIN');
    assert.deepEqual([start.versionMajor, start.versionMinor], [0, 9]);
    assert.equal(start.serverProperties.product, 'Sluice');
    const capabilities = { ...(start.serverProperties.capabilities as object) };
    assert.deepEqual(capabilities, {
      publisher_confirms: true,
      exchange_exchange_bindings: true,
      'basic.nack': true,
      consumer_cancel_notify: true,
      'connection.blocked': true,
      consumer_priorities: true,
      authentication_failure_close: true,
      per_consumer_qos: true,
      direct_reply_to: true,
    });
  });

  it('answers a wrong protocol header with its own and closes (AMQP 4.2.2)', async () => {
    for (const header of ['AMQP\x00\x01\x00\x00', 'AMQP\x01\x01\x08\x00', 'GET / HTTP/1.1\r\n\r\n', 'X']) {
      using client = await test.raw();
      client.doNotParse();
      client.write(Buffer.from(header, 'latin1'));
      await client.closed();
      assert.deepEqual(Buffer.concat(client.chunks), Buffer.from(PROTOCOL_HEADER), header);
    }
  });

  it('is the same however its bytes are split, and with all of it in one piece', async () => {
    const tune = { name: 'connection.tune-ok', channelMax: 10, frameMax: 4096, heartbeat: 0 } as const;
    const all = Buffer.concat([
      PROTOCOL_HEADER,
      methodBytes(0, startOk('guest', 'guest')),
      methodBytes(0, tune),
      methodBytes(0, { name: 'connection.open', virtualHost: '/' }),
      methodBytes(1, { name: 'channel.open' }),
      methodBytes(1, { name: 'confirm.select', noWait: false }),
      publishBytes(1, '', 'nowhere', Buffer.from('hello')),
    ]);
    const pieces = [[all], Array.from(all, (_, i) => all.subarray(i, i + 1))];
    for (let at = 1; at < all.length; at += 7) pieces.push([all.subarray(0, at), all.subarray(at)]);
    await Promise.all(
      pieces.map(async (parts) => {
        using client = await test.raw();
        for (const part of parts) {
          client.write(part);
          if (parts.length > 1) await new Promise((resolve) => setImmediate(resolve));
        }
        await client.expect('connection.start');
        await client.expect('connection.tune');
        await client.expect('connection.open-ok');
        await client.expect('channel.open-ok');
        await client.expect('confirm.select-ok');
        assert.equal((await client.expect('basic.ack')).deliveryTag, 1);
      }),
    );
  });

  it('lets guest in by AMQPLAIN (AMQP 1.4.2.2)', async () => {
    using client = await started();
    const writer = new FrameWriter();
    encodeTable(writer, { LOGIN: 'guest', PASSWORD: 'guest' });
    const response = writer.take().subarray(4);
    client.method(0, { ...startOk('', ''), mechanism: 'AMQPLAIN', response });
    await client.expect('connection.tune');
  });

  it('refuses a wrong password with 403 to clients that understand it, and by closing to others', async () => {
    using polite = await started();
    polite.method(0, startOk('guest', 'wrong', { authentication_failure_close: true }));
    const close = await polite.expect('connection.close');
    assert.equal(close.replyCode, 403);
    assert.equal(
      close.replyText,
      'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.',
    );
    using other = await started();
    other.method(0, startOk('nobody', 'guest'));
    await other.closed();
    assert.deepEqual(other.received, []);
  });

  it('refuses an unknown mechanism with 503 (AMQP 1.4.2.2)', async () => {
    using client = await started();
    client.method(0, { ...startOk('guest', 'guest'), mechanism: 'EXTERNAL' });
    const { replyCode, replyText } = await client.expect('connection.close');
    assert.equal(replyCode, 503);
    assert.equal(replyText, "COMMAND_INVALID - unknown authentication mechanism 'EXTERNAL'");
  });

  it('refuses limits that are too small or beyond what it offered with 530, as RabbitMQ does (AMQP 1.4.2.6)', async () => {
    const cases: readonly (readonly [Partial<MethodOf<'connection.tune-ok'>>, string])[] = [
      [{ frameMax: 4095 }, 'negotiated frame_max = 4095 is lower than the minimum allowed value (4096)'],
      [{ frameMax: 0 }, 'negotiated frame_max = 0 is higher than the maximum allowed value (131072)'],
      [{ channelMax: 2048 }, 'negotiated channel_max = 2048 is higher than the maximum allowed value (2047)'],
    ];
    for (const [tune, text] of cases) {
      using client = await started();
      client.method(0, startOk('guest', 'guest'));
      await client.expect('connection.tune');
      client.method(0, { name: 'connection.tune-ok', channelMax: 9, frameMax: 8192, heartbeat: 0, ...tune });
      const close = await client.expect('connection.close');
      assert.deepEqual([close.replyCode, close.replyText], [530, `NOT_ALLOWED - ${text}`]);
      assert.deepEqual([close.classId, close.methodId], [10, 31]);
      await client.closed();
    }
  });

  it('refuses a virtual host that is not there with 530 (AMQP 1.4.2.7)', async () => {
    using client = await started();
    client.method(0, startOk('guest', 'guest'));
    await client.expect('connection.tune');
    client.method(0, { name: 'connection.tune-ok', channelMax: 9, frameMax: 8192, heartbeat: 0 });
    client.method(0, { name: 'connection.open', virtualHost: 'elsewhere' });
    const close = await client.expect('connection.close');
    assert.deepEqual([close.replyCode, close.replyText], [530, 'NOT_ALLOWED - vhost elsewhere not found']);
    assert.deepEqual([close.classId, close.methodId], [10, 40]);
  });

  it('lets no client skip the login (AMQP 2.2.4)', async () => {
    using client = await started();
    client.method(0, { name: 'connection.open', virtualHost: '/' });
    assert.equal((await client.expect('connection.close')).replyCode, 504);
    using garbage = await started();
    garbage.write(Buffer.from('this is no frame'));
    await garbage.closed();
  });

  it('takes no more time than it may', async () => {
    await using quick = await TestServer.start({ handshakeTimeoutMs: 50 });
    using silent = await quick.raw();
    using half = await quick.raw();
    half.write(PROTOCOL_HEADER);
    // One who came later, and has half a minute.
    await using slow = await TestServer.start({ handshakeTimeoutMs: 30_000 });
    using other = await slow.raw();
    await Promise.all([silent.closed(), half.closed()]);
    assert.equal(other.isClosed, false);
  });

  it('knows the addresses of this machine, for guest may come from no other', async () => {
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
      assert.ok(isLoopbackAddress(address), address);
    }
    for (const address of ['10.0.0.127', '128.0.0.1', '::2', '::ffff:10.0.0.1', '']) {
      assert.ok(!isLoopbackAddress(address), address);
    }
    assert.equal(await test.broker.access.authenticate('guest', 'guest', false), null);
  });
});

describe('heartbeats (AMQP 4.2.7)', () => {
  it('are sent to an idle client, and one that is silent for two intervals is dropped', async () => {
    await using test = await TestServer.start();
    using client = await test.raw();
    await client.handshake({ heartbeat: 1 });
    const startedAt = performance.now();
    await client.closed();
    const lasted = performance.now() - startedAt;
    assert.ok(lasted > 1900, `${lasted} ms`);
    // Two half intervals in which nothing else was sent: by the last one it is dropped.
    assert.deepEqual(
      client.received.map(({ type }) => type),
      [FRAME_HEARTBEAT, FRAME_HEARTBEAT],
    );
  });
});
