import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import type { Logger } from 'pino';
import { ConnectionCount, type ConnectionLimits } from './connection-limits.ts';
import { type Peer, peerOf } from './peer.ts';
import { readProxiedPeer } from './read-proxy-header.ts';
import {
  certificateName,
  createTlsServer,
  hasBadCertificate,
  secureContext,
  type TlsMaterial,
  type TlsOptions,
} from './tls.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

export type ListenerLog = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

export interface ListenerOptions extends ConnectionLimits {
  /** A port of an address, 0 for any free one; or the path of a Unix socket. */
  readonly on: { readonly host: string; readonly port: number } | { readonly path: string };
  /** Null for a listener that speaks without. */
  readonly tls: TlsOptions | null;
  /** Whoever is accepted has to have done everything up to `established` after this time. */
  readonly handshakeTimeoutMs: number;
  /** How long peers have for their goodbye when the listener is closed. */
  readonly closeTimeoutMs: number;
  /** Who has to begin with a header of the PROXY protocol; null where nobody may. */
  readonly trustedProxies: TrustedProxies | null;
  readonly log: ListenerLog;
}

/** A connection whose TLS handshake, if there is one, is done: the protocol's from here on. */
export interface AcceptedConnection {
  readonly socket: Socket;
  readonly peer: Peer;
  /** Whom the client's certificate names; null without one. */
  readonly certificateName: string | null;
  /** The protocol's own handshake is done too: the deadline is off, and `close` waits for this connection. */
  established(): void;
}

/** Half-open connections are found by TCP itself. */
const KEEP_ALIVE_DELAY_MS = 30_000;
const BACKLOG = 1024;

/**
 * Accepts connections for one protocol: over TCP, with or without TLS, or a Unix socket; behind proxies or not; counts
 * them against their limits, gives them a deadline for the handshake, and ends them in order.
 */
export class Listener {
  readonly #server: Server;
  readonly #tlsServer: TlsServer | null;
  readonly #options: ListenerOptions;
  readonly #onConnection: (connection: AcceptedConnection) => void;
  readonly #count: ConnectionCount;
  /** All accepted sockets, those in a handshake included. */
  readonly #sockets = new Set<Socket>();
  readonly #established = new Set<Socket>();
  /** Whom proxies stand for, by the proxy's address and port: a socket over TLS knows only these. */
  readonly #proxied = new Map<string, Peer>();
  #onEmpty: (() => void) | null = null;

