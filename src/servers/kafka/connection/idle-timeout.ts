import type { Socket } from 'node:net';
import type { Settings } from '../options.ts';
import type { ResponseQueue } from './response-queue.ts';

const EMPTY = Buffer.alloc(0);
const QUIET_MS = 10_000;

/**
 * - `busy`: it has sent requests within `QUIET_MS`, or waits for responses;
 * - `quiet`: it has not, for less than `idleTimeoutMs`;
 * - `idle`: it has not for `idleTimeoutMs` (connections.max.idle.ms);
 * - `stalled`: it has read nothing of its responses for `stalledPeerTimeoutMs`;
 * - `unfinished`: of a request the rest has not come for `unfinishedInputTimeoutMs`, though the socket is read;
 * - `unauthenticated`: it has not authenticated within `handshakeTimeoutMs`.
 */
export type PeerState = 'busy' | 'quiet' | 'idle' | 'stalled' | 'unfinished' | 'unauthenticated';

/** What a connection in such a state is dropped for. */
export const PEER_FAULTS: { readonly [state in PeerState]?: string } = {
  unauthenticated: 'the client has not logged in',
  stalled: 'the client does not read what it asked for',
  idle: 'the client was idle',
  unfinished: 'the rest of a request did not come (unfinished-input-timeout)',
};

/** What the connection is in the middle of. */
export interface Activity {
  /** When the last bytes came, on the monotonic clock. */
  readonly receivedAtMs: number;
  /** Requests that were read wait for room. */
  readonly hasWaiting: boolean;
  readonly isUnauthenticated: boolean;
  /** A part of a request has come. */
  readonly isUnfinished: boolean;
}

/** The timeouts of one connection: idle, stalled, and not authenticated in time. */
export class IdleTimeout {
  /** When a request was last seen to be open, or to wait. */
  #openAtMs = 0;
  /** When the socket was last seen not to be read. */
  #pausedAtMs = 0;
  readonly #socket: Socket;
  readonly #responses: ResponseQueue;
  readonly #settings: Settings;
  readonly #startedAtMs: number;
  /** Bytes that the kernel has taken, and when it last took any. */
  #takenBytes = 0;
  #takenAtMs = 0;

  constructor(socket: Socket, responses: ResponseQueue, settings: Settings, nowMs: number) {
    this.#socket = socket;
    this.#responses = responses;
    this.#settings = settings;
    this.#startedAtMs = nowMs;
  }

  /** Called by a timer. */
  state(nowMs: number, { receivedAtMs, hasWaiting, isUnauthenticated, isUnfinished }: Activity): PeerState {
    const { handshakeTimeoutMs, idleTimeoutMs, unfinishedInputTimeoutMs } = this.#settings;
    this.#probe();
    if (isUnauthenticated && nowMs - this.#startedAtMs >= handshakeTimeoutMs) return 'unauthenticated';
    if (this.#isStalled(nowMs)) return 'stalled';
    if (this.#socket.isPaused()) this.#pausedAtMs = nowMs;
    const awaitedMs = nowMs - Math.max(receivedAtMs, this.#pausedAtMs);
    if (isUnfinished && awaitedMs >= unfinishedInputTimeoutMs) return 'unfinished';
    if (hasWaiting || this.#responses.openCount > 0) this.#openAtMs = nowMs;
    const quietMs = nowMs - Math.max(receivedAtMs, this.#openAtMs);
    if (quietMs >= idleTimeoutMs) return 'idle';
    return quietMs >= QUIET_MS ? 'quiet' : 'busy';
  }

  /** A paused socket does not notice that its peer is gone; a write does, even one of no bytes. */
  #probe(): void {
    const socket = this.#socket;
    if (socket.isPaused() && socket.writableLength === 0) socket.write(EMPTY);
  }

  #isStalled(nowMs: number): boolean {
    const { stalledPeerBytes, stalledPeerTimeoutMs } = this.#settings;
    const taken = this.#socket.bytesWritten - this.#socket.writableLength;
    if (taken !== this.#takenBytes || this.#responses.queuedBytes <= stalledPeerBytes) {
      this.#takenBytes = taken;
      this.#takenAtMs = nowMs;
      return false;
    }
    return nowMs - this.#takenAtMs >= stalledPeerTimeoutMs;
  }
}
