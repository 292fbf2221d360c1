import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** The client's address and port in the headers of the PROXY protocol that `HeaderProxy` makes. */
export interface ProxiedClient {
  readonly address: string;
  readonly port: number;
}

export type ProxyVersion = 1 | 2;

/** A proxy on this machine that begins each connection to the broker with a header of the PROXY protocol. */
export class HeaderProxy implements AsyncDisposable {
  /** Whom the next connections are for. */
  client: ProxiedClient;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async start(brokerPort: number, version: ProxyVersion, client: ProxiedClient): Promise<HeaderProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new HeaderProxy(server, client);
    server.on('connection', (downstream) => {
      const upstream = connect({ host: '127.0.0.1', port: brokerPort });
      const header = version === 1 ? proxyHeaderV1 : proxyHeaderV2;
      upstream.write(header(proxy.client, { address: '127.0.0.1', port: proxy.port }));
      proxy.#join(downstream, upstream);
    });
    return proxy;
  }

  private constructor(server: Server, client: ProxiedClient) {
    this.#server = server;
    this.client = client;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #join(downstream: Socket, upstream: Socket): void {
    for (const [from, to] of [
      [downstream, upstream],
      [upstream, downstream],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => undefined);
      from.once('close', () => {
        this.#sockets.delete(from);
        to.end();
      });
      from.pipe(to);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export function proxyHeaderV1(source: ProxiedClient, destination: ProxiedClient): Buffer {
  const ends = `${source.address} ${destination.address} ${source.port} ${destination.port}`;
  return Buffer.from(`PROXY TCP4 ${ends}\r\n`);
}

export function proxyHeaderV2(source: ProxiedClient, destination: ProxiedClient): Buffer {
  const prefix = Buffer.from('0d0a0d0a000d0a515549540a2111000c', 'hex');
  const addresses = [source, destination].flatMap(({ address }) => address.split('.').map(Number));
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  return Buffer.concat([prefix, Buffer.from(addresses), ports]);
}
