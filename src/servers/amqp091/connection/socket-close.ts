import type { Socket } from 'node:net';
import type { Settings } from '../options.ts';
import type { Output } from './output.ts';

/** Closes one socket within `closeTimeoutMs`, and tells a peer that has stalled. */
export class SocketClose {
  readonly #socket: Socket;
  readonly #output: Output;
  readonly #settings: Settings;
  #timer: NodeJS.Timeout | null = null;
  /** What the peer had taken at the last check, and when that was last more than before. */
  #bytesTaken = 0;
  #takenAtMs = 0;

  constructor(socket: Socket, output: Output, settings: Settings) {
    this.#socket = socket;
    this.#output = output;
    this.#settings = settings;
  }

  /** The peer is to end its side; it has the close timeout for that, then the socket is destroyed. */
  expect(): void {
    this.#timer ??= setTimeout(() => this.#socket.destroy(), this.#settings.closeTimeoutMs);
  }

  /** close-ok was received: flushes the output and ends our side of the socket. */
  begin(): void {
    this.expect();
    this.#output.end();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** For a timer: over `stalledPeerBytes` are queued for a peer that took none for `stalledPeerTimeoutMs`. */
  isStalled(nowMs: number): boolean {
    const { stalledPeerBytes, stalledPeerTimeoutMs } = this.#settings;
    const queued = this.#output.queuedBytes;
    const taken = this.#socket.bytesWritten - this.#socket.writableLength;
    if (taken !== this.#bytesTaken || queued <= stalledPeerBytes) {
      this.#bytesTaken = taken;
      this.#takenAtMs = nowMs;
      return false;
    }
    return nowMs - this.#takenAtMs >= stalledPeerTimeoutMs;
  }
}
