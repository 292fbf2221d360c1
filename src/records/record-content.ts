/**
 * The *content* of a record: the bytes of a Kafka v2 record from the key length on. Messages live in memory, in the
 * journal and in segments with exactly these bytes, so that moving one is a copy.
 *
 *     content  = keyLength zigzag-varint (-1: no key) | key
 *              | bodyLength zigzag-varint (-1: none)  | body
 *              | headerCount zigzag-varint            | header*
 *     header   = nameLength zigzag-varint | name | valueLength zigzag-varint (-1: none) | value
 *
 * What a record cannot say otherwise is in the first header, with the reserved name `sluice.envelope`. Its value:
 *
 *     0        1        2        3               3 + n
 *     +--------+--------+--------+---------------+------------------------------+
 *     | version| source |   n    | exchange name | properties, as they came in  |
 *     |   = 1  |        |        |   (n bytes)   | (to the end of the value)    |
 *     +--------+--------+--------+---------------+------------------------------+
 *
 * A message with attributes that the broker itself acts on has version 2, with a byte of flags and then the values of
 * those present, big-endian, between `n` and the exchange name:
 *
 *     flags u8 | 1: time to live, u32 ms | 2: priority, u8 | 4: delay before it is routed, u32 ms
 *              | 8: hidden routing keys, u32 bytes and then those bytes
 *
 * These functions are the hot path: they take positions, give numbers, and allocate nothing.
 */

export const ENVELOPE_NAME = 'sluice.envelope';
export const ENVELOPE_VERSION = 1;
export const ENVELOPE_VERSION_ATTRIBUTES = 2;

const ATTRIBUTE_TTL = 1;
const ATTRIBUTE_PRIORITY = 2;
const ATTRIBUTE_DELAY = 4;
const ATTRIBUTE_HIDDEN_KEYS = 8;

/** Who wrote the properties of an envelope, and so in which encoding they are. */
export const SOURCE_AMQP091 = 1;

const NAME = Buffer.from(ENVELOPE_NAME, 'latin1');
const NAME_LENGTH = NAME.length;
const ENVELOPE_FIXED_LENGTH = 3;

/** Below this many bytes a loop is quicker than a call into the runtime. */
const LOOP_LENGTH_MAX = 48;

/** Copies `source[start, end)` to `target` at `at`; gives the position after it. */
export function copyBytes(target: Buffer, at: number, source: Buffer, start: number, end: number): number {
  if (end - start >= LOOP_LENGTH_MAX) {
    source.copy(target, at, start, end);
    return at + (end - start);
  }
  while (start < end) target[at++] = source[start++];
  return at;
}

/** What attributes take of an envelope, their flags included; 0 if there are none. */
export function attributesLength(
  ttlMs: number,
  priority: number,
  delayMs: number,
  hiddenKeysLength: number,
): number {
  if (ttlMs < 0 && priority === 0 && delayMs < 0 && hiddenKeysLength === 0) return 0;
  return (
    1 +
    (ttlMs >= 0 ? 4 : 0) +
    (priority > 0 ? 1 : 0) +
    (delayMs >= 0 ? 4 : 0) +
    (hiddenKeysLength > 0 ? 4 + hiddenKeysLength : 0)
  );
}

function envelopeLength(exchangeLength: number, propertiesLength: number, attributes: number): number {
  return ENVELOPE_FIXED_LENGTH + attributes + exchangeLength + propertiesLength;
}

/** The bytes that `writeContent` will write; `keyLength` -1 for no key. Headers besides the envelope are the caller's. */
export function contentLength(
  keyLength: number,
  bodyLength: number,
  exchangeLength: number,
  propertiesLength: number,
  attributes = 0,
  moreHeaders = 0,
): number {
  const envelope = envelopeLength(exchangeLength, propertiesLength, attributes);
  return (
    varintLength(keyLength) +
    (keyLength > 0 ? keyLength : 0) +
    varintLength(bodyLength) +
    bodyLength +
    varintLength(1 + moreHeaders) +
    1 + // the length of the envelope's name
    NAME_LENGTH +
    varintLength(envelope) +
    envelope
  );
}

