import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import type { Broker } from '../../../../src/broker/broker.ts';
import { ClientMemory } from '../../../../src/broker/budget/client-memory.ts';
import { REFUSED } from '../../../../src/broker/publishing/publisher.ts';
import type { Flushed, Turn } from '../../../../src/broker/shard/turn.ts';
import { HeldMemory } from '../../../../src/servers/amqp091/connection/held-memory.ts';
import { Output, SlabPool } from '../../../../src/servers/amqp091/connection/output.ts';
import { PublisherConfirms } from '../../../../src/servers/amqp091/publish/publisher-confirms.ts';
import { FrameReader } from '../../../../src/wire/amqp091/frames.ts';
import { decodeMethod } from '../../../../src/wire/amqp091/methods.ts';

/** A socket that takes a write when it is told to. */
class SlowSocket extends Duplex {
  /** What was written, in one piece for each write that reached the system. */
  readonly written: Buffer[] = [];
  #taken: (() => void) | null = null;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, taken: () => void): void {
    this.written.push(Buffer.from(chunk));
    this.#taken = taken;
  }

  override _writev(chunks: { chunk: Buffer }[], taken: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), '', taken);
  }

  /** Resolves when those who wait for it were told. */
  async takeWrite(): Promise<void> {
    const taken = this.#taken;
    this.#taken = null;
    taken?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

class Connection {
  readonly socket = new SlowSocket();
  readonly budget = new ClientMemory();
  readonly output: Output;
  #outputs: Flushed[] = [];

  constructor() {
    const flushLater = (output: Flushed): void => {
      output.flushPending = true;
      this.#outputs.push(output);
    };
    const turn = { flushLater } as unknown as Turn;
    this.output = new Output(this.socket as unknown as Socket, turn, new SlabPool(), 512 * 1024);
    const holding = { memoryIsShort: () => undefined, close: () => undefined };
    this.output.memory = new HeldMemory(this.budget, 'ada', holding);
  }

  turn(): void {
    for (const output of this.#outputs.splice(0)) {
      output.flushPending = false;
      output.flush();
    }
  }

  get methods(): string[] {
    const found: string[] = [];
    const reader = new FrameReader(0);
    reader.push(Buffer.concat(this.socket.written), (_type, _channel, bytes, start, end) => {
      const method = decodeMethod(bytes, start, end);
      const tag = 'deliveryTag' in method ? ` ${method.deliveryTag}` : '';
      found.push(`${method.name}${tag}${'multiple' in method && method.multiple ? ' multiple' : ''}`);
    });
    return found;
  }
}

describe('the output of a connection', () => {
  it('has one write under way, and all that comes meanwhile is the next one', async () => {
    const connection = new Connection();
    const { socket, output, budget } = connection;
    for (let i = 0; i < 1000; i++) {
      output.bytes(Buffer.from(`${i},`));
      connection.turn();
    }
    assert.deepEqual(socket.written.map(String), ['0,']);
    const all = Array.from({ length: 1000 }, (_, i) => `${i},`).join('');
    assert.equal(output.queuedBytes, all.length);
    assert.equal(budget.bytes, all.length);
    await socket.takeWrite();
    assert.equal(socket.written.length, 2);
    assert.equal(Buffer.concat(socket.written).toString(), all);
    await socket.takeWrite();
    assert.deepEqual([output.queuedBytes, budget.bytes], [0, 0]);
    output.bytes(Buffer.from('more'));
    connection.turn();
    assert.equal(String(socket.written[2]), 'more');
  });

  it('is written to its end when it ends, though the socket has not taken what is before', async () => {
    const connection = new Connection();
    const { socket, output } = connection;
    for (const text of ['first ', 'second ', 'last']) {
      output.bytes(Buffer.from(text));
      connection.turn();
    }
    output.end();
    for (let i = 0; i < 3; i++) await socket.takeWrite();
    assert.equal(Buffer.concat(socket.written).toString(), 'first second last');
    assert.ok(socket.writableFinished);
  });

  it('has one confirm for all messages that were published while the client did not read', async () => {
    const connection = new Connection();
    const { socket, output } = connection;
    const confirms = new PublisherConfirms({} as Broker, output, 1);
    for (let i = 0; i < 10_000; i++) {
      confirms.published(0);
      connection.turn();
    }
    assert.deepEqual(connection.methods, ['basic.ack 1']);
    assert.equal(output.queuedBytes, socket.writableLength);
    await socket.takeWrite();
    assert.deepEqual(connection.methods, ['basic.ack 1', 'basic.ack 10000 multiple']);
  });

  it('has the basic.nack of each refused message, and counts as not read with them', async () => {
    const connection = new Connection();
    const { socket, output } = connection;
    const confirms = new PublisherConfirms({} as Broker, output, 1);
    confirms.published(0);
    connection.turn();
    for (let i = 0; i < 3000; i++) {
      confirms.published(REFUSED);
      connection.turn();
    }
    // Those that have not become output yet are few.
    assert.ok(output.queuedBytes > 2000 * 21, `${output.queuedBytes} bytes`);
    await socket.takeWrite();
    const expected = Array.from({ length: 3000 }, (_, i) => `basic.nack ${i + 2}`);
    assert.deepEqual(connection.methods, ['basic.ack 1', ...expected]);
  });
});
