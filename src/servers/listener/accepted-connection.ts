import type { Socket } from 'node:net';
import type { Peer } from './peer.ts';

/** A connection whose TLS handshake, if there is one, is done: the protocol's from here on. */
export interface AcceptedConnection {
  /** Behind a proxy it is paused, with the bytes that came with the header in its read buffer. */
  readonly socket: Socket;
  readonly peer: Peer;
  /** Whom the client's verified certificate names; null without one. */
  readonly certificateName: string | null;
  /**
   * The protocol's own handshake is done: the deadline is off, and the listener's `close` waits for this connection.
   * `isKnown` false: the client has yet to log in, and this is called again when it has.
   */
  established(isKnown?: boolean): void;
  /** While the client waits for us, or the protocol itself sees to it that the connection ends, its time does not run out. */
  stopDeadline(): void;
  /** The client has the whole time again; without effect if it has some, or is established. */
  startDeadline(): void;
}

/** Who is told of it: the listener. */
export interface ConnectionTracker {
  readonly handshakeTimeoutMs: number;
  established(connection: TrackedConnection): void;
  late(connection: TrackedConnection): void;
}

/**
 *     accept ──▶ proxy-header ──▶ tls ──▶ protocol ──▶ established
 *
 * without those that the listener does not have.
 */
export type HandshakeStep = 'proxy-header' | 'tls' | 'protocol' | 'established';

/** What the listener knows of a connection, from accept until its socket is closed. */
export class TrackedConnection implements AcceptedConnection {
  /** The TCP socket; over TLS, after its handshake, the TLS socket. */
  socket: Socket;
  /** Until the header of the PROXY protocol is read: the proxy. */
  peer: Peer;
  certificateName: string | null = null;
  step: HandshakeStep = 'proxy-header';
  /** For the handshake as a whole; null when that is done. */
  deadline: NodeJS.Timeout | null = null;
  /** The deadline has passed in the TLS handshake. */
  isLate = false;
  /** Counted for the address of its peer, and not only in all. */
  isCountedForAddress = false;
  /** By which the listener finds the connection again after the TLS handshake. */
  ends: string | null = null;
  /** Ends the turn of the TLS handshake, or the wait for it. */
  endTurn: (() => void) | null = null;
  /** Its client has logged in, or need not. */
  isKnown = false;
  readonly #tracker: ConnectionTracker;

  constructor(socket: Socket, peer: Peer, tracker: ConnectionTracker) {
    this.socket = socket;
    this.peer = peer;
    this.#tracker = tracker;
    this.startDeadline();
  }

  established(isKnown = true): void {
    this.isKnown = isKnown;
    if (this.step === 'established') return;
    this.step = 'established';
    this.stopDeadline();
    this.#tracker.established(this);
  }

  startDeadline(): void {
    if (this.deadline !== null || this.step === 'established' || this.socket.destroyed) return;
    this.deadline = setTimeout(() => this.#tracker.late(this), this.#tracker.handshakeTimeoutMs);
  }

  stopDeadline(): void {
    if (this.deadline !== null) clearTimeout(this.deadline);
    this.deadline = null;
  }
}
