import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { ByteWriter } from '../../../src/wire/kafka/byte-writer.ts';
import type { Api, Fields, StructInput, StructOf } from '../../../src/wire/kafka/declaration.ts';
import { FrameReader } from '../../../src/wire/kafka/frame-reader.ts';
import { decodeResponse, encodeRequest, responseCorrelationId } from '../../../src/wire/kafka/headers.ts';
import { PATIENCE_MS } from '../../support/until.ts';

interface Waiter {
  readonly correlationId: number;
  read(bytes: Buffer, start: number, end: number): void;
  reject(error: Error): void;
}

/** A socket that speaks our own codec: requests as they are given, in the version that is given. */
export class KafkaClient {
  readonly socket: Socket;
  readonly #clientId: string;
  readonly #waiting: Waiter[] = [];
  #nextId = 1;
  isClosed = false;

  static async connect(port: number, clientId = 'test'): Promise<KafkaClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return new KafkaClient(socket, clientId);
  }

  /** A socket that is connected. */
  static over(socket: Socket, clientId = 'test'): KafkaClient {
    return new KafkaClient(socket, clientId);
  }

  private constructor(socket: Socket, clientId: string) {
    this.socket = socket;
    this.#clientId = clientId;
    const reader = new FrameReader(2 ** 30);
    socket.on('data', (chunk) =>
      reader.push(chunk, (bytes, start, end) => this.#received(bytes, start, end)),
    );
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.isClosed = true;
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the connection was closed'));
    });
  }

  /** The response; rejects if the connection is closed before it has come. */
  request<Q extends Fields, S extends Fields>(
    api: Api<Q, S>,
    version: number,
    request: StructInput<Q>,
  ): Promise<StructOf<S>> {
    const { correlationId, bytes } = this.encode(api, version, request);
    this.socket.write(bytes);
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        correlationId,
        read: (frame, start, end) => resolve(decodeResponse(api, version, frame, start, end)),
        reject,
      });
    });
  }

  /** For a request that gets no response. */
  send<Q extends Fields>(api: Api<Q>, version: number, request: StructInput<Q>): void {
    this.socket.write(this.encode(api, version, request).bytes);
  }

  encode<Q extends Fields>(
    api: Api<Q>,
    version: number,
    request: StructInput<Q>,
  ): { correlationId: number; bytes: Buffer } {
    const writer = new ByteWriter();
    const correlationId = this.#nextId++;
    encodeRequest(writer, api, version, correlationId, this.#clientId, request);
    return { correlationId, bytes: Buffer.concat(writer.take()) };
  }

  /** Resolves when the broker has ended the connection; rejects if it does not. */
  async closed(): Promise<void> {
    if (!this.isClosed) await once(this.socket, 'close', { signal: AbortSignal.timeout(PATIENCE_MS) });
  }

  #received(bytes: Buffer, start: number, end: number): void {
    const waiter = this.#waiting.shift();
    if (waiter === undefined) throw new Error('a response that nobody has asked for');
    try {
      const id = responseCorrelationId(bytes, start, end);
      if (id !== waiter.correlationId)
        throw new Error(`response ${id} came in the place of ${waiter.correlationId}`);
      waiter.read(Buffer.from(bytes.subarray(start, end)), 0, end - start);
    } catch (error) {
      waiter.reject(error as Error);
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
