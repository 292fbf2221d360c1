/** A connection of the load generator: the handshake and rare methods through the codec, the rest through `Inbound`. */
import { connect, type Socket } from 'node:net';
import { FRAME_MAX_DEFAULT as FRAME_MAX, PROTOCOL_HEADER } from '../../../wire/amqp091/constants.ts';
import type { Method, MethodName, MethodOf } from '../../../wire/amqp091/definitions.ts';
import { FrameWriter } from '../../../wire/amqp091/frames.ts';
import { decodeMethod, encodeMethod } from '../../../wire/amqp091/methods.ts';
import type { BrokerAddress } from './address.ts';
import { Inbound } from './inbound.ts';
import { monotonicMicros } from './micros.ts';

const READ_BYTES = 256 * 1024;
/** A broker that is busy with what was published before answers a close late. */
const CLOSE_MS = 10_000;

/**
 * One read buffer for all connections of the process: a read is wholly handled before the next begins. What is left of
 * an incomplete frame is kept by its connection, and put before the next read so that every frame lies in one piece.
 *
 *   | room for an incomplete frame | the socket reads into this |
 *                      ^ carried here, just before the new bytes
 */
const readBuffer = Buffer.allocUnsafeSlow(FRAME_MAX + READ_BYTES);
const readView = new DataView(readBuffer.buffer, readBuffer.byteOffset, readBuffer.byteLength);

interface Waiting {
  readonly name: MethodName;
  readonly resolve: (method: Method) => void;
  readonly reject: (error: Error) => void;
}

export class ClientConnection {
  readonly inbound: Inbound;
  blocked = false;
  /** Called after each read that has been answered. */
  onAnswered: (() => void) | undefined;
  frameMax = FRAME_MAX;
  readonly #socket: Socket;
  readonly #address: BrokerAddress;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onFailure: (error: Error) => void;
  #carry = Buffer.alloc(0);
  #closing = false;
  #failed: Error | undefined;
  #channels = 0;

