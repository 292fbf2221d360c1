import { createConnection, type Socket } from 'node:net';
import { FrameReader } from '../../../src/wire/kafka/frame-reader.ts';
import { type KafkaStream, makeKafkaStream } from './streams.ts';

const STREAMS_PER_CONNECTION = 100;
const FRAME_BYTES_MAX = 2 ** 30;

/** Sends streams, one after the other, and waits until the server is done with each. */
export class KafkaWorker {
  connections = 0;
  inFlight: number | null = null;
  startedMs = 0;
  names: readonly string[] = [];
  readonly #port: number;
  readonly #seed: number;
  #link: Link | null = null;
  #current: Socket | null = null;

  constructor(port: number, seed: number) {
    this.#port = port;
    this.#seed = seed;
  }

  async send(index: number): Promise<void> {
    const stream = makeKafkaStream(this.#seed, index);
    this.inFlight = index;
    this.names = stream.names;
    this.startedMs = performance.now();
    if (stream.isHostile) await this.#hostile(stream);
    else await this.#orderly(stream);
    this.inFlight = null;
  }

  abandon(): void {
    this.#current?.destroy();
    this.#link?.socket.destroy();
  }

  async end(): Promise<void> {
    await this.#link?.end();
    this.#link = null;
  }

  async #orderly({ bytes, responses }: KafkaStream): Promise<void> {
    if (this.#link !== null && (this.#link.isClosed || this.#link.streams >= STREAMS_PER_CONNECTION)) {
      await this.end();
    }
    if (this.#link === null) {
      this.connections++;
      this.#link = new Link(createConnection({ host: '127.0.0.1', port: this.#port, noDelay: true }));
    }
    await this.#link.send(bytes, responses);
  }

  #hostile({ bytes, cuts, resets }: KafkaStream): Promise<void> {
    this.connections++;
    return new Promise((resolve) => {
      const socket = createConnection({ host: '127.0.0.1', port: this.#port, noDelay: true });
      this.#current = socket;
      socket.resume();
      // A reset by the server, or its having closed before all was written, is an answer too.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#current = null;
        resolve();
      });
      let at = 0;
      const next = () => {
        const end = cuts.find((cut) => cut > at) ?? bytes.length;
        const piece = bytes.subarray(at, end);
        at = end;
        if (end < bytes.length) socket.write(piece, () => setImmediate(next));
        else if (resets) socket.write(piece, () => socket.resetAndDestroy());
        else socket.end(piece);
      };
      next();
    });
  }
}

/** A connection that lasts for many orderly streams; some of what they ask for ends it all the same. */
class Link {
  readonly socket: Socket;
  isClosed = false;
  streams = 0;
  #awaited = 0;
  #done: (() => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader(FRAME_BYTES_MAX);
    socket.on('data', (chunk) => reader.push(chunk, () => this.#answered()));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.#finish();
    });
  }

  send(bytes: Buffer, responses: number): Promise<void> {
    this.streams++;
    return new Promise((resolve) => {
      this.#awaited = responses;
      this.#done = resolve;
      if (!this.isClosed) this.socket.write(bytes);
      if (this.isClosed || responses === 0) this.#finish();
    });
  }

  end(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isClosed) return resolve();
      this.socket.on('close', () => resolve());
      this.socket.end();
    });
  }

  #answered(): void {
    this.#awaited--;
    if (this.#awaited === 0) this.#finish();
  }

  #finish(): void {
    const done = this.#done;
    this.#done = null;
    done?.();
  }
}
