import assert from 'node:assert/strict';
import { createConnection, type Socket } from 'node:net';
import type { Table } from '../../../src/base/value.ts';
import { FRAME_METHOD, PROTOCOL_HEADER } from '../../../src/wire/amqp091/constants.ts';
import type { Method, MethodName, MethodOf } from '../../../src/wire/amqp091/definitions.ts';
import {
  FrameReader,
  FrameWriter,
  writeBodyFrames,
  writeHeaderFrame,
} from '../../../src/wire/amqp091/frames.ts';
import { decodeMethod, encodeMethod } from '../../../src/wire/amqp091/methods.ts';
import { PATIENCE_MS } from '../../support/until.ts';

/** Anything that came from the server. */
export interface Received {
  readonly type: number;
  readonly channel: number;
  readonly method: Method | null;
  readonly payload: Buffer;
}

const NO_PROPERTIES = Buffer.from([0, 0]);

/** A client that can do wrong: bytes and frames, one by one. */
export class RawClient implements Disposable {
  readonly socket: Socket;
  readonly received: Received[] = [];
  /** What came, if it is not parsed. */
  readonly chunks: Buffer[] = [];
  bytesCount = 0;
  isClosed = false;
  /** How long `next` and what is made of it wait. */
  patienceMs = PATIENCE_MS;
  readonly #reader = new FrameReader(0);
  #isParsing = true;
  #wake: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake?.();
    });
  }

  static connect(port: number, localAddress?: string): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const from = localAddress === undefined ? {} : { localAddress };
      const socket = createConnection({ host: '127.0.0.1', port, noDelay: true, ...from });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawClient(socket)));
    });
  }

  /** Over a socket that is connected already, as one with TLS. */
  static over(socket: Socket): RawClient {
    return new RawClient(socket);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  /** Takes what comes as bytes alone. */
  doNotParse(): void {
    this.#isParsing = false;
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  method(channel: number, method: Method): void {
    this.write(methodBytes(channel, method));
  }

  /** The next frame; fails when the connection closes, or after `patienceMs`. */
  async next(): Promise<Received> {
    await this.#until(() => this.received.length > 0 || this.isClosed);
    const frame = this.received.shift();
    if (frame === undefined) throw new Error('the server closed the connection');
    return frame;
  }

  async expect<N extends MethodName>(name: N): Promise<MethodOf<N>> {
    const { method, type } = await this.next();
    assert.equal(method?.name ?? `frame of type ${type}`, name, JSON.stringify(method));
    return method as unknown as MethodOf<N>;
  }

  async closed(): Promise<void> {
    await this.#until(() => this.isClosed);
  }

  async handshake(
    tune: Partial<MethodOf<'connection.tune-ok'>> = {},
    capabilities: Table = {},
    [user, password]: readonly [string, string] = ['guest', 'guest'],
  ): Promise<void> {
    await this.login(user, password, capabilities);
    const { channelMax, frameMax } = await this.expect('connection.tune');
    this.method(0, { name: 'connection.tune-ok', channelMax, frameMax, heartbeat: 0, ...tune });
    this.method(0, { name: 'connection.open', virtualHost: '/' });
    await this.expect('connection.open-ok');
  }

  /** As far as start-ok. */
  async login(user: string, password: string, capabilities: Table = {}): Promise<void> {
    this.write(PROTOCOL_HEADER);
    await this.expect('connection.start');
    this.method(0, startOk(user, password, capabilities));
  }

  async #until(condition: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(this.patienceMs);
    while (!condition()) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        deadline.onabort = () => reject(new Error(`nothing came for ${this.patienceMs} ms`));
      });
    }
    deadline.onabort = null;
  }

  #data(chunk: Buffer): void {
    if (this.#isParsing) {
      this.#reader.push(chunk, (type, channel, buffer, start, end) => {
        const payload = Buffer.from(buffer.subarray(start, end));
        const method = type === FRAME_METHOD ? decodeMethod(payload, 0, payload.length) : null;
        this.received.push({ type, channel, method, payload });
      });
    } else {
      this.chunks.push(chunk);
      this.bytesCount += chunk.length;
    }
    this.#wake?.();
  }
}

export function startOk(
  user: string,
  password: string,
  capabilities: Table = {},
): MethodOf<'connection.start-ok'> {
  return {
    name: 'connection.start-ok',
    clientProperties: { capabilities },
    mechanism: 'PLAIN',
    response: Buffer.from(`\0${user}\0${password}`),
    locale: 'en_US',
  };
}

export function methodBytes(channel: number, method: Method): Buffer {
  const writer = new FrameWriter();
  encodeMethod(writer, channel, method);
  return writer.take();
}

export function contentBytes(
  channel: number,
  body: Uint8Array,
  { properties = NO_PROPERTIES, frameMax = 131072 }: { properties?: Buffer; frameMax?: number } = {},
): Buffer {
  const writer = new FrameWriter();
  writeHeaderFrame(writer, channel, body.length, properties);
  writeBodyFrames(writer, channel, frameMax, body);
  return writer.take();
}

export function publishBytes(
  channel: number,
  exchange: string,
  routingKey: string,
  body: Uint8Array,
  options: { properties?: Buffer; frameMax?: number; mandatory?: boolean; immediate?: boolean } = {},
): Buffer {
  const { mandatory = false, immediate = false } = options;
  return Buffer.concat([
    methodBytes(channel, { name: 'basic.publish', exchange, routingKey, mandatory, immediate }),
    contentBytes(channel, body, options),
  ]);
}
