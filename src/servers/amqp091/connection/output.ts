import type { Socket } from 'node:net';
import type { Turn } from '../../../broker/shard/turn.ts';
import type { Method } from '../../../wire/amqp091/definitions.ts';
import { FrameWriter } from '../../../wire/amqp091/frames.ts';
import { encodeMethod } from '../../../wire/amqp091/methods.ts';
import type { HeldMemory } from './held-memory.ts';

const SMALL_SLAB_BYTES = 4096;
export const LARGE_SLAB_BYTES = 65_536;

/** Free slabs of each size that are kept, in bytes. */
const SMALL_KEPT_BYTES_MAX = 4 * 1024 * 1024;
const LARGE_KEPT_BYTES_MAX = 16 * 1024 * 1024;

/** Memory for output: single bytes are written through `bytes`, numbers and words at any place through `view`. */
export class Slab {
  readonly bytes: Buffer;
  readonly view: DataView;

  constructor(length: number) {
    this.bytes = Buffer.allocUnsafeSlow(length);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, length);
  }
}

const NO_SLAB = new Slab(0);

/** Slabs for output, shared by all connections of a server, so that an idle connection has none. */
export class SlabPool {
  readonly #small: Slab[] = [];
  readonly #large: Slab[] = [];

  /** At least `bytes` long; beyond the large size, just as long. */
  acquire(bytes: number): Slab {
    if (bytes <= SMALL_SLAB_BYTES) return this.#small.pop() ?? new Slab(SMALL_SLAB_BYTES);
    if (bytes <= LARGE_SLAB_BYTES) return this.#large.pop() ?? new Slab(LARGE_SLAB_BYTES);
    return new Slab(bytes);
  }

  release(slab: Slab): void {
    const { length } = slab.bytes;
    if (length === SMALL_SLAB_BYTES && this.#small.length < SMALL_KEPT_BYTES_MAX / SMALL_SLAB_BYTES) {
      this.#small.push(slab);
    } else if (length === LARGE_SLAB_BYTES && this.#large.length < LARGE_KEPT_BYTES_MAX / LARGE_SLAB_BYTES) {
      this.#large.push(slab);
    }
  }
}

/** Flow control: told by an output whether its peer reads. */
export interface OutputListener {
  /** Over the high-water mark: nothing more may be delivered to this connection. */
  outputCongested(): void;
  /** Below the low-water mark again. */
  outputRelieved(): void;
  /** Far over the high-water mark by answers alone: requests may not be read either until `outputRelieved`. */
  outputFlooded(): void;
}

/** Writes just before what it writes is sent: publisher confirms, of which one `multiple` covers all until then. */
export interface LateWriter {
  latePending: boolean;
  writeLate(): void;
}

/** A connection is flooded at this many times the high-water mark. */
const FLOOD_FACTOR = 8;
/** The low-water mark is this part of the high-water mark. */
const LOW_WATER_DIVISOR = 4;
/** For methods off the hot path; always empty between calls. */
const scratch = new FrameWriter();

/**
 * The outgoing bytes of one connection. They are gathered in slabs, and written once at the end of the turn; or, if the socket
 * has not taken the last write yet, all together when it has. So what a peer does not read takes little more than its bytes:
 *
 *     #full: [ slab ][ slab ] …      buffer: [ written | position …  free ]
 *
 * Writers call `reserve` first, then fill `buffer` from `position` on, or through `view`, and move `position`.
 */
export class Output {
  buffer: Buffer = NO_SLAB.bytes;
  /** Of the same memory as `buffer`. */
  view: DataView = NO_SLAB.view;
  position = 0;
  flushPending = false;
  /** Over the high-water mark, and not yet below the low-water mark again. */
  isCongested = false;
  listener: OutputListener | null = null;
  /** Where unsent bytes are counted; null before the client has logged in. */
  memory: HeldMemory | null = null;
  readonly #socket: Socket;
  readonly #turn: Turn;
  readonly #pool: SlabPool;
  readonly #highWaterBytes: number;
  /** That of `buffer` and `view`. */
  #slab = NO_SLAB;
  /** Slabs that are filled, cut to what was written. */
  #full: Buffer[] = [];
  #fullBytes = 0;
  /** Handed to the socket, and not taken by the operating system yet. */
  #unsentBytes = 0;
  /** Of them, counted in `memory`. */
  #heldBytes = 0;
  /** Slabs that the socket has, in the order of their writes. */
  readonly #inFlight: Slab[] = [];
  #late: LateWriter[] = [];
  /** Of the next turn's first slab: large if this turn wrote more than a small one. */
  #firstSlabBytes = SMALL_SLAB_BYTES;
  #isEnded = false;

  constructor(socket: Socket, turn: Turn, pool: SlabPool, highWaterBytes: number) {
    this.#socket = socket;
    this.#turn = turn;
    this.#pool = pool;
    this.#highWaterBytes = highWaterBytes;
  }

  /** Bytes that the operating system has not taken yet. */
  get queuedBytes(): number {
    return this.position + this.#fullBytes + this.#unsentBytes;
  }

  /** Makes room for `bytes` at `position`, and has them flushed at the end of the turn. */
  reserve(bytes: number): void {
    if (this.position + bytes > this.buffer.length) this.#roll(bytes);
    if (!this.flushPending) this.#turn.flushLater(this);
  }

