import type { AddressInfo, Server, Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import type { Logger } from 'pino';
import { Budget } from '../../broker/budget/budget.ts';
import { type AcceptedConnection, type ConnectionTracker, TrackedConnection } from './accepted-connection.ts';
import { ConnectionCount, type ConnectionLimits, type ListenerName } from './connection-limits.ts';
import { type Peer, peerOf, UNIX_PEER } from './peer.ts';
import { readProxiedPeer } from './read-proxy-header.ts';
import { createListenerServer, listenOn, type ReservedPort, stopListening } from './reserved-port.ts';
import { readNoMore } from './shared-read-buffer.ts';
import {
  certificateName,
  createTlsServer,
  hasBadCertificate,
  renewSecureContext,
  type TlsMaterial,
  type TlsOptions,
  tlsFailure,
} from './tls.ts';
import { takeTlsTurn } from './tls-turn.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

export type ListenerLog = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

export interface ListenerOptions extends ConnectionLimits {
  /** A port of an address, 0 for any free one; or the path of a Unix socket, which has no TLS. */
  readonly on: { readonly host: string; readonly port: number } | { readonly path: string };
  /** The port, where it was taken before. */
  readonly reserved?: ReservedPort | undefined;
  /** What its connections are counted as, over all shards of the process; needed where there are several. */
  readonly countedAs?: ListenerName | undefined;
  /** Null for a listener that speaks without. */
  readonly tls: TlsOptions | null;
  /** From accept to `established`: whoever takes longer is disconnected. */
  readonly handshakeTimeoutMs: number;
  /** How long peers have for their goodbye when the listener is closed. */
  readonly closeTimeoutMs: number;
  /** Who has to begin with a header of the PROXY protocol; null: nobody. */
  readonly trustedProxies: TrustedProxies | null;
  /** Of all listeners of the process; without one there are no limits but those above. */
  readonly budget?: Budget;
  readonly log: ListenerLog;
}

/**
 * Accepts connections for one protocol: over TCP, with or without TLS, or a Unix socket; behind proxies or not; counts
 * them against their limits, gives them a deadline for the handshake, and ends them in order.
 */
export class Listener implements ConnectionTracker {
  readonly handshakeTimeoutMs: number;
  readonly #server: Server;
  readonly #isDescriptorShared: boolean;
  readonly #tlsServer: TlsServer | null;
  readonly #options: ListenerOptions;
  readonly #budget: Budget;
  readonly #onConnection: (connection: AcceptedConnection) => void;
  readonly #count: ConnectionCount;
  /** All that are accepted, those in a handshake included. */
  readonly #connections = new Set<TrackedConnection>();
  readonly #established = new Set<TrackedConnection>();
  /** Those in the TLS handshake, by their `ends`: what Node hands over after it is another socket. */
  readonly #inTlsHandshake = new Map<string, TrackedConnection>();
  #onEmpty: (() => void) | null = null;

  /** Resolves when it listens; rejects with the error of the system if it cannot. */
  static async listen(
    options: ListenerOptions,
    onConnection: (connection: AcceptedConnection) => void,
  ): Promise<Listener> {
    const { tls, on } = options;
    if (tls !== null && 'path' in on) throw new Error(`${on.path}: a Unix socket has no TLS`);
    // It listens to nothing itself: what was accepted is handed to it.
    const tlsServer = tls === null ? null : await createTlsServer(tls, options.handshakeTimeoutMs);
    const taken = options.reserved?.take();
    const { server = createListenerServer(), waiting = [], isDescriptorShared = false } = taken ?? {};
    if (!server.listening) await listenOn(server, on);
    const listener = new Listener(server, isDescriptorShared, tlsServer, options, onConnection);
    // Whoever listens is not there yet.
    if (waiting.length > 0) {
      setImmediate(() => {
        for (const socket of waiting) listener.#accept(socket);
      });
    }
    return listener;
  }

  private constructor(
    server: Server,
    isDescriptorShared: boolean,
    tlsServer: TlsServer | null,
    options: ListenerOptions,
    onConnection: (connection: AcceptedConnection) => void,
  ) {
    this.#server = server;
    this.#isDescriptorShared = isDescriptorShared;
    this.#tlsServer = tlsServer;
    this.#options = options;
    this.handshakeTimeoutMs = options.handshakeTimeoutMs;
    this.#budget = options.budget ?? new Budget();
    this.#onConnection = onConnection;
    this.#count = new ConnectionCount(options, options.countedAs, this.#budget.together);
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

  /** Certificates that are good for connections to come. @throws Error if they are not, and changes nothing */
  renewTls(material: TlsMaterial): void {
    if (this.#tlsServer !== null) renewSecureContext(this.#tlsServer, material);
  }

  /**
   * Accepts nobody any more, disconnects who is in a handshake, has `sayGoodbye` called, which is to end each
   * established connection in the protocol's way, and waits for their peers for `closeTimeoutMs`.
   */
  async close(sayGoodbye: () => void): Promise<void> {
    const isStopped = stopListening(this.#server, this.#isDescriptorShared);
    for (const { step, socket } of this.#connections) if (step !== 'established') socket.destroy();
    const { promise: isEmpty, resolve: setEmpty } = Promise.withResolvers<void>();
    this.#onEmpty = setEmpty;
    sayGoodbye();
    const timer = setTimeout(() => this.#destroyAll(), this.#options.closeTimeoutMs);
    if (this.#established.size > 0) await isEmpty;
    clearTimeout(timer);
    await isStopped;
  }

  #accept(socket: Socket): void {
    const { log, maxConnections, trustedProxies, on } = this.#options;
    const peer = 'path' in on ? UNIX_PEER : peerOf(socket);
    if (peer === null) {
      socket.destroy();
      return;
    }
    if (!this.#count.add()) {
      log.warn({ peer: peer.address, maxConnections }, 'too many connections');
      socket.destroy();
      return;
    }
    if (!this.#budget.descriptors.takeForConnection()) {
      const { limit, connectionsMax } = this.#budget.descriptors;
      log.warn(
        { peer: peer.address, descriptors: limit, connectionsMax },
        'too many connections for the descriptors that the process may have: raise ulimit -n',
      );
      this.#count.remove();
      socket.destroy();
      return;
    }
    const connection = new TrackedConnection(socket, peer, this);
    this.#connections.add(connection);
    socket.on('error', (error) => log.debug({ err: error, peer: connection.peer.address }, 'socket failed'));
    socket.once('close', () => {
      this.#closed(connection);
      letGoOf(socket);
    });
    if (trustedProxies?.includes(peer.address) === true) this.#readProxyHeader(connection);
    else this.#admit(connection);
  }

  #readProxyHeader(connection: TrackedConnection): void {
    const { socket, peer: proxy } = connection;
    const admit = (peer: Peer) => {
      connection.peer = peer;
      this.#admit(connection);
    };
    readProxiedPeer(socket, proxy, admit, (error) => this.#refuseProxy(connection, error.message));
  }

  #refuseProxy({ socket, peer }: TrackedConnection, reason: string): void {
    const fields = { proxy: peer.address, reason };
    this.#options.log.warn(fields, 'a trusted proxy did not say whom it stands for');
    socket.destroy();
  }

  /** On to the TLS handshake, or to the protocol. */
  #admit(connection: TrackedConnection): void {
    const { log, maxConnectionsPerAddress } = this.#options;
    const { socket, peer } = connection;
    if (peer !== UNIX_PEER) {
      const { addresses } = this.#budget;
      if (!addresses.mayConnect(peer.address)) {
        log.warn(
          { peer: peer.address, perSecond: addresses.perSecond },
          'too many connections a second from one address: see connection-rate-per-address',
        );
        socket.destroy();
        return;
      }
      if (!this.#count.addFrom(peer.address)) {
        log.warn({ peer: peer.address, maxConnectionsPerAddress }, 'too many connections from one address');
        socket.destroy();
        return;
      }
      connection.isCountedForAddress = true;
    }
    if (this.#tlsServer === null) {
      connection.step = 'protocol';
      this.#onConnection(connection);
      return;
    }
    connection.step = 'tls';
    takeTlsTurn(connection, this.#budget.tlsHandshakes, {
      begin: () => this.#shakeHands(connection, this.#tlsServer as TlsServer),
      refused: () => log.warn({ peer: peer.address }, 'too many TLS handshakes wait for their turn'),
    });
  }

  #shakeHands(connection: TrackedConnection, tlsServer: TlsServer): void {
    connection.ends = endsOf(connection.socket);
    this.#inTlsHandshake.set(connection.ends, connection);
    tlsServer.emit('connection', connection.socket);
  }

  #serveTls(server: TlsServer, tls: TlsOptions): void {
    const { log } = this.#options;
    server.on('secureConnection', (socket: TLSSocket) => {
      const connection = this.#inTlsHandshake.get(endsOf(socket));
      socket.on('error', (error) =>
        log.debug({ err: error, peer: connection?.peer.address }, 'socket failed'),
      );
      // It is gone already, and has no address any more.
      if (connection === undefined) socket.destroy();
      else this.#secured(connection, socket, tls);
    });
    server.on('tlsClientError', (error, socket) => {
      const peer = this.#inTlsHandshake.get(endsOf(socket))?.peer.address;
      log.warn({ peer, reason: tlsFailure(error) }, 'the TLS handshake failed');
      // After a timeout nobody else does.
      socket.destroy();
    });
  }

  #secured(connection: TrackedConnection, socket: TLSSocket, tls: TlsOptions): void {
    const { log } = this.#options;
    const { peer } = connection;
    this.#leaveTlsHandshake(connection);
    connection.socket = socket;
    socket.once('close', () => letGoOf(socket));
    if (tls.verify === 'optional' && hasBadCertificate(socket)) {
      log.warn(
        { peer: peer.address, reason: String(socket.authorizationError) },
        'the certificate of a client is not good',
      );
      socket.destroy();
      return;
    }
    connection.step = 'protocol';
    if (connection.isLate) {
      this.#timedOut(connection);
      return;
    }
    connection.certificateName = certificateName(socket, tls);
    this.#onConnection(connection);
  }

  #leaveTlsHandshake(connection: TrackedConnection): void {
    connection.endTurn?.();
    if (connection.ends !== null) this.#inTlsHandshake.delete(connection.ends);
    connection.ends = null;
  }

  /** The deadline of a connection has passed. */
  late(connection: TrackedConnection): void {
    const { step } = connection;
    if (step === 'proxy-header') {
      this.#refuseProxy(connection, `no whole header came within ${this.handshakeTimeoutMs} ms`);
    } else if (step === 'tls') {
      // Node has a deadline of its own for the TLS handshake, as long as this one.
      connection.isLate = true;
    } else {
      this.#timedOut(connection);
    }
  }

  #timedOut({ socket, peer }: TrackedConnection): void {
    this.#options.log.info({ peer: peer.address, reason: 'timed out' }, 'handshake not finished');
    socket.destroy();
  }

  established(connection: TrackedConnection): void {
    const { socket } = connection;
    if (socket.destroyed) return;
    this.#established.add(connection);
    socket.once('close', () => {
      this.#established.delete(connection);
      if (this.#established.size === 0) this.#onEmpty?.();
    });
  }

  /** The TCP socket is closed. */
  #closed(connection: TrackedConnection): void {
    connection.stopDeadline();
    this.#connections.delete(connection);
    this.#leaveTlsHandshake(connection);
    this.#count.remove();
    this.#budget.descriptors.giveBack();
    const { peer, isCountedForAddress, isKnown } = connection;
    if (!isCountedForAddress) return;
    this.#count.removeFrom(peer.address);
    if (!isKnown) this.#budget.addresses.failed(peer.address);
  }

  #destroyAll(): void {
    for (const { socket } of this.#connections) socket.destroy();
  }
}

const ignore = (): void => undefined;

/**
 * A closed socket leads nowhere any more. Node keeps it until the next full collection (its `onwrite` is made in the old
 * generation, see `test/tidy/old-closures.ts`), and with it whatever listens to it: all of a connection.
 */
function letGoOf(socket: Socket): void {
  socket.removeAllListeners();
  readNoMore(socket);
  socket.on('error', ignore);
}

/** What tells the connections of one listener apart, on the TCP socket and on the TLS socket over it. */
function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
