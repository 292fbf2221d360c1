/**
 * The least that the load generator needs of a broker: handshake, declares, and queues that deliver to their consumers
 * in turn. What it does wrong, it does on purpose.
 */
import { createServer, type Socket } from 'node:net';
import { FRAME_HEADER, FRAME_METHOD, PROTOCOL_HEADER } from '../../../../src/wire/amqp091/constants.ts';
import type { Method } from '../../../../src/wire/amqp091/definitions.ts';
import {
  FrameReader,
  FrameWriter,
  writeBodyFrames,
  writeHeaderFrame,
} from '../../../../src/wire/amqp091/frames.ts';
import { decodeMethod, encodeMethod } from '../../../../src/wire/amqp091/methods.ts';
import { readBodySize } from '../../../../src/wire/amqp091/properties.ts';

export interface Misbehaviour {
  /** Called for every message, counted from 0: how many copies of it are enqueued. */
  readonly copies?: (index: number) => number;
  /** Blocks the connection after so many messages, for so long. */
  readonly blockAfter?: number;
  readonly blockMs?: number;
}

export interface StubBroker {
  readonly url: string;
  readonly stats: StubState['stats'];
  close(): Promise<void>;
}

interface StubConsumer {
  readonly session: StubSession;
  readonly channel: number;
  readonly tag: string;
  readonly noAck: boolean;
  credit: number;
  nextTag: number;
  ackedTag: number;
}

interface Publishing {
  readonly exchange: string;
  readonly routingKey: string;
  readonly channel: number;
  left: number;
  readonly parts: Buffer[];
}

class StubQueue {
  readonly bodies: Buffer[] = [];
  readonly consumers: StubConsumer[] = [];

  serve(): void {
    while (this.bodies.length > 0) {
      const consumer = this.consumers.shift();
      if (consumer === undefined) return;
      this.consumers.push(consumer);
      if (consumer.credit <= 0) {
        if (this.consumers.every((c) => c.credit <= 0)) return;
        continue;
      }
      consumer.credit--;
      consumer.session.deliver(consumer, this.bodies.shift() as Buffer);
    }
  }
}

class StubState {
  readonly stats = { published: 0, acks: 0, acked: 0, deleted: 0, connections: 0, unconfirmedMax: 0 };
  readonly queues = new Map<string, StubQueue>();
  readonly bindings = new Map<string, string[]>();
  readonly misbehaviour: Misbehaviour;
  constructor(misbehaviour: Misbehaviour) {
    this.misbehaviour = misbehaviour;
  }
}

class StubSession {
  readonly #state: StubState;
  readonly #socket: Socket;
  readonly #reader = new FrameReader(131072);
  readonly #writer = new FrameWriter();
  readonly #confirms = new Map<number, number>();
  readonly #prefetch = new Map<number, number>();
  readonly #consumers: { consumer: StubConsumer; queue: StubQueue }[] = [];
  #header = true;
  #unconfirmed = 0;
  readonly #confirmed = new Set<number>();
  #publish: Publishing | undefined;

  constructor(state: StubState, socket: Socket) {
    this.#state = state;
    this.#socket = socket;
    state.stats.connections++;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', () => undefined);
  }

