import type { Random } from './random.ts';

/** Breaks a session, given as its frames; sometimes not at all. */
export function mutate(frames: readonly Buffer[], random: Random): Buffer {
  let mutated = [...frames];
  for (let count = random.below(4); count > 0; count--)
    mutated = random.pick(FRAME_MUTATIONS)(mutated, random);
  // The handshake stays whole most of the time: what is behind it would not be reached.
  const start = random.chance(0.03) ? 0 : mutated[0].length;
  let bytes = Buffer.concat(mutated);
  for (let count = random.below(3); count > 0; count--)
    bytes = random.pick(BYTE_MUTATIONS)(bytes, start, random);
  return bytes;
}

type FrameMutation = (frames: readonly Buffer[], random: Random) => Buffer[];
type ByteMutation = (bytes: Buffer, start: number, random: Random) => Buffer<ArrayBuffer>;

/** A place among the frames, but not before the first. */
function place(frames: readonly Buffer[], random: Random): number {
  return frames.length < 2 ? 0 : 1 + random.below(frames.length - 1);
}

function replaced(frames: readonly Buffer[], at: number, by: Buffer): Buffer[] {
  return frames.with(at, by);
}

function inserted(frames: readonly Buffer[], random: Random, frame: Buffer): Buffer[] {
  return frames.toSpliced(place(frames, random) + 1, 0, frame);
}

const FRAME_MUTATIONS: readonly FrameMutation[] = [
  function twice(frames, random) {
    return inserted(frames, random, random.pick(frames));
  },
  function swapped(frames, random) {
    const a = place(frames, random);
    const b = place(frames, random);
    return replaced(replaced(frames, a, frames[b]), b, frames[a]);
  },
  function leftOut(frames, random) {
    return frames.length < 2 ? [...frames] : frames.toSpliced(place(frames, random), 1);
  },
  function cutShort(frames, random) {
    const at = place(frames, random);
    return replaced(frames, at, frames[at].subarray(0, random.below(frames[at].length)));
  },
  function wrongLength(frames, random) {
    const at = place(frames, random);
    if (frames[at].length < 7) return [...frames];
    const frame = Buffer.from(frames[at]);
    const size = frame.readUInt32BE(3);
    frame.writeUInt32BE(
      random.pick([0, (size + 1) >>> 0, Math.max(0, size - 1), 4097, 0xffffffff, random.u32()]),
      3,
    );
    return replaced(frames, at, frame);
  },
  function oversized(frames, random) {
    return inserted(frames, random, frame(1 + random.below(3), 1, Buffer.alloc(4000 + random.below(9000))));
  },
  function otherChannel(frames, random) {
    const at = place(frames, random);
    if (frames[at].length < 7) return [...frames];
    const other = Buffer.from(frames[at]);
    other.writeUInt16BE(random.pick([0, 1, 2, 3, 2047, 2048, 65_535]), 1);
    return replaced(frames, at, other);
  },
  function deep(frames, random) {
    const depth = random.pick([30, 31, 32, 33, 100, 400]);
    return inserted(frames, random, declareWith(nested(depth, random.chance(0.5))));
  },
  function hugeCounts(frames, random) {
    const table = Buffer.from([
      ...u32(random.pick([10, 0xffffffff, 0x7fffffff])),
      1,
      0x61,
      0x53,
      ...u32(0xfffffff0),
    ]);
    return inserted(frames, random, declareWith(table));
  },
  function hugeBody(frames, random) {
    const size = random.pick([1, 5_000, 2 ** 27, 2 ** 31, 2 ** 40]);
    const payload = Buffer.alloc(14);
    payload.writeUInt16BE(60, 0);
    payload.writeBigUInt64BE(BigInt(size), 4);
    return inserted(
      frames,
      random,
      Buffer.concat([PUBLISH, frame(2, 1, payload), frame(3, 1, Buffer.alloc(100))]),
    );
  },
  function manyFields(frames, random) {
    const fields = Buffer.concat(
      Array.from({ length: 200 }, (_, at) => Buffer.from([2, at, random.below(256), 0x56])),
    );
    return inserted(frames, random, declareWith(Buffer.concat([Buffer.from(u32(fields.length)), fields])));
  },
  function unknownMethod(frames, random) {
    const ids = [0, random.pick([10, 20, 40, 50, 60, 85, 90, 70]), 0, random.below(130)];
    return inserted(frames, random, frame(1, 1, Buffer.from([...ids, ...random.bytes(random.below(30))])));
  },
  function heartbeats(frames, random) {
    return inserted(frames, random, frame(8, random.below(2), Buffer.alloc(random.below(2))));
  },
];

const BYTE_MUTATIONS: readonly ByteMutation[] = [
  function flipped(bytes, start, random) {
    const changed = Buffer.from(bytes);
    for (let count = 1 + random.below(8); count > 0 && start < bytes.length; count--) {
      changed[start + random.below(bytes.length - start)] ^= 1 << random.below(8);
    }
    return changed;
  },
  function overwritten(bytes, start, random) {
    const changed = Buffer.from(bytes);
    const at = start + random.below(Math.max(1, bytes.length - start));
    random.bytes(1 + random.below(16)).copy(changed, at);
    return changed;
  },
  function truncated(bytes, start, random) {
    return Buffer.from(bytes.subarray(0, start + random.below(Math.max(1, bytes.length - start))));
  },
  function interspersed(bytes, start, random) {
    const at = start + random.below(Math.max(1, bytes.length - start));
    return Buffer.concat([bytes.subarray(0, at), random.bytes(random.below(40)), bytes.subarray(at)]);
  },
];

function u32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function frame(type: number, channel: number, payload: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from([type, channel >> 8, channel & 255, ...u32(payload.length)]),
    payload,
    Buffer.from([0xce]),
  ]);
}

/** queue.declare, exclusive, of `deep`, with a table of which we are not sure. */
function declareWith(table: Buffer): Buffer {
  const head = Buffer.from([0, 50, 0, 10, 0, 0, 4, ...Buffer.from('deep'), 0b100]);
  return frame(1, 1, Buffer.concat([head, table]));
}

/** basic.publish to the default exchange. */
const PUBLISH = frame(1, 1, Buffer.from([0, 60, 0, 40, 0, 0, 0, 3, ...Buffer.from('fq0'), 0]));

/** Tables in tables, or arrays in arrays in a table, so deep. */
function nested(depth: number, isArray: boolean): Buffer {
  let content = Buffer.alloc(0);
  for (let level = 1; level < depth; level++) {
    const head = isArray && level < depth - 1 ? ARRAY : isArray ? ARRAY_FIELD : TABLE_FIELD;
    content = Buffer.concat([head, Buffer.from(u32(content.length)), content]);
  }
  return Buffer.concat([Buffer.from(u32(content.length)), content]);
}

const ARRAY = Buffer.from('A');
/** With its key, which is one letter. */
const ARRAY_FIELD = Buffer.from([1, 0x61, 0x41]);
const TABLE_FIELD = Buffer.from([1, 0x61, 0x46]);
