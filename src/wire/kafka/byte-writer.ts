import { KafkaWireError } from './errors.ts';
import { bytesOfUuid } from './recurring.ts';

const SLAB_BYTES_DEFAULT = 16384;
const SLAB_BYTES_FIRST = 512;
/** Records from this size on are not copied but handed on as they are. */
const REFERENCE_BYTES_MIN = 2048;
const TWO_32 = 0x1_0000_0000;
const INT64_LIMIT = 2 ** 63;
const UUID_BYTES = 16;
const INT16_MAX = 0x7fff;
const INT32_MAX = 0x7fffffff;
const LOOP_CHARACTERS_MAX = 24;
const EMPTY = Buffer.alloc(0);

/** Where a writer is, so that what follows can be taken back. */
export interface WriterMark {
  readonly pieces: number;
  readonly piecesBytes: number;
  readonly buffer: Buffer;
  readonly start: number;
  readonly position: number;
}

/**
 * Gathers output as a list of pieces, for one `writev`. What is small is written into slabs, one after the other; large
 * records are pieces of their own, never copied:
 *
 *   pieces   [ slab: header, fields ] [ records ] [ slab: fields ] [ records ] …    then the slab that is written to:
 *   buffer   0 … taken or a piece … start … to be taken … position … free … buffer.length
 *
 * The methods for single values make their own room.
 */
export class ByteWriter {
  #pieces: Buffer[] = [];
  #piecesBytes = 0;
  buffer: Buffer = EMPTY;
  #start = 0;
  position = 0;
  /** What is being written, for the message of an error. */
  subject = '';
  field = '';
  readonly #slabBytes: number;

  constructor(slabBytes: number = SLAB_BYTES_DEFAULT) {
    this.#slabBytes = slabBytes;
  }

  /** Bytes written and not yet taken. */
  get pendingBytes(): number {
    return this.#piecesBytes + this.position - this.#start;
  }

  /** All that was written since the last time. */
  take(): readonly Buffer[] {
    this.#closePiece();
    const taken = this.#pieces;
    this.#pieces = [];
    this.#piecesBytes = 0;
    return taken;
  }

  /** Lets an idle connection's slab go. Nothing may be pending. */
  release(): void {
    if (this.pendingBytes > 0) throw new Error(`${this.pendingBytes} bytes written were not taken`);
    this.buffer = EMPTY;
    this.#start = 0;
    this.position = 0;
  }

  mark(): WriterMark {
    return {
      pieces: this.#pieces.length,
      piecesBytes: this.#piecesBytes,
      buffer: this.buffer,
      start: this.#start,
      position: this.position,
    };
  }

  /** Takes back all that was written since the mark. */
  rewind(mark: WriterMark): void {
    this.#pieces.length = mark.pieces;
    this.#piecesBytes = mark.piecesBytes;
    this.buffer = mark.buffer;
    this.#start = mark.start;
    this.position = mark.position;
  }

  fail(problem: string): never {
    const what = this.field === '' ? this.subject : `${this.subject}, ${this.field}`;
    throw new KafkaWireError(`${what}: ${problem}`);
  }

  /** Makes room for `count` more bytes in one piece. */
  ensure(count: number): void {
    if (this.position + count <= this.buffer.length) return;
    this.#closePiece();
    const usual = this.buffer.length === 0 ? Math.min(SLAB_BYTES_FIRST, this.#slabBytes) : this.#slabBytes;
    this.buffer = Buffer.allocUnsafeSlow(Math.max(usual, count));
    this.#start = 0;
    this.position = 0;
  }

  #closePiece(): void {
    if (this.position === this.#start) return;
    this.#pieces.push(this.buffer.subarray(this.#start, this.position));
    this.#piecesBytes += this.position - this.#start;
    this.#start = this.position;
  }

  bool(value: boolean): void {
    this.ensure(1);
    this.buffer[this.position++] = value ? 1 : 0;
  }

  int8(value: number): void {
    if ((value << 24) >> 24 !== value) this.fail(`${value} is not an int8`);
    this.ensure(1);
    this.buffer[this.position++] = value;
  }

  int16(value: number): void {
    if ((value << 16) >> 16 !== value) this.fail(`${value} is not an int16`);
    this.#two(value);
  }

  uint16(value: number): void {
    if ((value & 0xffff) !== value) this.fail(`${value} is not a uint16`);
    this.#two(value);
  }

  #two(value: number): void {
    this.ensure(2);
    const at = this.position;
    this.buffer[at] = value >>> 8;
    this.buffer[at + 1] = value;
    this.position = at + 2;
  }