  private constructor(address: BrokerAddress, onFailure: (error: Error) => void) {
    this.#address = address;
    this.#onFailure = onFailure;
    this.inbound = new Inbound(FRAME_MAX, (channel, _bytes, start, end) =>
      this.#onMethod(channel, start, end),
    );
    this.#socket = connect({
      host: address.host,
      port: address.port,
      noDelay: true,
      onread: {
        buffer: readBuffer.subarray(FRAME_MAX),
        callback: (count) => {
          this.#read(count);
          return true;
        },
      },
    });
    const where = `${address.host}:${address.port}`;
    this.#socket.on('error', (error) =>
      this.#fail(new Error(`the connection to ${where} failed: ${error.message}`)),
    );
    this.#socket.on('close', () => this.#fail(new Error('the broker closed the connection')));
  }

  /** Connects, authenticates and opens the virtual host; a failure later on is told to `onFailure`, once. */
  static async open(address: BrokerAddress, onFailure: (error: Error) => void): Promise<ClientConnection> {
    const connection = new ClientConnection(address, onFailure);
    await connection.#handshake();
    return connection;
  }

  async openChannel(): Promise<number> {
    const channel = ++this.#channels;
    await this.call(channel, { name: 'channel.open' }, 'channel.open-ok');
    return channel;
  }

  send(channel: number, method: Method): void {
    const writer = new FrameWriter();
    encodeMethod(writer, channel, method);
    this.#socket.write(writer.take());
  }

  /** Sends a synchronous method and waits for the reply of the given name. */
  call<N extends MethodName>(channel: number, method: Method, reply: N): Promise<MethodOf<N>> {
    const answer = this.#expect(channel, reply);
    this.send(channel, method);
    return answer;
  }

  write(bytes: Uint8Array, written?: () => void): void {
    this.#socket.write(bytes, written);
  }

  sendAcks(): void {
    for (const consumer of this.inbound.consumers) {
      const acks = consumer?.takeAcks();
      if (acks !== undefined) this.#socket.write(acks);
    }
  }

  /** Sends the acknowledgements that are left over, then closes politely. */
  async close(): Promise<void> {
    if (this.#failed !== undefined) return;
    for (const consumer of this.inbound.consumers) {
      const acks = consumer?.takeLastAcks();
      if (acks !== undefined) this.#socket.write(acks);
    }
    // What is delivered from now on is not acknowledged, so it must not be counted either.
    this.inbound.consumers.length = 0;
    this.inbound.publishers.length = 0;
    this.#closing = true;
    const bye: Method = {
      name: 'connection.close',
      replyCode: 200,
      replyText: 'bye',
      classId: 0,
      methodId: 0,
    };
    const timer = setTimeout(
      () => this.#fail(new Error('the broker did not answer connection.close')),
      CLOSE_MS,
    );
    await this.call(0, bye, 'connection.close-ok').catch(() => undefined);
    clearTimeout(timer);
    this.#socket.destroy();
  }

  async #handshake(): Promise<void> {
    const { user, password, virtualHost } = this.#address;
    const start = this.#expect(0, 'connection.start');
    this.#socket.write(PROTOCOL_HEADER);
    await start;
    const tune = await this.call(
      0,
      {
        name: 'connection.start-ok',
        clientProperties: {
          product: 'sluice bench',
          capabilities: {
            'connection.blocked': true,
            publisher_confirms: true,
            'basic.nack': true,
            consumer_cancel_notify: true,
          },
        },
        mechanism: 'PLAIN',
        response: Buffer.from(`\0${user}\0${password}`),
        locale: 'en_US',
      },
      'connection.tune',
    );
    this.frameMax = tune.frameMax === 0 ? FRAME_MAX : Math.min(FRAME_MAX, tune.frameMax);
    this.inbound.frameMax = this.frameMax;
    // No heartbeats: a run is short, and its sockets are never silent without reason.
    this.send(0, {
      name: 'connection.tune-ok',
      channelMax: tune.channelMax,
      frameMax: this.frameMax,
      heartbeat: 0,
    });
    await this.call(0, { name: 'connection.open', virtualHost }, 'connection.open-ok');
  }

  #expect<N extends MethodName>(channel: number, name: N): Promise<MethodOf<N>> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) {
        reject(this.#failed);
        return;
      }
      this.#waiting.set(channel, { name, resolve: resolve as (method: Method) => void, reject });
    });
  }

  #read(count: number): void {
    const carried = this.#carry.length;
    const start = FRAME_MAX - carried;
    if (carried > 0) readBuffer.set(this.#carry, start);
    const limit = FRAME_MAX + count;
    try {
      const end = this.inbound.parse(readBuffer, readView, start, limit, monotonicMicros());
      this.#carry = end < limit ? Buffer.from(readBuffer.subarray(end, limit)) : EMPTY;
    } catch (error) {
      this.#fail(error as Error);
      this.#socket.destroy();
      return;
    }
    this.#answer();
  }

  /** What the messages and confirms of one read allow to be sent goes out in one write. */
  #answer(): void {
    this.#socket.cork();
    this.sendAcks();
    for (const publisher of this.inbound.publishers) publisher?.pump();
    this.#socket.uncork();
    this.onAnswered?.();
  }

  #onMethod(channel: number, start: number, end: number): void {
    const method = decodeMethod(readBuffer, start, end);
    const waiting = this.#waiting.get(channel);
    if (waiting !== undefined && waiting.name === method.name) {
      this.#waiting.delete(channel);
      waiting.resolve(method);
      return;
    }
    switch (method.name) {
      case 'connection.blocked':
        this.blocked = true;
        return;
      case 'connection.unblocked':
        this.blocked = false;
        return;
      case 'connection.close':
      case 'channel.close':
        this.#fail(new Error(`the broker refused: ${method.replyCode} ${method.replyText}`));
        this.#socket.destroy();
        return;
      case 'basic.cancel':
        this.#fail(new Error(`the broker cancelled the consumer ${method.consumerTag}`));
        return;
    }
  }

  #fail(error: Error): void {
    if (this.#failed !== undefined) return;
    this.#failed = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    if (!this.#closing) this.#onFailure(error);
  }
}

const EMPTY = Buffer.alloc(0);
