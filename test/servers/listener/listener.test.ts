import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Budget } from '../../../src/broker/budget/budget.ts';
import type { ListenerOptions } from '../../../src/servers/listener/listener.ts';
import { proxiedPeer } from '../../../src/servers/listener/peer.ts';
import { ReservedPort } from '../../../src/servers/listener/reserved-port.ts';
import { TrustedProxies } from '../../../src/servers/listener/trusted-proxies.ts';
import { pem } from '../../support/certificates.ts';
import { EchoServer } from './echo-server.ts';

/** What comes until it ends with this. */
async function received(socket: Socket, end: string): Promise<string> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.endsWith(end)) return text;
  }
  throw new Error(`the connection ended after '${text}'`);
}

async function isEnded(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.destroyed) await once(socket, 'close');
}

const TLS: ListenerOptions['tls'] = {
  cert: pem('server.pem'),
  key: pem('server.key'),
  ca: pem('authority.pem'),
  verify: 'none',
  loginFrom: 'common-name',
};
const PROXIES = new TrustedProxies(['127.0.0.1']);
const HEADER = 'PROXY TCP4 192.0.2.1 198.51.100.7 56324 5672\r\n';

describe('a port that is reserved', () => {
  it('is taken at once, holds who connects, and serves them when the listener takes over', async () => {
    const reserved = await ReservedPort.open({ host: '127.0.0.1', port: 0 });
    const { port } = reserved;
    await assert.rejects(ReservedPort.open({ host: '127.0.0.1', port }), { code: 'EADDRINUSE' });
    const early = connect(port, '127.0.0.1').on('error', () => undefined);
    early.write('early');
    await once(early, 'connect');
    // It has been accepted, and what it sent is there.
    await new Promise((resolve) => setImmediate(resolve));
    await using server = await EchoServer.start({ reserved });
    assert.equal(server.listener.port, port);
    let text = '';
    for await (const chunk of early.setEncoding('utf8')) {
      text += chunk;
      if (text.endsWith('early')) break;
    }
    assert.equal(text, '127.0.0.1 here\nearly');
  });

  it('gives who waits only the descriptors that files do not need, and no more for having waited', async () => {
    // The rest of these is for files.
    const budget = new Budget({ descriptors: { limit: 53, inUse: 0 } });
    const { descriptors } = budget;
    assert.equal(descriptors.connectionsMax, 3);
    const reserved = await ReservedPort.open({ host: '127.0.0.1', port: 0 }, descriptors);
    const sockets = Array.from({ length: 5 }, () =>
      connect(reserved.port, '127.0.0.1')
        .on('error', () => undefined)
        .resume(),
    );
    const ended = sockets.map((socket) => once(socket, 'close'));
    await Promise.race(ended);
    while (sockets.filter(({ closed }) => closed).length < 2) await new Promise(setImmediate);
    assert.equal(descriptors.connections, 3);
    await using server = await EchoServer.start({ reserved, budget });
    while (server.accepted.length < 3) await new Promise(setImmediate);
    assert.equal(descriptors.connections, 3);
    for (const socket of sockets) socket.destroy();
    while (descriptors.connections > 0) await new Promise(setImmediate);
  });

  it('is given back where nobody takes it over', async () => {
    const reserved = await ReservedPort.open({ host: '127.0.0.1', port: 0 });
    const { port } = reserved;
    await reserved.close();
    await (await ReservedPort.open({ host: '127.0.0.1', port })).close();
  });
});

