import type { Socket } from 'node:net';
import type { Settings } from '../options.ts';
import type { Output } from './output.ts';

/** How a socket comes to its end, within stated times and whatever the peer does. */
export class SocketClose {
  readonly #socket: Socket;
  readonly #output: Output;
  readonly #settings: Settings;
  #timer: NodeJS.Timeout | null = null;
  #bytesTaken = 0;
  #takenAtMs = 0;

  constructor(socket: Socket, output: Output, settings: Settings) {
    this.#socket = socket;
    this.#output = output;
    this.#settings = settings;
  }

  /** The peer has `closeTimeoutMs` from now on; then its socket is destroyed. */
  expect(): void {
    this.#timer ??= setTimeout(() => this.#socket.destroy(), this.#settings.closeTimeoutMs);
  }

  /** All is said: sends what is left and ends our side. */
  begin(): void {
    this.expect();
    this.#output.end();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Whether we hold much for a peer that has taken nothing for long. To be asked again and again. */
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
