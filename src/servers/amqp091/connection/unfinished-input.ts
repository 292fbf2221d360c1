import type { Socket } from 'node:net';
import type { FrameReader } from '../../../wire/amqp091/frames.ts';

/** A channel, by the content that it waits for. */
export interface ReceivingChannel {
  readonly number: number;
  readonly publishing: { stalledMs(nowMs: number): number };
}

/**
 * A message or frame of which the rest does not come: it is held for as long as the connection lives, and heartbeats, or
 * other channels, keep that alive.
 */
export class UnfinishedInput {
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #timeoutMs: number;
  #bytesRead = 0;
  #readAtMs = 0;
  /** When it was last seen that the socket was not read. */
  #pausedAtMs = 0;

  constructor(socket: Socket, reader: FrameReader, timeoutMs: number) {
    this.#socket = socket;
    this.#reader = reader;
    this.#timeoutMs = timeoutMs;
  }

  /** For a timer: of what nothing came for the time, though the socket was read; null if there is nothing. */
  stalled(channels: Iterable<ReceivingChannel>, nowMs: number): string | null {
    const { bytesRead } = this.#socket;
    if (bytesRead !== this.#bytesRead || this.#reader.isEmpty) this.#readAtMs = nowMs;
    this.#bytesRead = bytesRead;
    let problem = nowMs - this.#readAtMs >= this.#timeoutMs ? this.#text('a frame') : null;
    for (const { number, publishing } of channels) {
      const isStalled = publishing.stalledMs(nowMs) >= this.#timeoutMs;
      if (isStalled) problem ??= this.#text(`a message on channel ${number}`);
    }
    if (this.#socket.isPaused()) this.#pausedAtMs = nowMs;
    return nowMs - this.#pausedAtMs >= this.#timeoutMs ? problem : null;
  }

  #text(what: string): string {
    return `the rest of ${what} did not come for ${this.#timeoutMs / 1000} s (unfinished-input-timeout)`;
  }
}
