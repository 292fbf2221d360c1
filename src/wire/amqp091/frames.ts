import {
  CLASS_IDS,
  FRAME_BODY,
  FRAME_END,
  FRAME_HEADER,
  FRAME_HEARTBEAT,
  FRAME_MAX_INITIAL,
  FRAME_METHOD,
  FRAME_OVERHEAD_BYTES,
  FRAME_PREFIX_BYTES,
  PROTOCOL_HEADER,
  SHORT_STRING_BYTES_MAX,
} from './constants.ts';
import { WireError } from './errors.ts';

/** A whole frame. The buffer is the reader's or the socket's: what is to be kept must be copied before returning. */
export type OnFrame = (
  type: number,
  channel: number,
  buffer: Buffer,
  payloadStart: number,
  payloadEnd: number,
) => void;

const EMPTY = Buffer.alloc(0);

/** The buffer of partial frames, if larger than this, is dropped when it is empty: for the memory of idle connections. */
const PARTIAL_BYTES_KEPT = 4096;

/**
 * Cuts a stream of bytes, in whatever pieces they come, into frames (AMQP 4.2.3):
 *
 *   0      1         3             7                  size+7 size+8
 *   +------+---------+-------------+  +------------+  +-----------+
 *   | type | channel |    size     |  |  payload   |  | frame-end |
 *   +------+---------+-------------+  +------------+  +-----------+
 *    octet    short       long         size octets        0xCE
 *
 * Frames are reported where they lie in the chunk; only one that straddles chunks is put together in `#partial`, whose
 * size is bounded by frame-max because the prefix is checked before anything is kept for the payload. After an
 * exception, from a malformed frame or from `onFrame`, the stream has no known position any more: drop the reader.
 */
export class FrameReader {
  /** What we agreed to in tune; may be changed between frames, also from within `onFrame`. 0 means no limit. */
  frameMax: number;
  #partial: Buffer = EMPTY;
  #partialLength = 0;

  constructor(frameMax: number = FRAME_MAX_INITIAL) {
    this.frameMax = frameMax;
  }

  /** True between frames: an end of the stream now loses nothing. */
  get isEmpty(): boolean {
    return this.#partialLength === 0;
  }

  /** Memory of the frame that is not whole yet. */
  get heldBytes(): number {
    return this.#partialLength === 0 ? 0 : this.#partial.length;
  }

