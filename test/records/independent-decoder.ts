/**
 * A second reader of record batches, written from Kafka's protocol guide with big integers, that shares nothing with
 * ours. It reads uncompressed records.
 */
export interface DecodedHeader {
  readonly baseOffset: number;
  readonly byteLength: number;
  readonly leaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  readonly lastOffset: number;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

/** Fields one behind the other, with their sizes in bytes; `u` for unsigned. */
const FIELDS =
  'baseOffset8 length4 leaderEpoch4 magicu1 crcu4 attributes2 lastDelta4 base8 max8 id8 epoch2 sequence4 count4';

export function decodeHeader(bytes: Uint8Array): DecodedHeader {
  const fields: { [name: string]: bigint } = {};
  let at = 0;
  for (const field of FIELDS.split(' ')) {
    const [, name, unsigned, size] = /^([a-zA-Z]+?)(u?)(\d)$/.exec(field)!;
    let value = 0n;
    for (const end = at + Number(size); at < end; at++) value = (value << 8n) | BigInt(bytes[at]);
    fields[name!] = unsigned === 'u' ? value : BigInt.asIntN(8 * Number(size), value);
  }
  const {
    baseOffset,
    length,
    leaderEpoch,
    magic,
    crc,
    attributes,
    lastDelta,
    base,
    max,
    id,
    epoch,
    sequence,
    count,
  } = fields as Record<string, bigint>;
  return {
    baseOffset: Number(baseOffset!),
    byteLength: Number(length! + 12n),
    leaderEpoch: Number(leaderEpoch!),
    magic: Number(magic!),
    crc: Number(crc!),
    attributes: Number(attributes!),
    lastOffset: Number(baseOffset!) + Number(lastDelta!),
    baseTimestampMs: Number(base!),
    maxTimestampMs: Number(max!),
    producerId: Number(id!),
    producerEpoch: Number(epoch!),
    baseSequence: Number(sequence!),
    recordCount: Number(count!),
  };
}

interface Inside {
  /** In hexadecimal digits, as all contents are. */
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

const NOTHING_INSIDE: Inside = { key: null, value: null, headers: [] };

export interface DecodedRecord extends Inside {
  readonly offset: number;
  /** Beyond ±2^52 nobody's clock is: what is read of such a difference does not matter. */
  readonly timestampMs: number | null;
  readonly content: string;
}

class Malformed extends Error {}

/**
 * The records of an uncompressed batch; null if they are not what the header, or they themselves, promise.
 * `looksInside`: whether their contents are to be in order, too.
 */
export function decodeRecords(batch: Uint8Array, looksInside = true): DecodedRecord[] | null {
  try {
    return readRecords(batch, looksInside);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

function readRecords(batch: Uint8Array, looksInside: boolean): DecodedRecord[] {
  const { baseOffset, lastOffset, baseTimestampMs, maxTimestampMs, attributes, recordCount } =
    decodeHeader(batch);
  const bytes = Buffer.from(batch);
  let at = 61;
  const integer = (bytesMax: number, bits: number): bigint => {
    let raw = 0n;
    for (let index = 0; index < bytesMax; index++) {
      if (at >= bytes.length) throw new Malformed();
      const byte = BigInt(bytes[at++]);
      raw |= (byte & 0x7fn) << BigInt(7 * index);
      if (byte < 0x80n) {
        const zigzag = BigInt.asUintN(bits, raw);
        return (zigzag >> 1n) ^ -(zigzag & 1n);
      }
    }
    throw new Malformed();
  };
  const int32 = (): number => Number(BigInt.asIntN(32, integer(5, 32)));
  const take = (length: number, end: number): string => {
    if (length < 0 || at + length > end) throw new Malformed();
    at += length;
    return bytes.toString('hex', at - length, at);
  };
  const optional = (end: number, lengthMin = -1): string | null => {
    const length = int32();
    if (length < lengthMin) throw new Malformed();
    return length < 0 ? null : take(length, end);
  };
  const readContent = (end: number): Inside => {
    const key = optional(end);
    const value = optional(end);
    const headers: [string, string | null][] = [];
    const count = int32();
    if (count < 0 || at > end) throw new Malformed();
    for (let left = count; left > 0; left--)
      headers.push([take(int32(), end), optional(end, Number.NEGATIVE_INFINITY)]);
    return { key, value, headers };
  };
  const records: DecodedRecord[] = [];
  let previous = baseOffset - 1;
  for (let index = 0; index < recordCount; index++) {
    const length = int32();
    const end = at + length;
    if (length < 6 || end > bytes.length) throw new Malformed();
    at++;
    const delta = integer(10, 70);
    const sum = BigInt(baseTimestampMs) + delta;
    const offset = baseOffset + int32();
    if (offset <= previous || offset > lastOffset) throw new Malformed();
    previous = offset;
    const content = bytes.toString('hex', at, end);
    const inside = looksInside ? readContent(end) : NOTHING_INSIDE;
    at = looksInside ? at : end;
    if (at !== end) throw new Malformed();
    const isFar = delta > 2n ** 52n || delta < -(2n ** 52n);
    const isAppendTime = (attributes & 8) !== 0;
    const timestampMs = isAppendTime ? maxTimestampMs : isFar ? null : Number(sum);
    records.push({ offset, timestampMs, content, ...inside });
  }
  if (at !== bytes.length) throw new Malformed();
  return records;
}
