import { createConnection, type Socket } from 'node:net';
import { FRAME_HEADER, FRAME_METHOD } from '../../src/wire/amqp091/constants.ts';
import type { Method } from '../../src/wire/amqp091/definitions.ts';
import { FrameReader, FrameWriter } from '../../src/wire/amqp091/frames.ts';
import { decodeMethod, encodeMethod } from '../../src/wire/amqp091/methods.ts';

/** A frame from the server; what it sends that is none is `bytes`. */
export interface Arrival {
  readonly channel: number;
  readonly method: Method | null;
  readonly type: number;
  readonly payload: Buffer;
}

const PROTOCOL_HEADER_TYPE = 0x41;

/** One connection, byte by byte: it sends what it is told to, and keeps all that comes. */
export class Peer {
  readonly arrivals: Arrival[] = [];
  isClosed = false;
  frameMax = 131_072;
  readonly #socket: Socket;
  readonly #reader = new FrameReader(0);
  readonly #wakers = new Set<() => void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  static connect(host: string, port: number): Promise<Peer> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host, port, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Peer(socket)));
    });
  }

  write(bytes: Uint8Array): void {
    if (!this.isClosed) this.#socket.write(bytes);
  }

  send(channel: number, method: Method): void {
    const writer = new FrameWriter();
    encodeMethod(writer, channel, method);
    this.write(writer.take());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The first frame at `from` or later that answers the description; null when the connection ends, or time does. */
  async find(from: number, wanted: (arrival: Arrival) => boolean, timeoutMs = 5000): Promise<Arrival | null> {
    const deadline = performance.now() + timeoutMs;
    for (let at = from; ; ) {
      for (; at < this.arrivals.length; at++) if (wanted(this.arrivals[at])) return this.arrivals[at];
      if (this.isClosed || performance.now() >= deadline) return null;
      await this.#news(deadline - performance.now());
    }
  }

  /** Until the connection ends, or nothing came for a while. */
  async quiet(quietMs: number): Promise<void> {
    for (let seen = -1; seen !== this.arrivals.length && !this.isClosed; ) {
      seen = this.arrivals.length;
      await this.#news(quietMs);
    }
  }

  #news(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wakers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#wakers.add(done);
    });
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker();
  }

  #data(chunk: Buffer): void {
    if (chunk[0] === PROTOCOL_HEADER_TYPE) {
      this.arrivals.push({ channel: 0, method: null, type: PROTOCOL_HEADER_TYPE, payload: chunk });
    } else {
      this.#reader.push(chunk, (type, channel, buffer, start, end) => {
        const payload = Buffer.from(buffer.subarray(start, end));
        const method = type === FRAME_METHOD ? decodeMethod(payload, 0, payload.length) : null;
        if (type <= FRAME_HEADER || type === 3) this.arrivals.push({ channel, method, type, payload });
      });
    }
    this.#wake();
  }
}
