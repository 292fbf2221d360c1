import { createConnection, type Socket } from 'node:net';
import { FrameReader } from '../../src/wire/amqp091/frames.ts';
import { methodId } from '../../src/wire/amqp091/methods.ts';
import { CHANNELS_PER_STREAM, HANDSHAKE, isHostile, makeStream, type Stream } from './streams.ts';

export interface FuzzWorkerEvents {
  /** What a stream must not cause. */
  found(indexes: readonly number[], problem: string): void;
}

const OPEN_OK = methodId('connection.open-ok');
const CONNECTION_CLOSE = methodId('connection.close');
const CHANNEL_CLOSE = methodId('channel.close');
const CHANNEL_CLOSE_OK = methodId('channel.close-ok');
const INTERNAL_ERROR = 541;
/** connection.close with INTERNAL_ERROR, wherever it is in what comes. */
const INTERNAL_CLOSE = Buffer.from([0, 10, 0, 50, INTERNAL_ERROR >> 8, INTERNAL_ERROR & 255]);
const CLOSE_OK_TAIL = Buffer.from([0, 0, 0, 4, 0, 20, 0, 41, 0xce]);
const CONNECTION_CLOSE_OK = Buffer.from([1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 51, 0xce]);
/** Then the connection ends with all that it holds, such as the names of exclusive queues; no channel comes twice. */
const STREAMS_PER_CONNECTION = 150;

/** Of Linux's loopback network, so that the ports of connections that have just ended do not run out. */
const LOCAL_ADDRESSES = 200;

let connects = 0;

function connectTo(port: number): Socket {
  const options = { host: '127.0.0.1', port, noDelay: true };
  if (process.platform !== 'linux') return createConnection(options);
  return createConnection({ ...options, localAddress: `127.0.1.${1 + (connects++ % LOCAL_ADDRESSES)}` });
}

/** Sends streams, and waits until the server is done with each. */
export class FuzzWorker {
  connections = 0;
  /** What the server may be busy with. */
  inFlight: readonly number[] = [];
  startedMs = 0;
  readonly #port: number;
  readonly #seed: number;
  readonly #events: FuzzWorkerEvents;
  #link: Link | null = null;
  #current: Socket | null = null;

  constructor(port: number, seed: number, events: FuzzWorkerEvents) {
    this.#port = port;
    this.#seed = seed;
    this.#events = events;
  }

  /** The orderly ones of them go together, each on channels of its own. */
  async send(indexes: readonly number[]): Promise<void> {
    let orderly: readonly number[] = indexes.filter((index) => !isHostile(this.#seed, index));
    while (orderly.length > 0) orderly = await this.#orderly(orderly);
    for (const index of indexes) {
      if (!isHostile(this.#seed, index)) continue;
      this.#begin([index]);
      const stream = makeStream(this.#seed, index, 1);
      if (stream.kind === 'hostile') await this.#hostile(stream);
    }
    this.inFlight = [];
  }

  /** Gives up on what is being waited for. */
  abandon(): void {
    this.#current?.destroy();
    this.#link?.socket.destroy();
  }

  async end(): Promise<void> {
    await this.#link?.end();
    this.#link = null;
  }

  #begin(indexes: readonly number[]): void {
    this.inFlight = indexes;
    this.startedMs = performance.now();
  }

  /** Returns those that the server has not seen, because one before them ended the connection. */
  async #orderly(indexes: readonly number[]): Promise<readonly number[]> {
    this.#begin(indexes);
    if (this.#link !== null && (this.#link.isClosed || this.#link.streams >= STREAMS_PER_CONNECTION)) {
      await this.end();
    }
    if (this.#link === null) {
      this.connections++;
      this.#link = new Link(connectTo(this.#port), this.#report);
    }
    const link = this.#link;
    const streams = indexes.map((index) => makeStream(this.#seed, index, link.takeChannels()).bytes);
    const finished = await link.send(Buffer.concat(streams), indexes.length);
    // The first that is not finished is the one that ended it.
    return indexes.slice(finished + 1);
  }

  #hostile({ bytes, cuts, resets }: Stream & { kind: 'hostile' }): Promise<void> {
    this.connections++;
    return new Promise((resolve) => {
      const socket = connectTo(this.#port);
      this.#current = socket;
      socket.on('data', (chunk) => {
        if (chunk.includes(INTERNAL_CLOSE)) this.#report('the server answered INTERNAL_ERROR');
      });
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

  readonly #report = (problem: string): void => this.#events.found(this.inFlight, problem);
}

/** A connection that lasts for many orderly streams. */
class Link {
  readonly socket: Socket;
  isClosed = false;
  streams = 0;
  readonly #reader = new FrameReader(0);
  readonly #report: (problem: string) => void;
  #isOpen = false;
  /** The channels of the streams at hand that the server is not done with. */
  readonly #unfinished = new Set<number>();
  #nextChannel = 1;
  #done: (() => void) | null = null;

  constructor(socket: Socket, report: (problem: string) => void) {
    this.socket = socket;
    this.#report = report;
    socket.write(HANDSHAKE);
    socket.on('data', (chunk: Buffer) => this.#reader.push(chunk, this.#frame));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (!this.#isOpen) this.#report('the handshake failed');
      this.isClosed = true;
      this.#finish();
    });
  }

  /** Of the next stream. */
  takeChannels(): number {
    const first = this.#nextChannel;
    for (let at = 0; at < CHANNELS_PER_STREAM; at++) this.#unfinished.add(first + at);
    this.#nextChannel += CHANNELS_PER_STREAM;
    return first;
  }

  /** Resolves with the number of streams, from the first on, that the server is done with. */
  send(bytes: Buffer, streams: number): Promise<number> {
    const first = Math.min(...this.#unfinished);
    return new Promise((resolve) => {
      this.#done = () => {
        const begun = this.#unfinished.values().next().value ?? first + streams * CHANNELS_PER_STREAM;
        this.#unfinished.clear();
        resolve(Math.floor((begun - first) / CHANNELS_PER_STREAM));
      };
      this.streams += streams;
      if (this.isClosed) this.#finish();
      else this.socket.write(bytes);
    });
  }

  end(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isClosed) return resolve();
      this.socket.on('close', () => resolve());
      this.socket.end();
    });
  }

  readonly #frame = (type: number, channel: number, bytes: Buffer, start: number, end: number): void => {
    if (type !== 1 || end - start < 4) return;
    const id = bytes.readInt32BE(start);
    if (id === CHANNEL_CLOSE) {
      this.socket.write(Buffer.from([1, channel >> 8, channel & 255, ...CLOSE_OK_TAIL]));
      this.#channelDone(channel);
    } else if (id === CHANNEL_CLOSE_OK) {
      this.#channelDone(channel);
    } else if (id === CONNECTION_CLOSE) {
      if (bytes.readUInt16BE(start + 4) === INTERNAL_ERROR)
        this.#report('the server answered INTERNAL_ERROR');
      this.socket.end(CONNECTION_CLOSE_OK);
    } else if (id === OPEN_OK) {
      this.#isOpen = true;
    }
  };

  #channelDone(channel: number): void {
    if (this.#unfinished.delete(channel) && this.#unfinished.size === 0) this.#finish();
  }

  #finish(): void {
    const done = this.#done;
    this.#done = null;
    done?.();
  }
}
