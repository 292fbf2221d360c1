import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { describe, it } from 'node:test';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { connect } from 'amqplib';
import { subjectName, type TlsOptions } from '../../../src/servers/listener/tls.ts';
import { FRAME_HEARTBEAT, PROTOCOL_HEADER } from '../../../src/wire/amqp091/constants.ts';
import { pem } from '../../support/certificates.ts';
import { until } from '../../support/until.ts';
import { RawClient, startOk } from './raw-client.ts';
import { TestServer } from './test-server.ts';

const ALL = { configure: '.*', write: '.*', read: '.*' };

const ca = pem('authority.pem');
const client = { cert: pem('client.pem'), key: pem('client.key') };
const kept = { cert: pem('kept.pem'), key: pem('kept.key') };
const revoked = { cert: pem('revoked.pem'), key: pem('revoked.key') };
const impostor = { cert: pem('impostor.pem'), key: pem('impostor.key') };

function start(options: Partial<TlsOptions> = {}): Promise<TestServer> {
  return TestServer.start({
    tls: {
      cert: pem('server.pem'),
      key: pem('server.key'),
      ca,
      verify: 'none',
      loginFrom: 'common-name',
      ...options,
    },
  });
}

/** The client's side of the TLS handshake done. With TLS 1.3 the server may refuse it afterwards. */
async function secured({ server }: TestServer, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: server.port,
    servername: 'localhost',
    ca,
    ...options,
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

async function mechanisms(test: TestServer, options: ConnectionOptions = {}): Promise<string> {
  using raw = RawClient.over(await secured(test, options));
  raw.write(PROTOCOL_HEADER);
  return (await raw.expect('connection.start')).mechanisms;
}

describe('the listener for AMQP over TLS', () => {
  it('serves a client that we did not write, with large messages both ways', async () => {
    await using test = await start();
    const connection = await connect(`amqps://localhost:${test.server.port}`, { ca, host: '127.0.0.1' });
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('q');
    const body = Buffer.alloc(3_000_000, 'abc');
    for (let i = 0; i < 5; i++) channel.sendToQueue('q', body);
    await channel.waitForConfirms();
    for (let i = 0; i < 5; i++) {
      const message = await channel.get('q', { noAck: true });
      assert.ok(message !== false && message.content.equals(body));
    }
    await connection.close();
  });

  it('knows that a peer is alive by what comes through TLS, and that one is silent', async () => {
    await using test = await start();
    using raw = RawClient.over(await secured(test));
    await raw.handshake({ heartbeat: 1 });
    const beat = Buffer.from([FRAME_HEARTBEAT, 0, 0, 0, 0, 0, 0, 0xce]);
    const timer = setInterval(() => raw.write(beat), 300);
    assert.equal((await raw.next()).type, FRAME_HEARTBEAT);
    await new Promise((resolve) => setTimeout(resolve, 2200));
    assert.ok(!raw.isClosed);
    clearInterval(timer);
    await new Promise((resolve) => setTimeout(resolve, 600));
    await raw.closed();
  });

  it('speaks TLS 1.2 and up, and nothing to who speaks none', async () => {
    await using test = await start();
    const old = await secured(test, { maxVersion: 'TLSv1.2' });
    assert.equal(old.getProtocol(), 'TLSv1.2');
    old.destroy();
    await assert.rejects(
      secured(test, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    );
    const plain = createConnection({ host: '127.0.0.1', port: test.server.port });
    plain.on('error', () => undefined).resume();
    plain.write(PROTOCOL_HEADER);
    await once(plain, 'close');
  });

  it('takes ciphers with forward secrecy and authenticated encryption alone, unless others are set', async () => {
    await using test = await start();
    const weak = ['AES128-SHA', 'AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384'];
    for (const ciphers of weak) {
      await assert.rejects(
        secured(test, { maxVersion: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0` }),
        ciphers,
      );
    }
    for (const ciphers of ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305']) {
      const socket = await secured(test, { maxVersion: 'TLSv1.2', ciphers });
      assert.equal(socket.getCipher().name, ciphers);
      socket.destroy();
    }
    await using lenient = await start({ ciphers: 'ECDHE-ECDSA-AES128-SHA' });
    const socket = await secured(lenient, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' });
    assert.equal(socket.getCipher().name, 'ECDHE-ECDSA-AES128-SHA');
    socket.destroy();
  });

  it('does not wait longer for a TLS handshake than for one of AMQP', async () => {
    await using test = await TestServer.start({
      handshakeTimeoutMs: 500,
      tls: {
        cert: pem('server.pem'),
        key: pem('server.key'),
        ca: null,
        verify: 'none',
        loginFrom: 'common-name',
      },
    });
    const silent = createConnection({ host: '127.0.0.1', port: test.server.port });
    silent.on('error', () => undefined).resume();
    using half = RawClient.over(await secured(test));
    await Promise.all([once(silent, 'close'), half.closed()]);
  });

  it('gives new connections the new certificate, and leaves the old ones alone', async () => {
    await using test = await start();
    using before = RawClient.over(await secured(test));
    await before.handshake();
    const material = { cert: pem('successor.pem'), key: pem('successor.key'), ca };
    assert.throws(() => test.server.renewTls({ ...material, key: pem('server.key') }));
    const stillOld = await secured(test);
    test.server.renewTls(material);
    const now = await secured(test);
    const { serialNumber } = new X509Certificate(pem('successor.pem'));
    assert.notEqual(stillOld.getPeerCertificate().serialNumber, serialNumber);
    assert.equal(now.getPeerCertificate().serialNumber, serialNumber);
    before.method(1, { name: 'channel.open' });
    await before.expect('channel.open-ok');
    for (const socket of [stillOld, now]) socket.destroy();
  });
});

describe('client certificates', () => {
  it('are a way to log in where they are asked for, good, and those of users', async () => {
    await using none = await start();
    await using optional = await start({ verify: 'optional' });
    await using required = await start({ verify: 'required' });
    for (const test of [none, optional, required]) {
      assert.equal(await mechanisms(test, client), 'PLAIN AMQPLAIN');
      await test.broker.access.administration.addUser('carol', null);
    }
    assert.equal(await mechanisms(none, client), 'PLAIN AMQPLAIN');
    assert.equal(await mechanisms(optional), 'PLAIN AMQPLAIN');
    assert.equal(await mechanisms(optional, client), 'PLAIN AMQPLAIN EXTERNAL');
    assert.equal(await mechanisms(required, client), 'PLAIN AMQPLAIN EXTERNAL');
  });

  it('that are not good end the connection, as does none where one is required', async () => {
    await using optional = await start({ verify: 'optional' });
    await using required = await start({ verify: 'required' });
    for (const [test, options] of [
      [optional, impostor],
      [required, impostor],
      [required, {}],
    ] as const) {
      await assert.rejects(mechanisms(test, options), /closed the connection/);
      await until(() => test.server.connectionCount === 0);
    }
  });

  it('that were taken back end the connection, and those beside them do not', async () => {
    for (const verify of ['optional', 'required'] as const) {
      await using test = await start({ verify, ca: pem('registrar.pem'), crl: pem('revoked.crl') });
      await test.broker.access.administration.addUser('carol', null);
      assert.equal(await mechanisms(test, kept), 'PLAIN AMQPLAIN EXTERNAL');
      await assert.rejects(mechanisms(test, revoked), /closed the connection/);
    }
  });

  it('that are taken back end a session that was begun before, too', async () => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const material = { cert: pem('server.pem'), key: pem('server.key'), ca: pem('registrar.pem') };
      await using test = await start({ ...material, verify: 'required', crl: pem('none-revoked.crl') });
      const before = await secured(test, { ...revoked, maxVersion });
      const session = maxVersion === 'TLSv1.2' ? before.getSession() : (await once(before, 'session'))[0];
      before.destroy();
      test.server.renewTls({ ...material, crl: pem('revoked.crl') });
      await assert.rejects(mechanisms(test, { ...revoked, maxVersion, session }), maxVersion);
      assert.equal(await mechanisms(test, { ...kept, maxVersion }), 'PLAIN AMQPLAIN');
    }
  });

  for (const [loginFrom, user] of [
    ['common-name', 'carol'],
    ['distinguished-name', 'O=Sluice,CN=carol'],
  ] as const) {
    it(`let in the user with the ${loginFrom} of the certificate, whatever the response says`, async () => {
      await using test = await start({ verify: 'required', loginFrom });
      const { administration } = test.broker.access;
      const logIn = async (): Promise<RawClient> => {
        const raw = RawClient.over(await secured(test, client));
        raw.write(PROTOCOL_HEADER);
        await raw.expect('connection.start');
        const capabilities = { authentication_failure_close: true };
        raw.method(0, { ...startOk('guest', 'guest', capabilities), mechanism: 'EXTERNAL' });
        return raw;
      };
      using stranger = await logIn();
      assert.match(
        (await stranger.expect('connection.close')).replyText,
        /ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL/,
      );
      await administration.addUser(user, null);
      await administration.setPermissions(user, '/', ALL);
      using raw = await logIn();
      const { channelMax, frameMax } = await raw.expect('connection.tune');
      raw.method(0, { name: 'connection.tune-ok', channelMax, frameMax, heartbeat: 0 });
      raw.method(0, { name: 'connection.open', virtualHost: '/' });
      await raw.expect('connection.open-ok');
      assert.deepEqual(
        [...test.broker.access.clients.inVhost('/')].map((each) => each.user.name),
        [user],
      );
    });
  }

  it('name nobody when they have no common name', () => {
    assert.equal(subjectName(new X509Certificate(pem('client.pem')), 'common-name'), 'carol');
    const nobody = { subject: 'O=Sluice' } as X509Certificate;
    assert.equal(subjectName(nobody, 'common-name'), null);
    assert.equal(subjectName({ subject: 'CN=a\nCN=b' } as X509Certificate, 'common-name'), null);
  });
});