  deliver(consumer: StubConsumer, body: Buffer): void {
    const { channel, tag: consumerTag } = consumer;
    const deliveryTag = consumer.nextTag++;
    this.#send(channel, {
      name: 'basic.deliver',
      consumerTag,
      deliveryTag,
      redelivered: false,
      exchange: '',
      routingKey: 'q',
    });
    writeHeaderFrame(this.#writer, channel, body.length, Buffer.from([0, 0]));
    writeBodyFrames(this.#writer, channel, 4096, body);
    this.flush();
  }

  flush(): void {
    if (this.#writer.pendingBytes > 0) this.#socket.write(this.#writer.take());
  }

  #send(channel: number, method: Method): void {
    encodeMethod(this.#writer, channel, method);
  }

  #onData(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#header) {
      this.#header = false;
      bytes = chunk.subarray(PROTOCOL_HEADER.length);
      this.#send(0, {
        name: 'connection.start',
        versionMajor: 0,
        versionMinor: 9,
        serverProperties: {},
        mechanisms: 'PLAIN',
        locales: 'en_US',
      });
    }
    this.#reader.push(bytes, (type, channel, buffer, start, end) => {
      if (type === FRAME_METHOD) this.#onMethod(channel, decodeMethod(buffer, start, end));
      else if (type === FRAME_HEADER) this.#onHeader(readBodySize(buffer, start, end));
      else this.#onBody(Buffer.from(buffer.subarray(start, end)));
    });
    this.flush();
  }

  #onHeader(size: number): void {
    if (this.#publish === undefined) return;
    this.#publish.left = size;
    if (size === 0) this.#published();
  }

  #onBody(bytes: Buffer): void {
    if (this.#publish === undefined) return;
    this.#publish.parts.push(bytes);
    this.#publish.left -= bytes.length;
    if (this.#publish.left === 0) this.#published();
  }

  #published(): void {
    const { stats, bindings, queues, misbehaviour } = this.#state;
    const { exchange, routingKey, channel, parts } = this.#publish as Publishing;
    const copies = misbehaviour.copies?.(stats.published) ?? 1;
    stats.published++;
    for (const name of exchange === '' ? [routingKey] : (bindings.get(exchange) ?? [])) {
      for (let i = 0; i < copies; i++) queues.get(name)?.bodies.push(Buffer.concat(parts));
      queues.get(name)?.serve();
    }
    const tag = this.#confirms.get(channel);
    if (tag !== undefined) {
      this.#unconfirmed++;
      stats.unconfirmedMax = Math.max(stats.unconfirmedMax, this.#unconfirmed);
      this.#confirms.set(channel, tag + 1);
      // Some at once, some late and so out of order, some folded with those before them.
      if (tag % 8 === 0) this.#confirm(channel, tag, true);
      else if (tag % 8 === 3) this.#confirm(channel, tag, false);
      else setImmediate(() => this.#confirm(channel, tag, false));
    }
    if (stats.published === misbehaviour.blockAfter) {
      this.#send(0, { name: 'connection.blocked', reason: 'test' });
      setTimeout(() => {
        this.#send(0, { name: 'connection.unblocked' });
        this.flush();
      }, misbehaviour.blockMs);
    }
  }

  #confirm(channel: number, deliveryTag: number, multiple: boolean): void {
    if (multiple) for (let tag = 1; tag <= deliveryTag; tag++) this.#confirmed.add(tag);
    else this.#confirmed.add(deliveryTag);
    this.#unconfirmed = (this.#confirms.get(channel) ?? 1) - 1 - this.#confirmed.size;
    this.#send(channel, { name: 'basic.ack', deliveryTag, multiple });
    this.flush();
  }

  #onMethod(channel: number, method: Method): void {
    const { queues, bindings, stats } = this.#state;
    switch (method.name) {
      case 'connection.start-ok':
        this.#send(0, { name: 'connection.tune', channelMax: 2047, frameMax: 4096, heartbeat: 60 });
        return;
      case 'connection.open':
        this.#send(0, { name: 'connection.open-ok' });
        return;
      case 'connection.close':
        this.#send(0, { name: 'connection.close-ok' });
        return;
      case 'channel.open':
        this.#send(channel, { name: 'channel.open-ok' });
        return;
      case 'exchange.declare':
        bindings.set(method.exchange, []);
        this.#send(channel, { name: 'exchange.declare-ok' });
        return;
      case 'queue.declare': {
        const { queue } = method;
        if (!queues.has(queue)) queues.set(queue, new StubQueue());
        this.#send(channel, { name: 'queue.declare-ok', queue, messageCount: 0, consumerCount: 0 });
        return;
      }
      case 'queue.bind':
        bindings.get(method.exchange)?.push(method.queue);
        this.#send(channel, { name: 'queue.bind-ok' });
        return;
      case 'queue.delete':
        stats.deleted++;
        queues.delete(method.queue);
        this.#send(channel, { name: 'queue.delete-ok', messageCount: 0 });
        return;
      case 'exchange.delete':
        this.#send(channel, { name: 'exchange.delete-ok' });
        return;
      case 'confirm.select':
        this.#confirms.set(channel, 1);
        this.#send(channel, { name: 'confirm.select-ok' });
        return;
      case 'basic.qos':
        this.#prefetch.set(channel, method.prefetchCount);
        this.#send(channel, { name: 'basic.qos-ok' });
        return;
      case 'basic.publish':
        this.#publish = { ...method, channel, left: 0, parts: [] };
        return;
      case 'basic.consume':
        this.#consume(channel, method.queue, method.consumerTag, method.noAck);
        return;
      case 'basic.ack':
        this.#acked(channel, method.deliveryTag);
        return;
    }
  }

  #consume(channel: number, name: string, tag: string, noAck: boolean): void {
    const queue = this.#state.queues.get(name) as StubQueue;
    const limit = noAck ? 0 : (this.#prefetch.get(channel) ?? 0);
    const credit = limit === 0 ? Number.POSITIVE_INFINITY : limit;
    const consumer: StubConsumer = { session: this, channel, tag, noAck, credit, nextTag: 1, ackedTag: 0 };
    this.#send(channel, { name: 'basic.consume-ok', consumerTag: tag });
    this.#consumers.push({ consumer, queue });
    queue.consumers.push(consumer);
    queue.serve();
  }

  #acked(channel: number, tag: number): void {
    const found = this.#consumers.find(({ consumer }) => consumer.channel === channel);
    if (found === undefined) return;
    this.#state.stats.acks++;
    this.#state.stats.acked += tag - found.consumer.ackedTag;
    found.consumer.credit += tag - found.consumer.ackedTag;
    found.consumer.ackedTag = tag;
    found.queue.serve();
  }
}

export async function startStubBroker(misbehaviour: Misbehaviour = {}): Promise<StubBroker> {
  const state = new StubState(misbehaviour);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    new StubSession(state, socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `amqp://guest:guest@127.0.0.1:${address.port}/`,
    stats: state.stats,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