/** What a content is written of: bytes `[start, end)` of buffers that belong to others. */
export interface ContentFields {
  readonly key: Buffer;
  /** -1 for no key. */
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly body: Buffer;
  readonly bodyStart: number;
  /** One less than `bodyStart` for no body at all. */
  readonly bodyEnd: number;
  /** The exchange's name has at most 255 bytes. */
  readonly exchange: Buffer;
  readonly exchangeStart: number;
  readonly exchangeEnd: number;
  /** What the properties are written in: one of the SOURCE_ numbers. */
  readonly protocol: number;
  readonly properties: Buffer;
  readonly propertiesStart: number;
  readonly propertiesEnd: number;
  /** -1 for none. */
  readonly ttlMs: number;
  /** 0 for none. */
  readonly priority: number;
  /** -1 for none. */
  readonly delayMs: number;
  /** Routing keys that receivers do not get to see, as `hidden-keys.ts` writes them; empty for none. */
  readonly hiddenKeys: Buffer;
  readonly hiddenKeysStart: number;
  readonly hiddenKeysEnd: number;
}

/**
 * Writes a content with its envelope at `at`; gives the position after it. `moreHeaders` is how many the caller will write
 * behind the envelope.
 */
export function writeContent(target: Buffer, at: number, fields: ContentFields, moreHeaders = 0): number {
  const { keyStart, keyEnd, bodyStart, bodyEnd, exchangeStart, exchangeEnd } = fields;
  const { propertiesStart, propertiesEnd, ttlMs, priority, delayMs } = fields;
  if (keyStart < 0) {
    at = writeVarint(target, at, -1);
  } else {
    at = writeVarint(target, at, keyEnd - keyStart);
    at = copyBytes(target, at, fields.key, keyStart, keyEnd);
  }
  at = writeVarint(target, at, bodyEnd - bodyStart);
  at = copyBytes(target, at, fields.body, bodyStart, bodyEnd);
  at = writeVarint(target, at, 1 + moreHeaders);
  target[at++] = NAME_LENGTH << 1;
  for (let index = 0; index < NAME_LENGTH; index++) target[at++] = NAME[index];
  const exchangeLength = exchangeEnd - exchangeStart;
  const attributes = attributesLength(
    ttlMs,
    priority,
    delayMs,
    fields.hiddenKeysEnd - fields.hiddenKeysStart,
  );
  at = writeVarint(target, at, envelopeLength(exchangeLength, propertiesEnd - propertiesStart, attributes));
  target[at++] = attributes === 0 ? ENVELOPE_VERSION : ENVELOPE_VERSION_ATTRIBUTES;
  target[at++] = fields.protocol;
  target[at++] = exchangeLength;
  if (attributes > 0) at = writeAttributes(target, at, fields);
  at = copyBytes(target, at, fields.exchange, exchangeStart, exchangeEnd);
  return copyBytes(target, at, fields.properties, propertiesStart, propertiesEnd);
}

function writeAttributes(target: Buffer, at: number, fields: ContentFields): number {
  const { ttlMs, priority, delayMs, hiddenKeysStart, hiddenKeysEnd } = fields;
  const hasHiddenKeys = hiddenKeysEnd > hiddenKeysStart;
  target[at++] =
    (ttlMs >= 0 ? ATTRIBUTE_TTL : 0) |
    (priority > 0 ? ATTRIBUTE_PRIORITY : 0) |
    (delayMs >= 0 ? ATTRIBUTE_DELAY : 0) |
    (hasHiddenKeys ? ATTRIBUTE_HIDDEN_KEYS : 0);
  if (ttlMs >= 0) at = target.writeUInt32BE(ttlMs, at);
  if (priority > 0) target[at++] = priority;
  if (delayMs >= 0) at = target.writeUInt32BE(delayMs, at);
  if (!hasHiddenKeys) return at;
  at = target.writeUInt32BE(hiddenKeysEnd - hiddenKeysStart, at);
  return copyBytes(target, at, fields.hiddenKeys, hiddenKeysStart, hiddenKeysEnd);
}

/**
 * Where the parts of a content are. One is made per place that reads and used again for each message, so its fields
 * are plain numbers: positions in the buffer that was given to `parse`, -1 where the part is absent.
 */