  push(chunk: Buffer, onFrame: OnFrame): void {
    const end = chunk.length;
    let at = this.#partialLength === 0 ? 0 : this.#finishPartial(chunk, onFrame);
    while (end - at >= FRAME_PREFIX_BYTES) {
      const size = this.#checkPrefix(chunk, at);
      const payloadStart = at + FRAME_PREFIX_BYTES;
      const payloadEnd = payloadStart + size;
      if (payloadEnd >= end) break;
      if (chunk[payloadEnd] !== FRAME_END) failFrameEnd(chunk[payloadEnd], size);
      const type = chunk[at];
      const channel = (chunk[at + 1] << 8) | chunk[at + 2];
      at = payloadEnd + 1;
      onFrame(type, channel, chunk, payloadStart, payloadEnd);
    }
    if (at < end) this.#keepPartial(chunk, at, end);
    else if (this.#partialLength === 0 && this.#partial.length > PARTIAL_BYTES_KEPT) this.#partial = EMPTY;
  }

  /** Adds to the partial frame and, if it is complete then, reports it. Returns where the next frame begins in the chunk. */
  #finishPartial(chunk: Buffer, onFrame: OnFrame): number {
    let at = 0;
    if (this.#partialLength < FRAME_PREFIX_BYTES) {
      at = Math.min(FRAME_PREFIX_BYTES - this.#partialLength, chunk.length);
      this.#keepPartial(chunk, 0, at);
      if (this.#partialLength < FRAME_PREFIX_BYTES) return at;
    }
    const size = this.#checkPrefix(this.#partial, 0);
    const total = size + FRAME_OVERHEAD_BYTES;
    const taken = Math.min(total - this.#partialLength, chunk.length - at);
    this.#keepPartial(chunk, at, at + taken);
    if (this.#partialLength < total) return at + taken;

    const frame = this.#partial;
    this.#partialLength = 0;
    if (frame[total - 1] !== FRAME_END) failFrameEnd(frame[total - 1], size);
    onFrame(frame[0], (frame[1] << 8) | frame[2], frame, FRAME_PREFIX_BYTES, FRAME_PREFIX_BYTES + size);
    return at + taken;
  }

  /** Copies bytes of a partial frame. The buffer grows with what arrives, not with the size that the prefix announces. */
  #keepPartial(chunk: Buffer, start: number, end: number): void {
    const needed = this.#partialLength + end - start;
    if (needed > this.#partial.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(64, needed, this.#partial.length * 2));
      this.#partial.copy(grown, 0, 0, this.#partialLength);
      this.#partial = grown;
    }
    chunk.copy(this.#partial, this.#partialLength, start, end);
    this.#partialLength = needed;
  }

  /** Checks type and size before a byte of the payload is looked at; returns the size of the payload. */
  #checkPrefix(bytes: Buffer, at: number): number {
    const type = bytes[at];
    const size = ((bytes[at + 3] << 24) | (bytes[at + 4] << 16) | (bytes[at + 5] << 8) | bytes[at + 6]) >>> 0;
    // Frame-max is for the whole frame, but some clients take it for the payload; RabbitMQ accepts these 8 bytes too.
    if (this.frameMax !== 0 && size > this.frameMax) {
      throw new WireError(
        'frame-error',
        `a frame of ${size} bytes is larger than the frame-max of ${this.frameMax}`,
      );
    }
    if (type >= FRAME_METHOD && type <= FRAME_BODY) return size;
    if (type !== FRAME_HEARTBEAT) throw new WireError('frame-error', `${type} is not a type of frame`);
    // AMQP 4.2.7: on channel 0, without payload.
    if (size !== 0) throw new WireError('frame-error', `a heartbeat frame with a payload of ${size} bytes`);
    if (bytes[at + 1] !== 0 || bytes[at + 2] !== 0) {
      throw new WireError('unexpected-frame', 'a heartbeat frame on a channel other than 0');
    }
    return size;
  }
}

function failFrameEnd(found: number, size: number): never {
  const hex = found.toString(16).padStart(2, '0');
  throw new WireError('frame-error', `a frame of ${size} bytes ends with 0x${hex} instead of 0xce`);
}

/** The protocol header of AMQP 0-9: RabbitMQ accepts it as 0-9-1 too. */
const PROTOCOL_HEADER_0_9 = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 1, 1, 0, 9);

/**
 * Looks at the first bytes of a connection (AMQP 4.2.2). `incomplete`: so far they are the beginning of our header;
 * `other`: they are not, the peer is to be sent `PROTOCOL_HEADER` and closed. 8 bytes are consumed on `amqp091`.
 */
export function readProtocolHeader(
  bytes: Uint8Array,
  start: number,
  end: number,
): 'amqp091' | 'incomplete' | 'other' {
  const available = Math.min(end - start, PROTOCOL_HEADER.length);
  const begins = (header: Uint8Array) => {
    for (let i = 0; i < available; i++) if (bytes[start + i] !== header[i]) return false;
    return true;
  };
  if (!begins(PROTOCOL_HEADER) && !begins(PROTOCOL_HEADER_0_9)) return 'other';
  return available === PROTOCOL_HEADER.length ? 'amqp091' : 'incomplete';
}

const SLAB_BYTES_DEFAULT = 16384;
const SLAB_BYTES_FIRST = 512;

/**
 * Gathers output. What was written since the last `take` lies in one slab; `take` hands it over without a copy, and
 * writing goes on behind it, in the same slab while there is room:
 *
 *   0          start            position        buffer.length
 *   |  taken   |  to be taken   |  free         |
 *
 * The plain writes check neither space nor range: call `ensure` first, once for all that follows.
 */
export class FrameWriter {
  buffer: Buffer = EMPTY;
  start = 0;
  position = 0;
  readonly #slabBytes: number;

  constructor(slabBytes: number = SLAB_BYTES_DEFAULT) {
    this.#slabBytes = slabBytes;
  }

  /** Bytes written and not yet taken. */
  get pendingBytes(): number {
    return this.position - this.start;
  }

  /** Makes room for `count` more bytes. */
  ensure(count: number): void {
    if (this.position + count > this.buffer.length) this.#grow(count);
  }

  /** The bytes written since the last time, valid for as long as the caller wants. Frames must be ended. */
  take(): Buffer {
    const taken = this.buffer.subarray(this.start, this.position);
    this.start = this.position;
    return taken;
  }

  /** Drops the slab, for the memory of idle connections. Nothing may be pending. */
  release(): void {
    if (this.pendingBytes > 0) throw new Error(`${this.pendingBytes} bytes written were not taken`);
    this.buffer = EMPTY;
    this.start = 0;
    this.position = 0;
  }

  #grow(count: number): void {
    const pending = this.position - this.start;
    const usual = this.buffer.length === 0 ? Math.min(SLAB_BYTES_FIRST, this.#slabBytes) : this.#slabBytes;
    // Doubling when much is pending keeps the copying linear.
    const grown = Buffer.allocUnsafeSlow(Math.max(usual, pending * 2, pending + count));
    this.buffer.copy(grown, 0, this.start, this.position);
    this.buffer = grown;
    this.start = 0;
    this.position = pending;
  }

  u8(value: number): void {
    this.buffer[this.position++] = value;
  }

  u16(value: number): void {
    const at = this.position;
    this.buffer[at] = value >>> 8;
    this.buffer[at + 1] = value;
    this.position = at + 2;
  }

  u32(value: number): void {
    const at = this.position;
    this.buffer[at] = value >>> 24;
    this.buffer[at + 1] = value >>> 16;
    this.buffer[at + 2] = value >>> 8;
    this.buffer[at + 3] = value;
    this.position = at + 4;
  }

  /** An integer from 0 to 2^53 - 1. */
  u64(value: number): void {
    this.u32(Math.floor(value / 0x100000000));
    this.u32(value);
  }

  i64(value: bigint): void {
    this.position = this.buffer.writeBigInt64BE(value, this.position);
  }

  f64(value: number): void {
    this.position = this.buffer.writeDoubleBE(value, this.position);
  }

  /** Copies bytes; makes its own room. */
  bytes(source: Uint8Array, start: number, end: number): void {
    this.ensure(end - start);
    this.buffer.set(
      start === 0 && end === source.length ? source : source.subarray(start, end),
      this.position,
    );
    this.position += end - start;
  }

  /** A length octet and UTF-8; makes its own room. @throws WireError beyond 255 bytes */
  shortString(text: string): void {
    const length = text.length;
    if (length > SHORT_STRING_BYTES_MAX) failShortString(text);
    this.ensure(1 + length * 3);
    const lengthAt = this.position;
    let at = lengthAt + 1;
    if (length < 64) {
      // For a short text in ASCII, which most are, this loop is faster than a call into the runtime.
      for (let i = 0; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code >= 0x80) {
          at = -1;
          break;
        }
        this.buffer[at++] = code;
      }
    } else at = -1;
    if (at < 0) at = lengthAt + 1 + this.buffer.write(text, lengthAt + 1);
    const bytes = at - lengthAt - 1;
    if (bytes > SHORT_STRING_BYTES_MAX) failShortString(text);
    this.buffer[lengthAt] = bytes;
    this.position = at;
  }

  /** Four bytes of length and UTF-8; makes its own room. */
  longString(text: string): void {
    this.ensure(4 + text.length * 3);
    const written = this.buffer.write(text, this.position + 4);
    this.u32(written);
    this.position += written;
  }

  /** Begins a frame and returns where; `endFrame` with it fills in the size. */
  startFrame(type: number, channel: number): number {
    this.ensure(64);
    // Relative to `start`, because growing moves everything to a new slab.
    const frame = this.position - this.start;
    this.u8(type);
    this.u16(channel);
    this.position += 4;
    return frame;
  }

  endFrame(frame: number): void {
    this.ensure(1);
    const end = this.position;
    const at = this.start + frame;
    this.position = at + 3;
    this.u32(end - at - FRAME_PREFIX_BYTES);
    this.position = end;
    this.u8(FRAME_END);
  }

  /** Takes back a frame that could not be completed. */
  abandonFrame(frame: number): void {
    this.position = this.start + frame;
  }
}

function failShortString(text: string): never {
  const bytes = Buffer.byteLength(text);
  throw new WireError(
    'syntax-error',
    `a short string holds 255 bytes, not ${bytes}: '${text.slice(0, 40)}…'`,
  );
}

export function writeHeartbeat(writer: FrameWriter): void {
  writer.endFrame(writer.startFrame(FRAME_HEARTBEAT, 0));
}

/**
 * A content header (AMQP 4.2.6.1) whose property flags and list are already bytes:
 *
 *   0          2        4           12               14
 *   +----------+--------+-----------+----------------+--------------- - -
 *   | class-id | weight | body size | property flags | property list …
 *   +----------+--------+-----------+----------------+--------------- - -
 *    short = 60 short = 0  long long       short       the caller's bytes, flags included
 */
export function writeHeaderFrame(
  writer: FrameWriter,
  channel: number,
  bodyBytes: number,
  properties: Uint8Array,
  start = 0,
  end: number = properties.length,
): void {
  const frame = startHeaderFrame(writer, channel, bodyBytes);
  writer.bytes(properties, start, end);
  writer.endFrame(frame);
}

/** The same up to where the property flags go, for callers that encode them in place. */
export function startHeaderFrame(writer: FrameWriter, channel: number, bodyBytes: number): number {
  const frame = writer.startFrame(FRAME_HEADER, channel);
  writer.u32(CLASS_IDS.basic << 16);
  writer.u64(bodyBytes);
  return frame;
}

/** A body in as few frames as frame-max allows (0: one); an empty body has none (AMQP 4.2.6.2). */
export function writeBodyFrames(
  writer: FrameWriter,
  channel: number,
  frameMax: number,
  body: Uint8Array,
  start = 0,
  end: number = body.length,
): void {
  const payloadMax = frameMax === 0 ? end - start : frameMax - FRAME_OVERHEAD_BYTES;
  if (payloadMax <= 0 && end > start)
    throw new RangeError(`a frame-max of ${frameMax} leaves no room for a body`);
  for (let at = start; at < end; at += payloadMax) {
    const pieceEnd = Math.min(end, at + payloadMax);
    writer.ensure(pieceEnd - at + 72);
    const frame = writer.startFrame(FRAME_BODY, channel);
    writer.bytes(body, at, pieceEnd);
    writer.endFrame(frame);
  }
}

/** Class and method id of a method frame's payload; 0, which is no method, if it is too short. */
export function frameMethod(bytes: Buffer, start: number, end: number): number {
  if (end - start < 4) return 0;
  return (bytes[start] << 24) | (bytes[start + 1] << 16) | (bytes[start + 2] << 8) | bytes[start + 3];
}
