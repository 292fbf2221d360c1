import type { Socket } from 'node:net';
import { FrameWriter, writeHeartbeat } from '../../../wire/amqp091/frames.ts';

/** The frame. */
export const HEARTBEAT = heartbeatFrame();

function heartbeatFrame(): Buffer {
  const writer = new FrameWriter();
  writeHeartbeat(writer);
  return writer.take();
}

export interface HeartbeatEvents {
  /** Nothing was sent for half an interval. */
  sendHeartbeat(): void;
  /** Nothing came for two intervals. */
  peerIsSilent(): void;
}

/** The peer expects a frame each interval, and is taken for dead after two of them without any (AMQP 4.2.7). */
const TICKS_PER_INTERVAL = 2;
const SILENT_TICKS_MAX = 2 * TICKS_PER_INTERVAL;

/**
 * Heartbeats of one connection, both ways (AMQP 4.2.7). Any byte counts as a sign of life, so the socket's own
 * counters are all that is needed: nothing is done per frame.
 */
export class Heartbeat {
  readonly #socket: Socket;
  readonly #events: HeartbeatEvents;
  readonly #timer: NodeJS.Timeout;
  #bytesRead: number;
  #bytesWritten: number;
  #silentTicks = 0;

  constructor(socket: Socket, intervalMs: number, events: HeartbeatEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#bytesRead = socket.bytesRead;
    this.#bytesWritten = socket.bytesWritten;
    this.#timer = setInterval(() => this.#tick(), intervalMs / TICKS_PER_INTERVAL);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { bytesRead, bytesWritten } = this.#socket;
    // `bytesRead` of a paused socket stands still whatever the peer sends.
    if (bytesRead !== this.#bytesRead || this.#socket.isPaused()) this.#silentTicks = 0;
    else this.#silentTicks++;
    this.#bytesRead = bytesRead;
    if (this.#silentTicks >= SILENT_TICKS_MAX) {
      this.stop();
      this.#events.peerIsSilent();
      return;
    }
    if (bytesWritten === this.#bytesWritten) this.#events.sendHeartbeat();
    this.#bytesWritten = this.#socket.bytesWritten;
  }
}