export class ContentView {
  keyStart = -1;
  keyEnd = -1;
  /** Equal to `bodyEnd` both for an empty body and for none (a Kafka tombstone, `bodyIsNull`). */
  bodyStart = 0;
  bodyEnd = 0;
  bodyIsNull = false;
  headerCount = 0;
  /** The first header, the envelope's included. */
  headersStart = 0;
  envelopeStart = -1;
  envelopeEnd = -1;
  /** One of the SOURCE_ numbers; 0 without an envelope that this version can read. */
  sourceProtocol = 0;
  exchangeStart = -1;
  exchangeEnd = -1;
  propertiesStart = -1;
  propertiesEnd = -1;
  /** How long the message may wait, from its timestamp on; -1 for as long as it takes. */
  ttlMs = -1;
  priority = 0;
  /** How long it has to wait before it is routed, from its timestamp on; -1 for not at all. */
  delayMs = -1;
  /** Both 0 without hidden routing keys. */
  hiddenKeysStart = 0;
  hiddenKeysEnd = 0;

  /**
   * False if the bytes are not a content: then the fields mean nothing. Headers after the first are not looked at.
   * `mayHaveEnvelope`: the first header is not a client's word.
   */
  parse(buffer: Buffer, start: number, length: number, mayHaveEnvelope = true): boolean {
    const end = start + length;
    let size = readVarint(buffer, start);
    let at = varintEnd(buffer, start);
    if (size >= 0) {
      this.keyStart = at;
      at += size;
      this.keyEnd = at;
    } else {
      this.keyStart = -1;
      this.keyEnd = -1;
    }
    if (at >= end) return false;

    size = readVarint(buffer, at);
    at = varintEnd(buffer, at);
    this.bodyIsNull = size < 0;
    this.bodyStart = at;
    if (size > 0) at += size;
    this.bodyEnd = at;
    if (at >= end) return false;

    this.headerCount = readVarint(buffer, at);
    at = varintEnd(buffer, at);
    this.headersStart = at;
    this.sourceProtocol = 0;
    this.envelopeStart = -1;
    this.envelopeEnd = -1;
    this.exchangeStart = -1;
    this.exchangeEnd = -1;
    this.propertiesStart = -1;
    this.propertiesEnd = -1;
    this.ttlMs = -1;
    this.priority = 0;
    this.delayMs = -1;
    this.hiddenKeysStart = 0;
    this.hiddenKeysEnd = 0;
    if (mayHaveEnvelope && this.headerCount > 0 && isEnvelopeName(buffer, at)) {
      return this.parseEnvelope(buffer, at + 1 + NAME_LENGTH, end);
    }
    return at <= end;
  }

  private parseEnvelope(buffer: Buffer, at: number, end: number): boolean {
    const size = readVarint(buffer, at);
    at = varintEnd(buffer, at);
    if (size < 0 || at + size > end) return false;
    this.envelopeStart = at;
    this.envelopeEnd = at + size;
    // A later version may mean something else by the rest: it is then an envelope that nobody here can open.
    const version = buffer[at];
    if (size < ENVELOPE_FIXED_LENGTH || version > ENVELOPE_VERSION_ATTRIBUTES) return true;
    const attributesAt = at + ENVELOPE_FIXED_LENGTH;
    const exchangeStart =
      version === ENVELOPE_VERSION_ATTRIBUTES ? this.parseAttributes(buffer, attributesAt) : attributesAt;
    const exchangeEnd = exchangeStart + buffer[at + 2];
    if (exchangeEnd > this.envelopeEnd) return false;
    this.sourceProtocol = buffer[at + 1];
    this.exchangeStart = exchangeStart;
    this.exchangeEnd = exchangeEnd;
    this.propertiesStart = exchangeEnd;
    this.propertiesEnd = this.envelopeEnd;
    return true;
  }

