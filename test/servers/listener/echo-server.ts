import { connect, type Socket } from 'node:net';
import type { AcceptedConnection } from '../../../src/servers/listener/accepted-connection.ts';
import { Listener, type ListenerOptions } from '../../../src/servers/listener/listener.ts';
import { readShared } from '../../../src/servers/listener/shared-read-buffer.ts';

/** A listener for a protocol in which each peer gets back what it sends, after the line `address:port local`. */
export class EchoServer implements AsyncDisposable {
  readonly logged: string[] = [];
  readonly accepted: AcceptedConnection[] = [];
  listener!: Listener;

  static async start(
    options: Partial<ListenerOptions> = {},
    serve?: (connection: AcceptedConnection) => void,
  ): Promise<EchoServer> {
    const server = new EchoServer();
    const note = (fields: object, message?: string) => {
      server.logged.push(`${message} ${JSON.stringify(fields)}`);
    };
    const log = { debug: () => undefined, info: note, warn: note, error: note } as ListenerOptions['log'];
    server.listener = await Listener.listen(
      {
        on: { host: '127.0.0.1', port: 0 },
        tls: null,
        handshakeTimeoutMs: 5000,
        closeTimeoutMs: 200,
        maxConnections: 100,
        maxConnectionsPerAddress: 100,
        trustedProxies: null,
        log,
        ...options,
      },
      serve ?? ((connection) => server.#serve(connection)),
    );
    return server;
  }

  #serve(connection: AcceptedConnection): void {
    const { socket, peer } = connection;
    this.accepted.push(connection);
    socket.write(`${peer.address} ${peer.isLoopback ? 'here' : 'there'}\n`);
    readShared(socket, (bytes) => {
      connection.established();
      socket.write(Buffer.from(bytes));
    });
  }

  connect(): Socket {
    return connect(this.listener.port, '127.0.0.1').on('error', () => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close(() => undefined);
  }
}
