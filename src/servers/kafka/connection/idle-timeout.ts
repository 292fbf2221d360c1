import type { Socket } from 'node:net';
import type { Settings } from '../options.ts';
import type { Replies } from './response-queue.ts';

const EMPTY = Buffer.alloc(0);
const QUIET_MS = 10_000;

/**
 * - `busy`: it asks, or waits for answers;
 * - `quiet`: it has not for a while;
 * - `idle`: not for longer than it may;
 * - `stalled`: it takes nothing of what it has asked for;
 * - `unknown`: it should have logged in by now.
 */
export type PeerState = 'busy' | 'quiet' | 'idle' | 'stalled' | 'unknown';

/** How the other end of a connection behaves over time. */
export class IdleTimeout {
  activeAtMs: number;
  readonly #socket: Socket;
  readonly #replies: Replies;
  readonly #settings: Settings;
  readonly #startedAtMs: number;
  #takenBytes = 0;
  #takenAtMs = 0;

  constructor(socket: Socket, replies: Replies, settings: Settings, nowMs: number) {
    this.#socket = socket;
    this.#replies = replies;
    this.#settings = settings;
    this.#startedAtMs = this.activeAtMs = nowMs;
  }

  /** To be asked again and again. */
  state(nowMs: number, isWaiting: boolean, isUnknown: boolean): PeerState {
    const { handshakeTimeoutMs, idleTimeoutMs } = this.#settings;
    this.#probe();
    if (isUnknown && nowMs - this.#startedAtMs >= handshakeTimeoutMs) return 'unknown';
    if (this.#isStalled(nowMs)) return 'stalled';
    if (isWaiting || this.#replies.openCount > 0) this.activeAtMs = nowMs;
    const quietMs = nowMs - this.activeAtMs;
    if (quietMs >= idleTimeoutMs) return 'idle';
    return quietMs >= QUIET_MS ? 'quiet' : 'busy';
  }

  /** A socket that is not read does not tell that its peer is gone. To write to it does, even if it is nothing. */
  #probe(): void {
    const socket = this.#socket;
    if (socket.isPaused() && socket.writableLength === 0) socket.write(EMPTY);
  }

  #isStalled(nowMs: number): boolean {
    const { stalledPeerBytes, stalledPeerTimeoutMs } = this.#settings;
    const taken = this.#socket.bytesWritten - this.#socket.writableLength;
    if (taken !== this.#takenBytes || this.#replies.queuedBytes <= stalledPeerBytes) {
      this.#takenBytes = taken;
      this.#takenAtMs = nowMs;
      return false;
    }
    return nowMs - this.#takenAtMs >= stalledPeerTimeoutMs;
  }
}
