import type { Clock } from '../../base/clock.ts';
import { LARGE_BYTES_MAX } from './ring.ts';
import { type FrameReceiver, RingReader } from './ring-reader.ts';
import { RingWriter } from './ring-writer.ts';
import type { Bell, WakeUp } from './wake-up.ts';

/** Who flushes a door at the end of a turn: the turn of the shard, as it does with sockets. */
export interface FlushScheduler {
  flushLater(output: { flushPending: boolean; flush(): void }): void;
}

export interface DoorOptions {
  /** From this shard to the other one, and back. */
  readonly outgoing: SharedArrayBuffer;
  readonly incoming: SharedArrayBuffer;
  /** Of the other shard. */
  readonly bell: Bell;
  /** Of this shard. */
  readonly wakeUp: WakeUp;
  readonly turn: FlushScheduler;
  readonly clock: Clock;
  /** The most bytes of a large frame, the same at both ends; there is at most one in each direction. */
  readonly largeBytesMax?: number;
}

/** What went through one direction of a door since it was opened. */
export interface DoorFigures {
  readonly frames: number;
  /** Of payloads. */
  readonly bytes: number;
  /** How often the writer waited for room. */
  readonly fullWaits: number;
}

const KINDS = 256;

/**
 * Both directions between this shard and another one of the process. What is written in a turn is seen by the other shard when the
 * turn flushes; what the other has written comes to the receiver of its kind.
 */
export class Door implements FrameReceiver {
  /** Of the turn, which calls `flush`. */
  flushPending = false;
  readonly #writer: RingWriter;
  readonly #reader: RingReader;
  readonly #wakeUp: WakeUp;
  readonly #turn: FlushScheduler;
  readonly #receivers: (FrameReceiver | undefined)[] = new Array(KINDS).fill(undefined);
  /** What came while this shard starts, and is not to be taken before it serves others; null when it does. */
  #early: { readonly kind: number; readonly frame: Buffer }[] | null = null;
  readonly #served = new Set<number>();

  constructor(options: DoorOptions) {
    const { outgoing, incoming, bell, wakeUp, turn, clock, largeBytesMax = LARGE_BYTES_MAX } = options;
    this.#writer = new RingWriter(outgoing, bell, wakeUp, largeBytesMax);
    this.#reader = new RingReader(incoming, this, bell, wakeUp, clock, largeBytesMax);
    this.#wakeUp = wakeUp;
    this.#turn = turn;
    wakeUp.add(this.#writer);
    wakeUp.add(this.#reader);
  }

  /** Where payloads are written, from the position that `reserve` gives. */
  get buffer(): Buffer {
    return this.#writer.buffer;
  }

  get view(): DataView {
    return this.#writer.view;
  }

  /** The most bytes of a frame that is written in place; more goes by `writeLarge`. */
  get frameBytesMax(): number {
    return this.#writer.frameBytesMax;
  }

  get sent(): DoorFigures {
    const { frames, bytes, fullWaits } = this.#writer;
    return { frames, bytes, fullWaits };
  }

  get received(): DoorFigures {
    const { frames, bytes, fullWaits } = this.#reader;
    return { frames, bytes, fullWaits };
  }

  /** Bytes of large frames that are in memory here, in either direction, beside the rings. */
  get largeBytes(): number {
    return this.#writer.largeBytes + this.#reader.largeBytes;
  }

  /** Registers who takes frames of a kind, 0 to 255. Throws if the kind has a receiver. */
  receive(kind: number, receiver: FrameReceiver): void {
    if (!Number.isInteger(kind) || kind < 0 || kind >= KINDS) {
      throw new RangeError(`${kind} is no kind of a frame`);
    }
    if (this.#receivers[kind] !== undefined) throw new Error(`Kind ${kind} of frames has a receiver`);
    this.#receivers[kind] = receiver;
  }

  /** As `receive`, of frames that find nothing here before the journal is read: they wait until `serve`. */
  receiveServed(kind: number, receiver: FrameReceiver): void {
    this.receive(kind, receiver);
    this.#served.add(kind);
  }

  /** The shard starts: not all receivers are there. */
  begin(): void {
    this.#early = [];
  }

  /** The shard has all that it is asked for. A frame of a kind that nobody receives is an error from now on. */
  serve(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const { kind, frame } of early) this.frame(kind, frame, 0, frame.length);
  }

  /** See `RingWriter.reserve`. */
  reserve(bytesMax: number): number {
    return this.#writer.reserve(bytesMax);
  }

  /** See `RingWriter.finish`; the turn flushes. */
  finish(kind: number, bytes: number): void {
    this.#writer.finish(kind, bytes);
    if (!this.flushPending) this.#turn.flushLater(this);
  }

  /** See `RingWriter.writeLarge`. */
  writeLarge(kind: number, pieces: readonly Buffer[]): boolean {
    return this.#writer.writeLarge(kind, pieces);
  }

  /** See `RingWriter.whenRoom`. */
  whenRoom(listener: () => void): void {
    this.#writer.whenRoom(listener);
  }

  /** Called by the turn. */
  flush(): void {
    this.#writer.flush();
  }

  /** Called by the reader. Throws for a kind without a receiver: the two shards do not speak the same language. */
  frame(kind: number, buffer: Buffer, start: number, end: number): boolean {
    const receiver = this.#receivers[kind];
    if (receiver !== undefined && (this.#early === null || !this.#served.has(kind)))
      return receiver.frame(kind, buffer, start, end);
    if (this.#early === null) throw new Error(`A frame of kind ${kind} came, which has no receiver`);
    const frame = Buffer.allocUnsafe(end - start);
    buffer.copy(frame, 0, start, end);
    this.#early.push({ kind, frame });
    return true;
  }

  /** A receiver has said stop, and goes on. */
  resume(): void {
    this.#reader.resume();
  }

  /** Nothing comes or goes any more. What the turn has not flushed is lost; to write is an error. */
  close(): void {
    this.#writer.close();
    this.#reader.close();
    this.#wakeUp.remove(this.#writer);
    this.#wakeUp.remove(this.#reader);
  }
}
