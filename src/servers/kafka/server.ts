import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import { MemoryPool } from '../../base/memory-pool.ts';
import type { Broker } from '../../broker/broker.ts';
import { plainAddress } from '../listener/loopback.ts';
import {
  certificateName,
  createTlsServer,
  hasBadCertificate,
  secureContext,
  type TlsMaterial,
  type TlsOptions,
} from '../listener/tls.ts';
import type { KafkaConnection, KafkaConnectionDeps } from './connection/connection.ts';
import { FetchSessions } from './fetch/fetch-sessions.ts';
import { memberCodec } from './groups/member-codec.ts';
import type { ServedApi, ServerContext } from './handlers/request-context.ts';
import { type KafkaServerOptions, type Settings, withDefaults } from './options.ts';
import { ShareSessions } from './share/share-sessions.ts';

/**
 * Connections and the handlers of all APIs. They are loaded when the first client connects: they are a large part of the
 * program, and many brokers never meet a Kafka client.
 */
interface Protocol {
  readonly KafkaConnection: typeof KafkaConnection;
  readonly apis: readonly ServedApi[];
  readonly deps: KafkaConnectionDeps;
}

/** Half-open connections are found by TCP itself. */
const KEEP_ALIVE_DELAY_MS = 30_000;
/** What `fetchMemory` keeps for the next fetches, enough for a few at a time. */
const FETCH_MEMORY_BYTES = 16 * 1024 * 1024;
const CONNECTION_THROTTLE_MS_MAX = 1000;

/** The listener for the Kafka protocol. */
export class KafkaServer implements ServerContext {
  readonly broker: Broker;
  readonly settings: Settings;
  readonly fetchSessions = new FetchSessions();
  /** For the records of Fetch responses until the socket has taken them. */
  readonly fetchMemory = new MemoryPool(FETCH_MEMORY_BYTES);
  readonly shareSessions = new ShareSessions();
  readonly #server: Server;
  readonly #tls: TlsOptions | null;
  /** All accepted sockets, those in a TLS handshake included. */
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<KafkaConnection>();
  readonly #timer: NodeJS.Timeout;
  #protocol: Protocol | null = null;
  #onEmpty: (() => void) | null = null;

  /** Resolves when it listens; rejects with the error of the system if it cannot. */
  static async listen(broker: Broker, options: KafkaServerOptions): Promise<KafkaServer> {
    const settings = withDefaults(options);
    const { tls } = options;
    const tcp = {
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      allowHalfOpen: false,
    };
    const server =
      tls === undefined
        ? createServer(tcp)
        : await createTlsServer(tls, { ...tcp, handshakeTimeout: settings.handshakeTimeoutMs });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port, backlog: 1024 }, () => resolve());
    await promise;
    server.off('error', reject);
    return new KafkaServer(broker, settings, server, tls ?? null);
  }

  private constructor(broker: Broker, settings: Settings, server: Server, tls: TlsOptions | null) {
    this.broker = broker;
    this.settings = settings;
    this.#server = server;
    this.#tls = tls;
    broker.groups.useMemberCodec(memberCodec);
    server.on('connection', (socket) => {
      if (this.#accept(socket) && tls === null && !this.#isTooSoon(socket)) this.#connect(socket, null);
    });
    if (tls !== null) this.#acceptTls(server as TlsServer, tls);
    // As when there are no file descriptors left: the listener goes on.
    server.on('error', (error) => settings.log.error({ err: error }, 'a connection could not be accepted'));
    const shortestMs = Math.min(
      settings.stalledPeerTimeoutMs,
      settings.handshakeTimeoutMs,
      settings.idleTimeoutMs,
    );
    this.#timer = setInterval(() => this.#check(), Math.max(10, Math.min(5_000, shortestMs / 4)));
  }

  get apis(): readonly ServedApi[] {
    return this.#protocol?.apis ?? [];
  }

  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  get port(): number {
    return this.address.port;
  }

  get isTls(): boolean {
    return this.#tls !== null;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Accepts nobody any more, sends what was answered, and waits for the peers for a limited time. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const { promise: isStopped, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    const { promise: isEmpty, resolve: setEmpty } = Promise.withResolvers<void>();
    this.#onEmpty = setEmpty;
    for (const connection of [...this.#connections]) connection.close('broker shutdown');
    const timer = setTimeout(() => this.#destroyAll(), this.settings.closeTimeoutMs);
    if (this.#connections.size > 0) await isEmpty;
    clearTimeout(timer);
    this.#destroyAll();
    await isStopped;
  }

  /** Certificates that are good for connections to come. @throws Error if they are not, and changes nothing */
  renewTls(material: TlsMaterial): void {
    (this.#server as TlsServer).setSecureContext(secureContext(material));
  }

  #forget(connection: KafkaConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  #acceptTls(server: TlsServer, tls: TlsOptions): void {
    const { log } = this.settings;
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
      if (!this.#isTooSoon(socket)) this.#connect(socket, certificateName(socket, tls));
    });
    server.on('tlsClientError', (error, socket) => {
      log.warn({ peer: socket.remoteAddress, reason: error.message }, 'the TLS handshake failed');
      // After a timeout nobody else does.
      socket.destroy();
    });
  }

  /** False if it is one too many. */
  #accept(socket: Socket): boolean {
    const { log, maxConnections } = this.settings;
    if (this.#sockets.size >= maxConnections) {
      log.warn({ peer: socket.remoteAddress, maxConnections }, 'too many connections');
      socket.destroy();
      return false;
    }
    this.#sockets.add(socket);
    socket.on('error', (error) => log.debug({ err: error, peer: socket.remoteAddress }, 'socket failed'));
    socket.once('close', () => this.#sockets.delete(socket));
    return true;
  }

  /** Whoever connects too often is let go after a while: at once, he would be back at once. */
  #isTooSoon(socket: Socket): boolean {
    const tooSoonMs = this.broker.access.quotas.connected(plainAddress(socket.remoteAddress));
    if (tooSoonMs === 0) return false;
    this.settings.log.info({ peer: socket.remoteAddress, tooSoonMs }, 'a client connects too often');
    socket.pause();
    const timer = setTimeout(() => socket.destroy(), Math.min(tooSoonMs, CONNECTION_THROTTLE_MS_MAX));
    socket.once('close', () => clearTimeout(timer));
    return true;
  }

  #connect(socket: Socket, certificateName: string | null): void {
    if (this.#protocol === null) {
      this.#connectLater(socket, certificateName);
      return;
    }
    const { KafkaConnection, deps } = this.#protocol;
    this.#connections.add(new KafkaConnection(deps, socket, certificateName));
  }

  /** Loads the protocol; meanwhile what the client sends stays in its socket. */
  #connectLater(socket: Socket, certificateName: string | null): void {
    Promise.all([
      import('./connection/connection.ts'),
      import('./handlers/table.ts'),
      import('./handlers/sasl-authenticate.ts'),
    ]).then(
      ([{ KafkaConnection }, { HANDLERS, handlerOf }, { authenticateByToken }]) => {
        const closed = (connection: KafkaConnection): void => this.#forget(connection);
        const deps = { server: this, handlerOf, saslToken: authenticateByToken, closed };
        this.#protocol ??= { KafkaConnection, apis: HANDLERS, deps };
        if (!socket.destroyed) this.#connect(socket, certificateName);
      },
      (error: unknown) => {
        this.settings.log.error({ err: error }, 'the Kafka protocol could not be loaded');
        socket.destroy();
      },
    );
  }

  #check(): void {
    const nowMs = this.broker.shard.clock.monotonicMs();
    for (const connection of this.#connections) connection.check(nowMs);
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
