import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Broker } from '../../broker/broker.ts';
import { Connection } from './connection.ts';
import { reply } from './errors.ts';
import { Handshake } from './handshake.ts';
import { type AmqpServerOptions, withDefaults } from './options.ts';
import type { ServerContext } from './session.ts';
import { SlabPool } from './slab-pool.ts';

/** Half-open connections without heartbeats are found by TCP itself. */
const KEEP_ALIVE_DELAY_MS = 30_000;

/** The listener for AMQP 0-9-1. */
export class AmqpServer {
  readonly #server: Server;
  readonly #context: ServerContext;
  /** All accepted sockets, those in the handshake included. */
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<Connection>();
  readonly #stalledTimer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  #onEmpty: (() => void) | null = null;

  /** Resolves when it listens; rejects with the error of the system if it cannot. */
  static async listen(broker: Broker, options: AmqpServerOptions): Promise<AmqpServer> {
    const server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port, backlog: 1024 }, () => resolve());
    await promise;
    server.off('error', reject);
    return new AmqpServer(server, { broker, settings: withDefaults(options), slabs: new SlabPool() });
  }

  private constructor(server: Server, context: ServerContext) {
    const { broker, settings } = context;
    this.#server = server;
    this.#context = context;
    server.on('connection', (socket) => this.#accept(socket));
    // As when there are no file descriptors left: the listener goes on.
    server.on('error', (error) => settings.log.error({ err: error }, 'a connection could not be accepted'));
    this.#unsubscribe = broker.onBlockedChange(() => this.blockedChanged());
    this.#stalledTimer = setInterval(
      () => this.#dropStalled(),
      Math.max(10, Math.min(5_000, settings.stalledPeerTimeoutMs / 4)),
    );
  }

  /** Where it listens. */
  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  get port(): number {
    return this.address.port;
  }

  /** Those whose handshake is finished. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** The broker's reasons to block publishers are others now. */
  blockedChanged(): void {
    for (const connection of this.#connections) connection.blockedChanged();
  }

  /** Accepts nobody any more, says goodbye, and waits for the peers for a limited time. */
  async close(): Promise<void> {
    this.#unsubscribe();
    clearInterval(this.#stalledTimer);
    const { promise: isStopped, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    const { promise: isEmpty, resolve: setEmpty } = Promise.withResolvers<void>();
    this.#onEmpty = setEmpty;
    const goodbye = reply('CONNECTION_FORCED', 'broker shutdown');
    for (const connection of this.#connections) connection.close(goodbye);
    const { closeTimeoutMs } = this.#context.settings;
    const timer = setTimeout(() => this.#destroyAll(), closeTimeoutMs);
    if (this.#connections.size > 0) await isEmpty;
    clearTimeout(timer);
    this.#destroyAll();
    await isStopped;
  }

  #accept(socket: Socket): void {
    const { settings } = this.#context;
    if (this.#sockets.size >= settings.maxConnections) {
      settings.log.warn(
        { peer: socket.remoteAddress, maxConnections: settings.maxConnections },
        'too many connections',
      );
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on('error', (error) =>
      settings.log.debug({ err: error, peer: socket.remoteAddress }, 'socket failed'),
    );
    socket.once('close', () => this.#sockets.delete(socket));
    new Handshake(socket, this.#context, {
      finished: (session) => {
        const connection = new Connection(session, this.#context, (closed) => this.#forget(closed));
        this.#connections.add(connection);
        return connection.frame;
      },
    });
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  #dropStalled(): void {
    const nowMs = this.#context.broker.clock.monotonicMs();
    for (const connection of this.#connections) connection.checkStalled(nowMs);
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