  /** To be called after each delivery: answers to requests do not congest, they flood. */
  checkCongestion(): void {
    if (this.isCongested || this.position + this.#fullBytes + this.#unsentBytes <= this.#highWaterBytes)
      return;
    this.isCongested = true;
    this.listener?.outputCongested();
  }

  method(channel: number, method: Method): void {
    encodeMethod(scratch, channel, method);
    this.bytes(scratch.take());
  }

  /** Encoded frames. */
  bytes(frames: Buffer): void {
    this.reserve(frames.length);
    frames.copy(this.buffer, this.position);
    this.position += frames.length;
  }

  /** `writer.writeLate()` is called just before the next write. */
  later(writer: LateWriter): void {
    if (writer.latePending) return;
    writer.latePending = true;
    this.#late.push(writer);
    if (!this.flushPending) this.#turn.flushLater(this);
  }

  flush(): void {
    if (this.#isTaking) {
      this.flushPending = false;
      this.#updateUnsent();
    } else {
      this.#flushNow();
    }
  }

  /** The socket has a write that the operating system has not taken. */
  get #isTaking(): boolean {
    return this.#socket.writableLength > 0 && !this.#socket.destroyed;
  }

  #flushNow(): void {
    // Late writers reserve, and must not ask for another flush.
    this.flushPending = true;
    if (this.#late.length > 0) this.#writeLate();
    this.flushPending = false;
    if (this.position > 0 || this.#fullBytes > 0) this.#write();
    this.#updateUnsent();
  }

  /** Flushes, then ends our side of the connection. Nothing is written afterwards. */
  end(): void {
    if (this.#isEnded) return;
    this.#flushNow();
    this.#isEnded = true;
    this.#socket.end();
  }

  /** The socket is closed: it keeps the callback of its last write, and so this, but nothing beyond. */
  letGo(): void {
    this.listener = null;
    this.memory = null;
    this.#late = [];
  }

  #writeLate(): void {
    const late = this.#late;
    this.#late = [];
    for (const writer of late) {
      writer.latePending = false;
      writer.writeLate();
    }
  }

  #roll(bytes: number): void {
    if (this.position > 0) {
      this.#full.push(this.buffer.subarray(0, this.position));
      this.#inFlight.push(this.#slab);
      this.#fullBytes += this.position;
      this.#writeTo(this.#pool.acquire(Math.max(bytes, LARGE_SLAB_BYTES)));
      this.position = 0;
      return;
    }
    if (this.#slab !== NO_SLAB) this.#pool.release(this.#slab);
    this.#writeTo(this.#pool.acquire(Math.max(bytes, this.#firstSlabBytes)));
  }

  #writeTo(slab: Slab): void {
    this.#slab = slab;
    this.buffer = slab.bytes;
    this.view = slab.view;
  }

  #write(): void {
    const full = this.#full;
    const { buffer, position } = this;
    const slab = this.#slab;
    const socket = this.#socket;
    this.#firstSlabBytes =
      this.#fullBytes + position > SMALL_SLAB_BYTES ? LARGE_SLAB_BYTES : SMALL_SLAB_BYTES;
    this.#writeTo(NO_SLAB);
    this.position = 0;
    this.#full = [];
    this.#fullBytes = 0;
    if (this.#isEnded || socket.destroyed) {
      this.#inFlight.length = 0;
      return;
    }
    if (full.length === 0) {
      this.#inFlight.push(slab);
      socket.write(buffer.subarray(0, position), this.#onWritten);
      return;
    }
    socket.cork();
    for (const part of full) socket.write(part, this.#onWritten);
    if (position > 0) {
      this.#inFlight.push(slab);
      socket.write(buffer.subarray(0, position), this.#onWritten);
    }
    socket.uncork();
  }

  /** Called once for each write, in their order: the slab is free now. */
  readonly #onWritten = (error?: Error | null): void => {
    const slab = this.#inFlight.shift();
    if (error != null || this.#socket.destroyed) return;
    if (slab !== undefined) this.#pool.release(slab);
    if (this.#isTaking) return;
    if (this.#late.length > 0 || this.position > 0 || this.#fullBytes > 0) this.#flushNow();
    else this.#updateUnsent();
  };

  #hold(bytes: number): void {
    const { memory } = this;
    if (memory === null) return;
    const more = bytes - this.#heldBytes;
    this.#heldBytes = bytes;
    memory.add(more);
    if (!memory.isPaused || this.isCongested) return;
    this.isCongested = true;
    this.listener?.outputCongested();
  }

  #updateUnsent(): void {
    this.#unsentBytes = this.#socket.writableLength;
    const queued = this.queuedBytes;
    const heldBytes = this.#unsentBytes === 0 ? 0 : queued;
    if (heldBytes !== this.#heldBytes) this.#hold(heldBytes);
    if (queued > this.#highWaterBytes * FLOOD_FACTOR) {
      this.isCongested = true;
      this.listener?.outputFlooded();
    } else if (this.isCongested && queued <= this.#highWaterBytes / LOW_WATER_DIVISOR) {
      this.isCongested = false;
      this.listener?.outputRelieved();
    }
  }
}

/** The seven bytes in front of a payload (AMQP 4.2.3); gives the position after them. */
export function writeFramePrefix(
  view: DataView,
  at: number,
  type: number,
  channel: number,
  size: number,
): number {
  // The first word ends with the first byte of the size, which the second one writes again.
  view.setInt32(at, (type << 24) | (channel << 8));
  view.setInt32(at + 3, size);
  return at + 7;
}

export function writeU32(view: DataView, at: number, value: number): number {
  view.setUint32(at, value);
  return at + 4;
}

export function writeU64(view: DataView, at: number, value: number): number {
  view.setUint32(at, Math.floor(value / 0x1_0000_0000));
  view.setUint32(at + 4, value);
  return at + 8;
}
