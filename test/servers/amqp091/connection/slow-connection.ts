import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { ClientMemory } from '../../../../src/broker/budget/client-memory.ts';
import type { Flushed, Turn } from '../../../../src/broker/shard/turn.ts';
import { HeldMemory } from '../../../../src/servers/amqp091/connection/held-memory.ts';
import { Output, SlabPool } from '../../../../src/servers/amqp091/connection/output.ts';
import { FrameReader } from '../../../../src/wire/amqp091/frames.ts';
import { decodeMethod } from '../../../../src/wire/amqp091/methods.ts';

/** A socket that takes a write when it is told to. */
export class SlowSocket extends Duplex {
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

export const NEVER_PAUSED = { pausePublishing: () => undefined, resumePublishing: () => undefined };

/** The output of a connection over such a socket, with turns that are ended by hand. */
export class SlowConnection {
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
