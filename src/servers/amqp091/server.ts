import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import type { Client } from '../../broker/access/clients.ts';
import type { Broker } from '../../broker/broker.ts';
import {
  certificateName,
  createTlsServer,
  hasBadCertificate,
  secureContext,
  type TlsMaterial,
  type TlsOptions,
} from '../listener/tls.ts';
import { Connection } from './connection/connection.ts';
import { Handshake } from './connection/handshake.ts';
import type { HandshakeResult, ServerContext } from './connection/handshake-result.ts';
import { SlabPool } from './connection/output.ts';
import { closeReason } from './errors.ts';
import { handleMethod } from './handlers/table.ts';
import { type AmqpServerOptions, withDefaults } from './options.ts';

/** Half-open connections without heartbeats are found by TCP itself. */
const KEEP_ALIVE_DELAY_MS = 30_000;

/** The listener for AMQP 0-9-1, and its connections. */
export class AmqpServer {
  readonly #server: Server;
  readonly #context: ServerContext;
  /** All accepted sockets, those in the handshake included. */
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<Connection>();
  readonly #stalledTimer: NodeJS.Timeout;
  readonly #ackTimeoutTimer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  #onEmpty: (() => void) | null = null;

  /** Resolves when it listens; rejects with the error of the system if it cannot. */
  static async listen(broker: Broker, options: AmqpServerOptions): Promise<AmqpServer> {
    const settings = withDefaults(options);
    const { tls } = options;
    const tcp = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS };
    const server =
      tls === undefined
        ? createServer(tcp)
        : await createTlsServer(tls, { ...tcp, handshakeTimeout: settings.handshakeTimeoutMs });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port, backlog: 1024 }, () => resolve());
    await promise;
    server.off('error', reject);
    return new AmqpServer(server, { broker, settings, slabs: new SlabPool(), handleMethod }, tls ?? null);
  }

  private constructor(server: Server, context: ServerContext, tls: TlsOptions | null) {
    const { broker, settings } = context;
    this.#server = server;
    this.#context = context;
    server.on('connection', (socket) => {
      if (this.#accept(socket) && tls === null) this.#startHandshake(socket, null);
    });
    if (tls !== null) this.#acceptTls(server as TlsServer, tls);
    // As when there are no file descriptors left: the listener goes on.
    server.on('error', (error) => settings.log.error({ err: error }, 'a connection could not be accepted'));
    this.#unsubscribe = broker.shard.alarms.onChange(() => this.blockedChanged());
    this.#stalledTimer = setInterval(
      () => this.#dropStalled(),
      Math.max(10, Math.min(5_000, settings.stalledPeerTimeoutMs / 4)),
    );
    this.#ackTimeoutTimer = setInterval(
      () => this.#checkAckTimeouts(),
      Math.max(10, Math.min(1_000, settings.consumerTimeoutMs / 10)),
    );
  }

  /** Where it listens. */
  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  get port(): number {
    return this.address.port;
  }

  /** Without those in the handshake. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Resource alarms came or went. */
  blockedChanged(): void {
    for (const connection of this.#connections) connection.blockedChanged();
  }

  /** Accepts nobody any more, says goodbye, and waits for the peers for a limited time. */
  async close(): Promise<void> {
    this.#unsubscribe();
    clearInterval(this.#stalledTimer);
    clearInterval(this.#ackTimeoutTimer);
    const { promise: isStopped, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    const { promise: isEmpty, resolve: setEmpty } = Promise.withResolvers<void>();
    this.#onEmpty = setEmpty;
    const goodbye = closeReason('CONNECTION_FORCED', 'broker shutdown');
    for (const connection of this.#connections) connection.close(goodbye);
    const { closeTimeoutMs } = this.#context.settings;
    const timer = setTimeout(() => this.#destroyAll(), closeTimeoutMs);
    if (this.#connections.size > 0) await isEmpty;
    clearTimeout(timer);
    this.#destroyAll();
    await isStopped;
  }

  /** Certificates that are good for connections to come. @throws Error if they are not, and changes nothing */
  renewTls(material: TlsMaterial): void {
    (this.#server as TlsServer).setSecureContext(secureContext(material));
  }

  #acceptTls(server: TlsServer, tls: TlsOptions): void {
    const { log } = this.#context.settings;
    server.on('secureConnection', (socket: TLSSocket) => {
      socket.on('error', (error) => log.debug({ err: error, peer: socket.remoteAddress }, 'socket failed'));
      if (tls.verify === 'optional' && hasBadCertificate(socket)) {
        log.warn(
          { peer: socket.remoteAddress, reason: String(socket.authorizationError) },
          'the certificate of a client is not good',
        );
        socket.destroy();
        return;
      }
      this.#startHandshake(socket, certificateName(socket, tls));
    });
    server.on('tlsClientError', (error, socket) => {
      log.warn({ peer: socket.remoteAddress, reason: error.message }, 'the TLS handshake failed');
      // After a timeout nobody else does.
      socket.destroy();
    });
  }

  /** False if it is one too many. */
  #accept(socket: Socket): boolean {
    const { settings } = this.#context;
    if (this.#sockets.size >= settings.maxConnections) {
      settings.log.warn(
        { peer: socket.remoteAddress, maxConnections: settings.maxConnections },
        'too many connections',
      );
      socket.destroy();
      return false;
    }
    this.#sockets.add(socket);
    socket.on('error', (error) =>
      settings.log.debug({ err: error, peer: socket.remoteAddress }, 'socket failed'),
    );
    socket.once('close', () => this.#sockets.delete(socket));
    return true;
  }

  #startHandshake(socket: Socket, certificateName: string | null): void {
    new Handshake(socket, certificateName, this.#context, {
      finished: (result) => {
        const { clients } = this.#context.broker.access;
        const connection = new Connection(result, this.#context, () => {
          clients.delete(client);
          this.#forget(connection);
        });
        const client = clientOf(result, connection);
        clients.add(client);
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
    const nowMs = this.#context.broker.shard.clock.monotonicMs();
    for (const connection of this.#connections) connection.checkStalled(nowMs);
  }

  #checkAckTimeouts(): void {
    const nowMs = this.#context.broker.shard.clock.monotonicMs();
    for (const connection of this.#connections) connection.checkAckTimeouts(nowMs);
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function clientOf({ identity, vhost }: HandshakeResult, connection: Connection): Client {
  return {
    user: identity,
    vhost: vhost.name,
    get channelCount() {
      return connection.channelCount;
    },
    close: (reason) => connection.close(closeReason('CONNECTION_FORCED', reason)),
  };
}
