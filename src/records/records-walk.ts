import { ENVELOPE_NAME } from './record-content.ts';

/** Attributes, two deltas, lengths of key and value, number of headers: a byte each. */
const RECORD_BYTES_MIN = 6;
/** A header has the lengths of its name and of its value, a byte each. */
const HEADER_BYTES_MIN = 2;
/** A varint has five bytes of seven bits, a varlong has ten. */
const VARINT_BITS_MAX = 35;
const VARLONG_BYTES_MAX = 10;

/** So many records without a key are named, of all that there may be. */
const KEYLESS_MAX = 100;

const ENVELOPE = Buffer.from(ENVELOPE_NAME, 'latin1');
const ENVELOPE_LENGTH = ENVELOPE.length;

/**
 * Goes once through the records of a batch that a producer made, and says whether they are what the format promises: as
 * many as the header counts, numbered from 0 without a gap, each as long as it says, its key, value and headers within
 * it, and nothing behind the last one (the layout is in record-cursor.ts). It adds up lengths and reads nothing else, as
 * each produced byte passes here: nothing is allocated for a record, and integers are read in place.
 *
 * What passes can be read to its end by RecordCursor, and by Kafka's clients. One is used for all batches in turn.
 */
export class RecordsWalk {
  /** What is wrong, in words; null if nothing is. */
  fault: string | null = null;
  /** The number of the record that is at fault, from 0 on; -1 if the batch is. */
  faultIndex = -1;
  /** A record has `sluice.envelope` as its first header, where it would count (record-content.ts). */
  hasEnvelope = false;
  /** Records without a key, if they were asked for. */
  keylessCount = 0;
  /** The numbers of the first of them. */
  keyless: number[] = [];
  /** Where the varint that was read last has ended; -1 if it has no end. */
  #end = 0;

  /** The records in `bytes[start, end)`. False if there is a fault. */
  walk(bytes: Buffer, start: number, end: number, recordCount: number, wantsKeys: boolean): boolean {
    this.fault = null;
    this.faultIndex = -1;
    this.hasEnvelope = false;
    if (this.keylessCount > 0) this.keyless = [];
    this.keylessCount = 0;
    let at = start;
    for (let index = 0; index < recordCount; index++) {
      const next = plainRecordEnd(bytes, at, end, index, wantsKeys);
      at = next > 0 ? next : this.#record(bytes, at, end, index, wantsKeys);
      if (at < 0) {
        this.faultIndex = index;
        return false;
      }
    }
    if (at === end) return true;
    this.fault = `${end - at} bytes behind the last of ${recordCount} records`;
    return false;
  }

  /** The position behind the record at `at`; -1 with `fault` set. */
  #record(bytes: Buffer, at: number, end: number, index: number, wantsKeys: boolean): number {
    if (at >= end) return this.#fail('the records end before it');
    const length = this.#varint(bytes, at);
    at = this.#end;
    const recordEnd = at + length;
    if (at < 0 || length < RECORD_BYTES_MIN || recordEnd > end) {
      return this.#fail(`a length of ${length} bytes where ${end - at} are left`);
    }
    // Behind the attributes; of the timestamp only where it ends matters.
    at++;
    const timestampEnd = at + VARLONG_BYTES_MAX;
    while (bytes[at] > 0x7f) if (++at === timestampEnd) return this.#fail('a timestamp without an end');
    const delta = this.#varint(bytes, at + 1);
    at = this.#end;
    if (at < 0 || delta !== index) return this.#fail(`offset delta ${delta} instead of ${index}`);