  /** Resolves when it listens; rejects with the error of the system if it cannot. */
  static async listen(
    options: ListenerOptions,
    onConnection: (connection: AcceptedConnection) => void,
  ): Promise<Listener> {
    const { tls, on } = options;
    const server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    });
    // It listens to nothing itself: what was accepted is handed to it.
    const tlsServer =
      tls === null ? null : await createTlsServer(tls, { handshakeTimeout: options.handshakeTimeoutMs });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ ...on, backlog: BACKLOG }, () => resolve());
    await promise;
    server.off('error', reject);
    return new Listener(server, tlsServer, options, onConnection);
  }

  private constructor(
    server: Server,
    tlsServer: TlsServer | null,
    options: ListenerOptions,
    onConnection: (connection: AcceptedConnection) => void,
  ) {
    this.#server = server;
    this.#tlsServer = tlsServer;
    this.#options = options;
    this.#onConnection = onConnection;
    this.#count = new ConnectionCount(options);
    server.on('connection', (socket) => this.#accept(socket));
    // As when there are no file descriptors left: the listener goes on.
    server.on('error', (error) => options.log.error({ err: error }, 'a connection could not be accepted'));
    if (tlsServer !== null && options.tls !== null) this.#serveTls(tlsServer, options.tls);
  }

  /** Where it listens over TCP. */
  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  get port(): number {
    return this.address.port;
  }

  get isTls(): boolean {
    return this.#tlsServer !== null;
  }

  /** Those whose handshake is finished. */
  get connectionCount(): number {
    return this.#established.size;
  }

  /** Certificates that are good for connections to come. @throws Error if they are not, and changes nothing */
  renewTls(material: TlsMaterial): void {
    this.#tlsServer?.setSecureContext(secureContext(material));
  }

  /**
   * Accepts nobody any more, has `sayGoodbye` called, which is to end each established connection in the protocol's way,
   * and waits for their peers for a limited time.
   */
  async close(sayGoodbye: () => void): Promise<void> {
    const { promise: isStopped, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    const { promise: isEmpty, resolve: setEmpty } = Promise.withResolvers<void>();
    this.#onEmpty = setEmpty;
    sayGoodbye();
    const timer = setTimeout(() => this.#destroyAll(), this.#options.closeTimeoutMs);
    if (this.#established.size > 0) await isEmpty;
    clearTimeout(timer);
    this.#destroyAll();
    await isStopped;
  }

  #accept(socket: Socket): void {
    const { log, maxConnections, trustedProxies } = this.#options;
    if (!this.#count.add()) {
      log.warn({ peer: socket.remoteAddress, maxConnections }, 'too many connections');
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on('error', (error) => log.debug({ err: error, peer: socket.remoteAddress }, 'socket failed'));
    socket.once('close', () => {
      this.#count.remove();
      this.#sockets.delete(socket);
    });
    if (trustedProxies?.includes(socket.remoteAddress ?? '') === true) this.#readProxyHeader(socket);
    else this.#admit(socket, peerOf(socket), false);
  }

  #readProxyHeader(socket: Socket): void {
    const { log, handshakeTimeoutMs } = this.#options;
    const proxy = socket.remoteAddress;
    const fail = (reason: string) => {
      log.warn({ proxy, reason }, 'a trusted proxy did not say whom it stands for');
      socket.destroy();
    };
    const deadline = setTimeout(
      () => fail(`nothing came within ${handshakeTimeoutMs} ms`),
      handshakeTimeoutMs,
    );
    socket.once('close', () => clearTimeout(deadline));
    readProxiedPeer(
      socket,
      (peer) => {
        clearTimeout(deadline);
        this.#admit(socket, peer, true);
      },
      (error) => fail(error.message),
    );
  }

  /** On to the TLS handshake, or to the protocol. */
  #admit(socket: Socket, peer: Peer, isProxied: boolean): void {
    const { log, maxConnectionsPerAddress } = this.#options;
    if (!this.#count.addFrom(peer.address)) {
      log.warn({ peer: peer.address, maxConnectionsPerAddress }, 'too many connections from one address');
      socket.destroy();
      return;
    }
    socket.once('close', () => this.#count.removeFrom(peer.address));
    if (this.#tlsServer === null) {
      this.#handOver(socket, peer, null);
      return;
    }
    if (isProxied) {
      const end = remoteEnd(socket);
      this.#proxied.set(end, peer);
      socket.once('close', () => this.#proxied.delete(end));
    }
    this.#tlsServer.emit('connection', socket);
  }

  #serveTls(server: TlsServer, tls: TlsOptions): void {
    const { log } = this.#options;
    server.on('secureConnection', (socket: TLSSocket) => {
      const peer = this.#proxied.get(remoteEnd(socket)) ?? peerOf(socket);
      socket.on('error', (error) => log.debug({ err: error, peer: peer.address }, 'socket failed'));
      if (tls.verify === 'optional' && hasBadCertificate(socket)) {
        log.warn(
          { peer: peer.address, reason: String(socket.authorizationError) },
          'the certificate of a client is not good',
        );
        socket.destroy();
        return;
      }
      this.#handOver(socket, peer, certificateName(socket, tls));
    });
    server.on('tlsClientError', (error, socket) => {
      log.warn({ peer: socket.remoteAddress, reason: error.message }, 'the TLS handshake failed');
      // After a timeout nobody else does.
      socket.destroy();
    });
  }

  #handOver(socket: Socket, peer: Peer, certificateName: string | null): void {
    const deadline = setTimeout(() => {
      this.#options.log.info({ peer: peer.address, reason: 'timed out' }, 'handshake not finished');
      socket.destroy();
    }, this.#options.handshakeTimeoutMs);
    socket.once('close', () => {
      clearTimeout(deadline);
      this.#established.delete(socket);
      if (this.#established.size === 0) this.#onEmpty?.();
    });
    this.#onConnection({
      socket,
      peer,
      certificateName,
      established: () => {
        clearTimeout(deadline);
        if (!socket.destroyed) this.#established.add(socket);
      },
    });
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** What tells the connections of one listener apart. */
function remoteEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