  int32(value: number): void {
    if ((value | 0) !== value) this.fail(`${value} is not an int32`);
    this.ensure(4);
    this.#four(value);
  }

  #four(value: number): void {
    const { buffer, position: at } = this;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
    this.position = at + 4;
  }

  int64(value: number): void {
    this.ensure(8);
    if (value >= INT64_LIMIT) {
      // The largest int64 is no number; one that was read as the nearest goes back as what it was.
      this.#four(INT32_MAX);
      this.#four(-1);
      return;
    }
    if (!Number.isInteger(value) || value < -INT64_LIMIT) this.fail(`${value} is not an int64`);
    this.#four(Math.floor(value / TWO_32));
    this.#four(value);
  }

  float64(value: number): void {
    this.ensure(8);
    this.position = this.buffer.writeDoubleBE(value, this.position);
  }

  varint(value: number): void {
    this.ensure(5);
    const { buffer } = this;
    let at = this.position;
    while (value > 0x7f) {
      buffer[at++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    buffer[at++] = value;
    this.position = at;
  }

  uuid(value: string): void {
    const bytes = bytesOfUuid(value) ?? this.fail(`'${value}' is not a uuid in base64url`);
    this.ensure(UUID_BYTES);
    let at = this.position;
    for (let index = 0; index < UUID_BYTES; index++) this.buffer[at++] = bytes[index];
    this.position = at;
  }

  stringLength(length: number, flexible: boolean): void {
    if (flexible) this.varint(length + 1);
    else if (length > INT16_MAX) this.fail(`a string of ${length} bytes: this version holds ${INT16_MAX}`);
    else this.int16(length);
  }

  nullString(flexible: boolean): void {
    if (flexible) this.varint(0);
    else this.int16(-1);
  }

  /** Of bytes, records or an array; -1 for null. */
  length(length: number, flexible: boolean): void {
    if (flexible) this.varint(length + 1);
    else this.int32(length);
  }

  text(value: string, flexible: boolean): void {
    const characters = value.length;
    if (characters > LOOP_CHARACTERS_MAX || !this.#shortAscii(value, flexible)) {
      const bytes = Buffer.byteLength(value);
      this.stringLength(bytes, flexible);
      this.ensure(bytes);
      this.position += this.buffer.write(value, this.position);
    }
  }

  /** False, with nothing written, if the text is not ASCII. */
  #shortAscii(value: string, flexible: boolean): boolean {
    const characters = value.length;
    this.ensure(2 + LOOP_CHARACTERS_MAX);
    const { buffer, position: start } = this;
    let at = start;
    if (!flexible) buffer[at++] = 0;
    buffer[at++] = flexible ? characters + 1 : characters;
    for (let index = 0; index < characters; index++) {
      const code = value.charCodeAt(index);
      if (code >= 0x80) return false;
      buffer[at++] = code;
    }
    this.position = at;
    return true;
  }

  /** A copy of these bytes. */
  raw(source: Uint8Array): void {
    this.ensure(source.length);
    this.buffer.set(source, this.position);
    this.position += source.length;
  }

  /** These bytes, by reference if they are many: they must not change until they are sent. */
  reference(source: Uint8Array): void {
    if (source.length < REFERENCE_BYTES_MIN) {
      this.raw(source);
      return;
    }
    this.#closePiece();
    this.#pieces.push(
      Buffer.isBuffer(source) ? source : Buffer.from(source.buffer, source.byteOffset, source.length),
    );
    this.#piecesBytes += source.length;
  }
}
