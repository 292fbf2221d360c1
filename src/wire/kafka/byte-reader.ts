import { KafkaWireError } from './errors.ts';
import { readText, readUuid } from './recurring.ts';

/**
 * How many elements the arrays of one message may have in all, tagged fields counted with them: a small frame must not
 * become a mountain of objects. A request that names every partition of a hundred large topics has half as many.
 */
export const ELEMENTS_MAX = 500_000;
/** As in Kafka, in flexible versions too. */
const TEXT_BYTES_MAX = 0x7fff;
const TWO_32 = 0x1_0000_0000;
const VARINT_BYTES_MAX = 5;
const UUID_BYTES = 16;
/** Thrown where `elementsFloor` says that this would be too many for one step; not to be seen by others. */
export const TOO_MANY_FOR_A_STEP = Symbol('too many elements for one step');

/**
 * A cursor over one frame that never reads past its end. `subject` and `field` say what is being read, for the message
 * of an error; offsets there count from `start`.
 */
export class ByteReader {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  position: number;
  subject: string;
  field = '';
  elementsLeft = ELEMENTS_MAX;
  /** How many have to be left, while a value is read of which it is not known how many it has. */
  elementsFloor = 0;

  constructor(bytes: Buffer, start: number, end: number, subject: string) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.position = start;
    this.subject = subject;
  }

  fail(problem: string): never {
    const what = this.field === '' ? this.subject : `${this.subject}, ${this.field}`;
    throw new KafkaWireError(`${what}: ${problem} (byte ${this.position - this.start})`);
  }

  /** Moves over `count` bytes and returns where they begin. */
  take(count: number): number {
    const at = this.position;
    if (count > this.end - at) this.fail(`needs ${count} bytes, ${this.end - at} are left`);
    this.position = at + count;
    return at;
  }

  expectEnd(): void {
    if (this.position !== this.end) this.fail(`${this.end - this.position} bytes too many`);
  }

  bool(): boolean {
    return this.bytes[this.take(1)] !== 0;
  }

  int8(): number {
    return (this.bytes[this.take(1)] << 24) >> 24;
  }

  int16(): number {
    const at = this.take(2);
    return (((this.bytes[at] << 8) | this.bytes[at + 1]) << 16) >> 16;
  }

  uint16(): number {
    const at = this.take(2);
    return (this.bytes[at] << 8) | this.bytes[at + 1];
  }

  int32(): number {
    const at = this.take(4);
    const { bytes } = this;
    return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }

  /** Beyond 2^53 the nearest number. */
  int64(): number {
    return this.int32() * TWO_32 + (this.int32() >>> 0);
  }

  float64(): number {
    return this.bytes.readDoubleBE(this.take(8));
  }

  /** Unsigned, of at most 32 bits in 5 bytes (KIP-482). */
  varint(): number {
    const first = this.bytes[this.take(1)];
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let index = 1; index < VARINT_BYTES_MAX; index++) {
      const byte = this.bytes[this.take(1)];
      // By multiplication, because the fifth byte goes beyond 31 bits.
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return value < TWO_32 ? value : this.fail('a varint of more than 32 bits');
    }
    return this.fail(`a varint of more than ${VARINT_BYTES_MAX} bytes`);
  }

  /** As 22 characters of base64url, which is how Kafka shows it. */
  uuid(): string {
    return readUuid(this.bytes, this.take(UUID_BYTES));
  }

  /** The length of bytes or records, or the number of elements of an array; -1 for null. */
  length(flexible: boolean): number {
    return flexible ? this.varint() - 1 : this.int32();
  }

  text(length: number): string {
    if (length > TEXT_BYTES_MAX) this.fail(`a string of ${length} bytes: at most ${TEXT_BYTES_MAX}`);
    const start = this.take(length);
    return readText(this.bytes, start, start + length);
  }

  string(flexible: boolean): string {
    return this.nullableString(flexible) ?? this.failNull();
  }

  nullableString(flexible: boolean): string | null {
    const length = flexible ? this.varint() - 1 : this.int16();
    return length < 0 ? null : this.text(length);
  }

  failNull(): never {
    return this.fail('is null, which it may not be');
  }

  /** The number of elements of an array, of at least `bytesMin` bytes each. */
  elements(flexible: boolean, bytesMin: number): number {
    const count = this.length(flexible);
    if (count < 0) this.failNull();
    this.checkElements(count, bytesMin);
    return count;
  }

  /**
   * Checks that `count` elements of at least `bytesMin` bytes can be there, before anything is made for them. Nothing
   * is allocated on the word of a length alone.
   */
  checkElements(count: number, bytesMin: number): void {
    if (count * bytesMin > this.end - this.position) {
      this.fail(`${count} elements cannot be in ${this.end - this.position} bytes`);
    }
    this.#count(count);
  }

  #count(elements: number): void {
    this.elementsLeft -= elements;
    if (this.elementsLeft >= this.elementsFloor) return;
    if (this.elementsLeft >= 0) throw TOO_MANY_FOR_A_STEP;
    this.fail(`more than ${ELEMENTS_MAX} elements in one message`);
  }

  /** The number of tagged fields (KIP-482), which count as elements. */
  tagCount(): number {
    const count = this.varint();
    if (count > 0) this.#count(count);
    return count;
  }

  /** Moves over tagged fields, none of which is known (KIP-482). */
  skipTags(): void {
    const count = this.tagCount();
    for (let left = count; left > 0; left--) {
      this.varint();
      this.take(this.varint());
    }
  }
}