describe('a listener', () => {
  it('hands over connections with who is at the other end', async () => {
    await using server = await EchoServer.start();
    const socket = server.connect();
    socket.write('hello');
    assert.equal(await received(socket, 'hello'), '127.0.0.1 here\nhello');
    socket.destroy();
  });

  it('takes a Unix socket as a place on this machine', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-listener-'));
    try {
      const path = join(directory, 'socket');
      await using server = await EchoServer.start({ on: { path } });
      const socket = connect(path);
      socket.write('hello');
      assert.equal(await received(socket, 'hello'), ' here\nhello');
      assert.equal(server.accepted.length, 1);
      socket.destroy();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('refuses connections beyond its limits, in all and from one address, and takes others when some have gone', async () => {
    for (const limits of [{ maxConnections: 2 }, { maxConnectionsPerAddress: 2 }]) {
      await using server = await EchoServer.start(limits);
      const first = server.connect();
      const second = server.connect();
      await Promise.all([received(first, '\n'), received(second, '\n')]);
      const third = server.connect();
      await isEnded(third);
      assert.match(server.logged.join(), /too many connections/);
      first.destroy();
      await once(server.accepted[0].socket, 'close');
      const fourth = server.connect();
      await received(fourth, '\n');
      second.destroy();
      fourth.destroy();
    }
  });

  it('ends who does not get through the handshake in time, and nobody else', async () => {
    await using server = await EchoServer.start({ handshakeTimeoutMs: 150 });
    const quick = server.connect();
    quick.write('x');
    await received(quick, 'x');
    await isEnded(server.connect());
    assert.match(server.logged.join(), /handshake not finished.*timed out/);
    assert.equal(quick.destroyed, false);
    quick.destroy();
  });

  it('shakes hands once in a connection, also over TLS 1.2', async () => {
    await using server = await EchoServer.start({ tls: TLS });
    const socket = connectTls({
      port: server.listener.port,
      ca: pem('authority.pem'),
      servername: 'localhost',
      maxVersion: 'TLSv1.2',
    });
    await once(socket, 'secureConnect');
    const { promise, resolve } = Promise.withResolvers<string>();
    socket.on('error', (error) => resolve(error.message));
    socket.renegotiate({}, (error) => resolve(error === null ? 'done' : error.message));
    assert.match(await promise, /no renegotiation/);
    socket.destroy();
  });

  it('when it is closed, lets peers say goodbye, and ends those that do not within a time', async () => {
    const server = await EchoServer.start({ closeTimeoutMs: 150 });
    const polite = server.connect();
    const stuck = server.connect();
    for (const socket of [polite, stuck]) {
      socket.write('x');
      await received(socket, 'x');
    }
    const { port } = server.listener;
    let isAsked = false;
    const closed = server.listener.close(() => {
      isAsked = true;
      server.accepted[0].socket.end('bye');
    });
    assert.equal(isAsked, true);
    assert.equal(await received(polite, 'bye'), 'bye');
    polite.destroy();
    await closed;
    await isEnded(stuck);
    const late = connect(port, '127.0.0.1');
    const [error] = await once(late, 'error');
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
  });
});

describe('a listener behind proxies', () => {
  it('sees the client that the proxy stands for, with and without TLS, wherever the header is cut', async () => {
    for (const tls of [null, TLS]) {
      await using server = await EchoServer.start({ trustedProxies: PROXIES, tls });
      for (const cut of [0, 1, 20, HEADER.length]) {
        const raw = server.connect();
        if (cut > 0) {
          raw.write(HEADER.slice(0, cut));
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        if (tls === null) {
          raw.write(`${HEADER.slice(cut)}hello`);
          assert.equal(await received(raw, 'hello'), '192.0.2.1 there\nhello');
        } else {
          raw.write(HEADER.slice(cut));
          const secured = connectTls({ socket: raw, servername: 'localhost', ca: pem('authority.pem') });
          secured.write('hello');
          assert.equal(await received(secured, 'hello'), '192.0.2.1 there\nhello');
        }
        raw.destroy();
      }
    }
  });

  it('takes nobody for a client on this machine of whom the proxy does not say so, or who is on the machine of the proxy', async () => {
    await using server = await EchoServer.start({ trustedProxies: PROXIES });
    for (const [header, place] of [
      ['PROXY UNKNOWN\r\n', 'there'],
      ['\r\n\r\n\0\r\nQUIT\n\x21\x00\0\0', 'there'],
      ['\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0', 'here'],
      ['PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n', 'here'],
    ]) {
      const socket = server.connect();
      socket.write(Buffer.from(`${header}hello`, 'latin1'));
      assert.equal(await received(socket, 'hello'), `127.0.0.1 ${place}\nhello`, header);
      socket.destroy();
    }
    const ends = {
      sourceAddress: '127.0.0.1',
      sourcePort: 1,
      destinationAddress: '127.0.0.1',
      destinationPort: 2,
    };
    const proxy = { address: '10.0.0.4', port: 1, localAddress: '10.0.0.5', localPort: 2, isLoopback: false };
    assert.equal(proxiedPeer(proxy, ends).isLoopback, false);
  });

  it('reads what comes in one piece with the header, also where a TLS handshake begins there', async () => {
    await using server = await EchoServer.start({ trustedProxies: PROXIES, tls: TLS });
    const front = createServer((downstream) => {
      const upstream = server.connect();
      downstream.once('data', (hello) => {
        upstream.write(Buffer.concat([Buffer.from(HEADER), hello]));
        downstream.pipe(upstream);
      });
      upstream.pipe(downstream);
    });
    await once(front.listen(0, '127.0.0.1'), 'listening');
    const { port } = front.address() as AddressInfo;
    const secured = connectTls({ port, servername: 'localhost', ca: pem('authority.pem') });
    secured.write('hello');
    assert.equal(await received(secured, 'hello'), '192.0.2.1 there\nhello');
    secured.destroy();
    front.close();
  });

  it('has one deadline for header, TLS and handshake together', async () => {
    await using server = await EchoServer.start({
      trustedProxies: PROXIES,
      tls: TLS,
      handshakeTimeoutMs: 900,
    });
    // The header comes at 600 ms, and TLS begins at once, or when the time is over.
    for (const untilTlsMs of [0, 450]) {
      const raw = server.connect();
      await new Promise((resolve) => setTimeout(resolve, 600));
      // Who comes now has as long as the first one would have, if its time began anew.
      const later = isEnded(server.connect()).then(() => 'later');
      raw.write(HEADER);
      await new Promise((resolve) => setTimeout(resolve, untilTlsMs));
      const secured = connectTls({ socket: raw, servername: 'localhost', ca: pem('authority.pem') });
      secured.on('error', () => undefined);
      assert.equal(await Promise.race([isEnded(secured).then(() => 'first'), later]), 'first');
      await later;
    }
    assert.equal(server.accepted.length, 1);
    assert.equal(server.logged.filter((line) => line.includes('timed out')).length, 2);
  });

  it('gives HTTP what came behind the header, once the socket is resumed', async () => {
    const http = createHttpServer((_, response) => response.end('hello'));
    await using server = await EchoServer.start({ trustedProxies: PROXIES }, (connection) => {
      connection.established();
      http.emit('connection', connection.socket);
      connection.socket.resume();
    });
    const socket = server.connect();
    socket.write(`${HEADER}GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.match(await received(socket, 'hello'), /^HTTP\/1.1 200 OK/);
  });

  it('counts the client against its limit, and not the proxy', async () => {
    await using server = await EchoServer.start({ trustedProxies: PROXIES, maxConnectionsPerAddress: 1 });
    const sockets = ['192.0.2.1', '192.0.2.2'].map((address) => {
      const socket = server.connect();
      socket.write(HEADER.replace('192.0.2.1', address));
      return socket;
    });
    await Promise.all(sockets.map((socket) => received(socket, '\n')));
    const again = server.connect();
    again.write(HEADER);
    await isEnded(again);
    for (const socket of sockets) socket.destroy();
  });

  it('ends a trusted proxy that sends no header, or none in time', async () => {
    await using server = await EchoServer.start({ trustedProxies: PROXIES, handshakeTimeoutMs: 100 });
    const other = server.connect();
    other.write('AMQP\0\0\x09\x01');
    await isEnded(other);
    await isEnded(server.connect());
    assert.equal(server.logged.filter((line) => line.includes('did not say whom it stands for')).length, 2);
  });

  it('believes no header of anybody else', async () => {
    await using server = await EchoServer.start({ trustedProxies: new TrustedProxies(['192.0.2.0/24']) });
    const socket = server.connect();
    socket.write(HEADER);
    assert.equal(await received(socket, '5672\r\n'), `127.0.0.1 here\n${HEADER}`);
    socket.destroy();
  });
});

describe('trusted proxies', () => {
  it('are addresses and networks', () => {
    const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);
    for (const address of ['10.1.2.3', '192.0.2.7', '::ffff:10.1.2.3', 'fd12::1']) {
      assert.equal(proxies.includes(address), true, address);
    }
    for (const address of ['11.0.0.1', '192.0.2.8', 'fe80::1', '', 'x']) {
      assert.equal(proxies.includes(address), false, address);
    }
  });

  it('are refused where they are neither, with the text that is wrong', () => {
    for (const text of ['proxy.example', '10.0.0.0/33', '10.0.0.0/x', '10.0.0.0/8/8', '', 'fd00::/129']) {
      assert.throws(() => new TrustedProxies([text]), new RegExp(`'${text}' is neither`));
    }
  });
});
