import type { Socket } from 'node:net';
import type { Peer } from './peer.ts';

/** A connection whose TLS handshake, if there is one, is done: the protocol's from here on. */
export interface AcceptedConnection {
  /** Behind a proxy it is paused, with the bytes that came with the header in its read buffer. */
  readonly socket: Socket;
  readonly peer: Peer;
  /** Whom the client's verified certificate names; null without one. */
  readonly certificateName: string | null;
  /** The protocol's own handshake is done: the deadline is off, and the listener's `close` waits for this connection. */
  established(): void;
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
  readonly #onEstablished: (connection: TrackedConnection) => void;

  constructor(socket: Socket, peer: Peer, onEstablished: (connection: TrackedConnection) => void) {
    this.socket = socket;
    this.peer = peer;
    this.#onEstablished = onEstablished;
  }

  established(): void {
    if (this.step === 'established') return;
    this.step = 'established';
    this.stopDeadline();
    this.#onEstablished(this);
  }

  stopDeadline(): void {
    if (this.deadline !== null) clearTimeout(this.deadline);
    this.deadline = null;
  }
}