    const keyLength = this.#varint(bytes, at);
    at = this.#behind(keyLength);
    if (at < 0 || at >= recordEnd) return this.#fail(`a key of ${keyLength} bytes in ${length}`);
    if (keyLength < 0 && wantsKeys && this.keylessCount++ < KEYLESS_MAX) this.keyless.push(index);
    const valueLength = this.#varint(bytes, at);
    at = this.#behind(valueLength);
    if (at < 0 || at >= recordEnd) return this.#fail(`a value of ${valueLength} bytes in ${length}`);
    return this.#headers(bytes, at, recordEnd);
  }

  /** The position behind the headers whose number is at `at`, which is that of the record's end; -1 with `fault` set. */
  #headers(bytes: Buffer, at: number, recordEnd: number): number {
    const count = this.#varint(bytes, at);
    at = this.#end;
    if (at < 0 || count < 0 || count * HEADER_BYTES_MIN > recordEnd - at) {
      return this.#fail(`${count} headers where ${recordEnd - at} bytes are left`);
    }
    if (count > 0 && isEnvelopeAt(bytes, at)) this.hasEnvelope = true;
    for (let left = count; left > 0; left--) {
      const nameLength = this.#varint(bytes, at);
      at = nameLength < 0 ? -1 : this.#behind(nameLength);
      if (at < 0 || at >= recordEnd) return this.#fail(`a header with a name of ${nameLength} bytes`);
      const valueLength = this.#varint(bytes, at);
      at = this.#behind(valueLength);
      if (at < 0 || at > recordEnd) return this.#fail(`a header with a value of ${valueLength} bytes`);
    }
    return at === recordEnd ? at : this.#fail(`${recordEnd - at} bytes behind its ${count} headers`);
  }

  /** The integer at `at`; sets `#end`. */
  #varint(bytes: Buffer, at: number): number {
    let byte = bytes[at++];
    let zigzag = byte & 0x7f;
    for (let shift = 7; byte > 0x7f && shift < VARINT_BITS_MAX; shift += 7) {
      byte = bytes[at++];
      zigzag |= (byte & 0x7f) << shift;
    }
    this.#end = byte > 0x7f ? -1 : at;
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  /** The position behind so many bytes, -1 for none, that follow the varint which was read last; -1 if there is none. */
  #behind(length: number): number {
    const at = this.#end;
    if (at < 0 || length < -1) return -1;
    return length > 0 ? at + length : at;
  }

  #fail(problem: string): -1 {
    this.fault = problem;
    return -1;
  }
}

/** As `ContentView` takes it for one: a name whose length is one byte. */
function isEnvelopeAt(bytes: Buffer, at: number): boolean {
  if (bytes[at] !== ENVELOPE_LENGTH << 1) return false;
  for (let index = 0; index < ENVELOPE_LENGTH; index++) {
    if (bytes[at + 1 + index] !== ENVELOPE[index]) return false;
  }
  return true;
}

/**
 * The position behind the record at `at` if it is one of the usual: with a key and a value or without a key, lengths of
 * one to three bytes, no headers. 0 for all others, which `RecordsWalk` looks at more closely: a function without fields
 * and words, as it is called for each record.
 */
function plainRecordEnd(bytes: Buffer, at: number, end: number, index: number, wantsKeys: boolean): number {
  let byte = bytes[at++];
  let zigzag = byte;
  if (byte > 0x7f) {
    byte = bytes[at++];
    zigzag = (zigzag & 0x7f) | (byte << 7);
    if (byte > 0x7f) {
      byte = bytes[at++];
      if (byte > 0x7f) return 0;
      zigzag = (zigzag & 0x3fff) | (byte << 14);
    }
  }
  const recordEnd = at + (zigzag >>> 1);
  if ((zigzag & 1) !== 0 || recordEnd > end) return 0;
  at++;
  if (bytes[at++] > 0x7f && bytes[at++] > 0x7f && bytes[at++] > 0x7f) return 0;
  byte = bytes[at++];
  zigzag = byte;
  if (byte > 0x7f) {
    byte = bytes[at++];
    zigzag = (zigzag & 0x7f) | (byte << 7);
    if (byte > 0x7f) {
      byte = bytes[at++];
      if (byte > 0x7f) return 0;
      zigzag = (zigzag & 0x3fff) | (byte << 14);
    }
  }
  // A key of 63 bytes at most, or none.
  byte = bytes[at++];
  if (zigzag !== index << 1 || byte > 0x7f) return 0;
  if ((byte & 1) === 0) at += byte >>> 1;
  else if (byte !== 1 || wantsKeys) return 0;
  byte = bytes[at++];
  zigzag = byte;
  if (byte > 0x7f) {
    byte = bytes[at++];
    zigzag = (zigzag & 0x7f) | (byte << 7);
    if (byte > 0x7f) {
      byte = bytes[at++];
      if (byte > 0x7f) return 0;
      zigzag = (zigzag & 0x3fff) | (byte << 14);
    }
  }
  at += zigzag >>> 1;
  return (zigzag & 1) === 0 && bytes[at] === 0 && at + 1 === recordEnd ? recordEnd : 0;
}
