/** A connection for measuring remote calls: many channels, the frames of one read answered by one write. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type BrokerAddress, parseAddress } from '../src/cli/bench/amqp/address.ts';
import { FRAME_BODY, FRAME_HEADER, FRAME_METHOD, PROTOCOL_HEADER } from '../src/wire/amqp091/constants.ts';
import type { Method, MethodName, MethodOf } from '../src/wire/amqp091/definitions.ts';
import { FrameReader, FrameWriter, writeBodyFrames, writeHeaderFrame } from '../src/wire/amqp091/frames.ts';
import { BASIC_DELIVER, decodeMethod, encodeMethod } from '../src/wire/amqp091/methods.ts';
import { encodeProperties, type Properties } from '../src/wire/amqp091/properties.ts';

const FRAME_MAX = 131_072;

/** What came to a consumer: the ranges hold until the handler returns. */
export interface Arrival {
  readonly channel: number;
  readonly deliveryTag: number;
  readonly header: Buffer;
  readonly body: Buffer;
}

export class Peer {
  readonly #socket: Socket;
  readonly #reader = new FrameReader(0);
  readonly #methods: Method[] = [];
  readonly #deliveries = new Map<number, { tag: number; header: Buffer }>();
  readonly #onArrival: (arrival: Arrival, peer: Peer) => void;
  #outgoing: Uint8Array[] = [];
  #wake: () => void = () => undefined;

  private constructor(socket: Socket, onArrival: (arrival: Arrival, peer: Peer) => void) {
    this.#socket = socket;
    this.#onArrival = onArrival;
    socket.on('data', (chunk) => this.#data(chunk));
  }

  static async open(url: string, onArrival: (arrival: Arrival, peer: Peer) => void): Promise<Peer> {
    const address = parseAddress(url);
    const socket = connect({ host: address.host, port: address.port, noDelay: true });
    await once(socket, 'connect');
    const peer = new Peer(socket, onArrival);
    await peer.#handshake(address);
    return peer;
  }

  async call<N extends MethodName>(channel: number, method: Method, reply: N): Promise<MethodOf<N>> {
    this.write(methodBytes(channel, method));
    this.flush();
    return this.#next(reply);
  }

  /** Goes out with what else is written before the next `flush`, or while a read is handled. */
  write(bytes: Uint8Array): void {
    this.#outgoing.push(bytes);
  }

  flush(): void {
    const outgoing = this.#outgoing;
    if (outgoing.length === 0) return;
    this.#outgoing = [];
    this.#socket.write(outgoing.length === 1 ? outgoing[0] : Buffer.concat(outgoing));
  }

  end(): void {
    this.#socket.destroy();
  }

  async #handshake({ user, password, virtualHost }: BrokerAddress): Promise<void> {
    this.#socket.write(PROTOCOL_HEADER);
    await this.#next('connection.start');
    const response = Buffer.from(`\0${user}\0${password}`);
    const startOk = { clientProperties: {}, mechanism: 'PLAIN', response, locale: 'en_US' };
    const { channelMax } = await this.call(0, { name: 'connection.start-ok', ...startOk }, 'connection.tune');
    const tuneOk = { channelMax, frameMax: FRAME_MAX, heartbeat: 0 };
    this.write(methodBytes(0, { name: 'connection.tune-ok', ...tuneOk }));
    await this.call(0, { name: 'connection.open', virtualHost }, 'connection.open-ok');
  }

  async #next<N extends MethodName>(name: N): Promise<MethodOf<N>> {
    while (this.#methods.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const method = this.#methods.shift() as Method;
    if (method.name !== name) throw new Error(`the broker sent ${JSON.stringify(method)}, not ${name}`);
    return method as MethodOf<N>;
  }

  #data(chunk: Buffer): void {
    this.#reader.push(chunk, (type, channel, bytes, start, end) => {
      if (type === FRAME_METHOD) this.#method(channel, bytes, start, end);
      else if (type === FRAME_HEADER) this.#header(channel, Buffer.from(bytes.subarray(start, end)));
      else if (type === FRAME_BODY) this.#arrived(channel, bytes.subarray(start, end));
    });
    this.flush();
  }

  #method(channel: number, bytes: Buffer, start: number, end: number): void {
    if (bytes.readUInt32BE(start) === BASIC_DELIVER) {
      const tagAt = start + 5 + bytes[start + 4];
      this.#deliveries.set(channel, { tag: Number(bytes.readBigUInt64BE(tagAt)), header: EMPTY });
      return;
    }
    this.#methods.push(decodeMethod(bytes, start, end));
    this.#wake();
  }

  #header(channel: number, header: Buffer): void {
    const delivery = this.#deliveries.get(channel);
    if (delivery !== undefined) delivery.header = header;
  }

  /** Bodies are short here: one frame. */
  #arrived(channel: number, body: Buffer): void {
    const delivery = this.#deliveries.get(channel);
    if (delivery === undefined) throw new Error('a body came without a delivery');
    this.#onArrival({ channel, deliveryTag: delivery.tag, header: delivery.header, body }, this);
  }
}

const EMPTY = Buffer.alloc(0);

export function methodBytes(channel: number, method: Method): Buffer {
  const writer = new FrameWriter();
  encodeMethod(writer, channel, method);
  return writer.take();
}

/** To a queue, by the default exchange. */
export function publishBytes(
  channel: number,
  queue: string,
  properties: Properties,
  body: Uint8Array,
): Buffer {
  const writer = new FrameWriter();
  encodeProperties(writer, properties);
  const propertyBytes = writer.take();
  encodeMethod(writer, channel, {
    name: 'basic.publish',
    exchange: '',
    routingKey: queue,
    mandatory: false,
    immediate: false,
  });
  writeHeaderFrame(writer, channel, body.length, propertyBytes);
  writeBodyFrames(writer, channel, FRAME_MAX, body);
  return writer.take();
}