  private parseAttributes(buffer: Buffer, at: number): number {
    const flags = buffer[at++];
    if ((flags & ATTRIBUTE_TTL) !== 0) {
      this.ttlMs = readU32(buffer, at);
      at += 4;
    }
    if ((flags & ATTRIBUTE_PRIORITY) !== 0) this.priority = buffer[at++];
    if ((flags & ATTRIBUTE_DELAY) !== 0) {
      this.delayMs = readU32(buffer, at);
      at += 4;
    }
    if ((flags & ATTRIBUTE_HIDDEN_KEYS) !== 0) {
      this.hiddenKeysStart = at + 4;
      at += 4 + readU32(buffer, at);
      this.hiddenKeysEnd = at;
    }
    return at;
  }
}

function isEnvelopeName(buffer: Buffer, at: number): boolean {
  if (buffer[at] !== NAME_LENGTH << 1) return false;
  for (let index = 0; index < NAME_LENGTH; index++) {
    if (buffer[at + 1 + index] !== NAME[index]) return false;
  }
  return true;
}

/** Big-endian; beyond the buffer, where a corrupt content may lead, it is just a wrong number. */
function readU32(source: Uint8Array, at: number): number {
  return ((source[at] << 24) | (source[at + 1] << 16) | (source[at + 2] << 8) | source[at + 3]) >>> 0;
}

/** How long the body is, for those who need nothing else of a content. */
export function bodyLengthAt(buffer: Uint8Array, at: number): number {
  const keyLength = readVarint(buffer, at);
  at = varintEnd(buffer, at) + (keyLength > 0 ? keyLength : 0);
  const length = readVarint(buffer, at);
  return length < 0 ? 0 : length;
}

/*
 * The integers of a record: zigzag, seven bits a byte, the low ones first. A value and where it ends are two calls, as one
 * that gives both would allocate. None of these looks at the end of the buffer: bytes that are not there read as 0.
 */

const VARINT_BYTES_MAX = 5;
const VARLONG_BYTES_MAX = 10;

/** How many bytes a 32-bit integer takes as a varint. */
export function varintLength(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x200000) return 3;
  if (zigzag < 0x10000000) return 4;
  return 5;
}

/** Writes a 32-bit integer at `at`; gives the position after it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  while (zigzag > 0x7f) {
    target[at++] = (zigzag & 0x7f) | 0x80;
    zigzag >>>= 7;
  }
  target[at++] = zigzag;
  return at;
}

/** The 32-bit integer at `at`. */
export function readVarint(source: Uint8Array, at: number): number {
  let byte = source[at];
  let zigzag = byte & 0x7f;
  for (let shift = 7; byte > 0x7f && shift < 35; shift += 7) {
    byte = source[++at];
    zigzag |= (byte & 0x7f) << shift;
  }
  return (zigzag >>> 1) ^ -(zigzag & 1);
}

/** The position after the varint that starts at `at`; the byte before it is above 0x7f if the varint has no end. */
export function varintEnd(source: Uint8Array, at: number): number {
  const limit = at + VARINT_BYTES_MAX - 1;
  while (at < limit && source[at] > 0x7f) at++;
  return at + 1;
}

/** How many bytes an integer within ±2^52 takes as a varlong. */
export function varlongLength(value: number): number {
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  let length = 1;
  while (zigzag > 0x7f) {
    zigzag = Math.floor(zigzag / 0x80);
    length++;
  }
  return length;
}

/** Writes an integer within ±2^52, as timestamps are, at `at`; gives the position after it. */
export function writeVarlong(target: Buffer, at: number, value: number): number {
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  while (zigzag > 0x7f) {
    target[at++] = (zigzag % 0x80) | 0x80;
    zigzag = Math.floor(zigzag / 0x80);
  }
  target[at++] = zigzag;
  return at;
}

/** The integer of up to 64 bits at `at`; beyond 2^53 the nearest number. */
export function readVarlong(source: Buffer, at: number): number {
  const end = varlongEnd(source, at);
  if (end - at <= 4) return readVarint(source, at);
  let zigzag = 0;
  for (let index = end - 1; index >= at; index--) zigzag = zigzag * 0x80 + (source[index] & 0x7f);
  return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
}

/** The position after the varlong that starts at `at`; the byte before it is above 0x7f if the varlong has no end. */
export function varlongEnd(source: Buffer, at: number): number {
  const limit = at + VARLONG_BYTES_MAX - 1;
  while (at < limit && source[at] > 0x7f) at++;
  return at + 1;
}
