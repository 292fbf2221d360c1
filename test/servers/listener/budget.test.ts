import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Budget, type BudgetOptions } from '../../../src/broker/budget/budget.ts';
import { Listener, type ListenerLog } from '../../../src/servers/listener/listener.ts';
import type { TlsOptions } from '../../../src/servers/listener/tls.ts';
import { pem } from '../../support/certificates.ts';
import { until } from '../../support/until.ts';

const TLS: TlsOptions = {
  cert: pem('server.pem'),
  key: pem('server.key'),
  ca: null,
  verify: 'none',
  loginFrom: 'common-name',
};

/** A listener whose clients are established at once, if they are `known`. */
class Server implements AsyncDisposable {
  readonly logged: string[] = [];
  readonly budget: Budget;
  accepted = 0;
  listener!: Listener;

  static async start(options: BudgetOptions, tls: TlsOptions | null, areKnown = true): Promise<Server> {
    const server = new Server(options);
    const note = (fields: object, message: string) =>
      server.logged.push(`${message} ${JSON.stringify(fields)}`);
    const log = { debug: () => undefined, info: note, warn: note, error: note } as unknown as ListenerLog;
    server.listener = await Listener.listen(
      {
        on: { host: '127.0.0.1', port: 0 },
        tls,
        handshakeTimeoutMs: 60_000,
        closeTimeoutMs: 100,
        maxConnections: 1000,
        maxConnectionsPerAddress: 1000,
        trustedProxies: null,
        budget: server.budget,
        log,
      },
      (connection) => {
        server.accepted++;
        connection.established(areKnown);
        connection.socket.resume();
      },
    );
    return server;
  }

  private constructor(options: BudgetOptions) {
    this.budget = new Budget(options);
  }

  connect(localAddress = '127.0.0.1'): Socket {
    const socket = connect({ host: '127.0.0.1', port: this.listener.port, localAddress });
    return socket.on('error', () => undefined).resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close(() => undefined);
  }
}

describe('a listener', () => {
  it('closes connections beyond the rate of their address, and names the setting; others are served', async () => {
    await using server = await Server.start({ connectionRatePerAddress: 0.1 }, null);
    // Three in a burst.
    const sockets = Array.from({ length: 10 }, () => server.connect('127.0.0.2'));
    await until(() => sockets.filter(({ closed }) => closed).length === 7);
    assert.equal(server.accepted, 3);
    assert.match(server.logged[0], /see connection-rate-per-address .*"peer":"127\.0\.0\.2"/);
    sockets.push(server.connect('127.0.0.3'));
    await until(() => server.accepted === 4);
    for (const socket of sockets) socket.destroy();
  });

  it('counts one that its client did not log in to as many', async () => {
    await using server = await Server.start({ connectionRatePerAddress: 0.1 }, null, false);
    const guess = server.connect();
    await once(guess, 'connect');
    guess.destroy();
    await until(() => server.accepted === 1 && server.budget.descriptors.connections === 0);
    await once(server.connect(), 'close');
    assert.equal(server.accepted, 1);
  });

  it('takes a descriptor for each connection, and gives it back', async () => {
    const descriptors = { limit: 74, inUse: 22 };
    await using server = await Server.start({ descriptors }, null);
    assert.equal(server.budget.descriptors.connectionsMax, 2);
    const sockets = [server.connect(), server.connect()];
    await until(() => server.accepted === 2);
    await once(server.connect(), 'close');
    assert.match(server.logged[0], /raise ulimit -n .*"connectionsMax":2/);
    for (const socket of sockets) socket.destroy();
    await until(() => server.budget.descriptors.connections === 0);
    const again = server.connect();
    await until(() => server.accepted === 3);
    again.destroy();
  });

  it('gives TLS handshakes their turns: those that never say hello keep nobody waiting', async () => {
    await using server = await Server.start({}, TLS);
    const silent = Array.from({ length: 100 }, () => server.connect('127.0.0.2'));
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    const secured = Array.from({ length: 30 }, () =>
      connectTls({
        port: server.listener.port,
        host: '127.0.0.1',
        servername: 'localhost',
        ca: pem('authority.pem'),
      }),
    );
    await Promise.all(secured.map((socket) => once(socket, 'secureConnect')));
    for (const socket of [...silent, ...secured]) socket.destroy();
    const { tlsHandshakes, descriptors } = server.budget;
    await until(() => descriptors.connections === 0);
    assert.deepEqual([tlsHandshakes.running, tlsHandshakes.waiting], [0, 0]);
  });
});
