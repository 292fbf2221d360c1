import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PROTOCOL_HEADER } from '../../../../src/wire/amqp091/constants.ts';
import { until } from '../../../support/until.ts';
import { type RawClient, startOk } from '../raw-client.ts';
import { TestServer } from '../test-server.ts';

/** Longer than any test: what happens is not for this timeout. */
const LONG_MS = 60_000;

const CLOSE = { name: 'connection.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 } as const;

/** Fails if the server has ended the socket, or does so before it has answered somebody else. */
async function staysOpen(test: TestServer, client: RawClient): Promise<void> {
  using other = await test.rawChannel();
  other.method(1, { name: 'queue.declare', queue: 'q', ...NEW });
  await other.expect('queue.declare-ok');
  assert.equal(client.isClosed, false);
  assert.equal(client.socket.readableEnded, false);
}

const NEW = {
  passive: false,
  durable: false,
  exclusive: false,
  autoDelete: true,
  noWait: false,
  arguments: {},
} as const;

describe('the end of a connection (AMQP 2.2.4)', () => {
  it('leaves the socket to the client whose close was answered, and ends it when the client does', async () => {
    await using test = await TestServer.start({ closeTimeoutMs: LONG_MS });
    using client = await test.rawChannel();
    client.method(0, CLOSE);
    await client.expect('connection.close-ok');
    await staysOpen(test, client);
    client.socket.end();
    await client.closed();
    await until(() => test.server.connectionCount === 0);
  });

  it('does so in the handshake too', async () => {
    await using test = await TestServer.start({ closeTimeoutMs: LONG_MS });
    using client = await test.raw();
    client.write(PROTOCOL_HEADER);
    await client.expect('connection.start');
    client.method(0, CLOSE);
    await client.expect('connection.close-ok');
    await staysOpen(test, client);
    client.socket.end();
    await client.closed();
  });

  it('does so when both ask for the close at once, until close-ok comes', async () => {
    await using test = await TestServer.start({ closeTimeoutMs: LONG_MS });
    using client = await test.rawChannel();
    // A method of the server: connection.close comes, which this client has not seen when it sends its own.
    client.method(1, { name: 'queue.declare-ok', queue: 'q', messageCount: 0, consumerCount: 0 });
    client.method(0, CLOSE);
    await client.expect('connection.close');
    await client.expect('connection.close-ok');
    await staysOpen(test, client);
    client.method(0, { name: 'connection.close-ok' });
    await client.closed();
  });

  it('waits for close-ok where a login or a virtual host is refused, and then ends the socket', async () => {
    await using test = await TestServer.start({ closeTimeoutMs: LONG_MS, refusedLoginDelayMs: 0 });
    for (const refused of ['login', 'vhost']) {
      using client = await test.raw();
      client.write(PROTOCOL_HEADER);
      await client.expect('connection.start');
      const capabilities = { authentication_failure_close: true };
      client.method(0, startOk('guest', refused === 'login' ? 'wrong' : 'guest', capabilities));
      if (refused === 'vhost') {
        const { channelMax, frameMax } = await client.expect('connection.tune');
        client.method(0, { name: 'connection.tune-ok', channelMax, frameMax, heartbeat: 0 });
        client.method(0, { name: 'connection.open', virtualHost: 'nowhere' });
      }
      await client.expect('connection.close');
      await staysOpen(test, client);
      client.method(0, { name: 'connection.close-ok' });
      await client.closed();
    }
  });

  it('does not keep the sockets of clients that never end them: each has the close timeout', async () => {
    await using test = await TestServer.start({ closeTimeoutMs: 100 });
    const clients = await Promise.all(Array.from({ length: 50 }, () => test.rawChannel()));
    const early = await test.raw();
    early.write(PROTOCOL_HEADER);
    for (const client of [...clients, early]) client.method(0, CLOSE);
    await Promise.all([...clients, early].map((client) => client.closed()));
    await until(() => test.server.connectionCount === 0);
  });

  it('waits for the end of a client whose frames cannot be read any more, as its close-ok could not be', async () => {
    await using test = await TestServer.start({ closeTimeoutMs: LONG_MS });
    using client = await test.rawChannel();
    client.write(Buffer.from([1, 0, 1, 0, 0, 0, 4, 0, 10, 0, 10, 0xff]));
    const { replyCode } = await client.expect('connection.close');
    assert.equal(replyCode, 501);
    await staysOpen(test, client);
    client.socket.end();
    await client.closed();
  });
});
