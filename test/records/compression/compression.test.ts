import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  COMPRESSION,
  compress,
  compressionName,
  decompress,
} from '../../../src/records/compression/compression.ts';
import { CompressionError } from '../../../src/records/compression/errors.ts';
import { xxhash32 } from '../../../src/records/compression/xxhash32.ts';

const BYTES_MAX = 1 << 20;

/** What a compressor may have come to: bytes, then a repetition of `count` bytes from `distance` back. */
interface Step {
  readonly literal: Uint8Array;
  readonly distance: number;
  readonly count: number;
}

const anyLiteral = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 40 }) },
  { weight: 1, arbitrary: fc.nat(70_000).map((length) => new Uint8Array(length + 1).fill(length & 0xff)) },
);

function anySteps(countMax: number): fc.Arbitrary<readonly Step[]> {
  const distance = fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 65_535 }));
  const count = fc.oneof(fc.integer({ min: 4, max: 70 }), fc.integer({ min: 4, max: countMax }));
  return fc.array(fc.record({ literal: anyLiteral, distance, count }), { minLength: 1, maxLength: 12 });
}

/** The same with distances that stay within what is there, and what comes of it, byte by byte. */
function replayed(steps: readonly Step[]): { readonly steps: readonly Step[]; readonly output: Buffer } {
  const output: number[] = [];
  const possible = steps.map((step) => {
    for (const byte of step.literal) output.push(byte);
    const distance = Math.min(step.distance, output.length);
    for (let left = step.count; left > 0; left--) output.push(output[output.length - distance]);
    return { ...step, distance };
  });
  return { steps: possible, output: Buffer.from(output) };
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** Chooses among the ways to say the same by `style`. */
function snappyBlock(steps: readonly Step[], size: number, style: number): Buffer {
  const parts: Uint8Array[] = [Buffer.from(varint(size))];
  for (const { literal, distance, count } of steps) {
    const length = literal.length - 1;
    if (length < 60 && style % 2 === 0) parts.push(Buffer.from([length << 2]));
    else if (length < 256) parts.push(Buffer.from([60 << 2, length]));
    else if (length < 65_536) parts.push(Buffer.from([61 << 2, length & 0xff, length >> 8]));
    else parts.push(Buffer.from([62 << 2, length & 0xff, (length >> 8) & 0xff, length >> 16]));
    parts.push(literal);
    for (let left = count; left > 0; ) {
      const piece = Math.min(left, style % 3 === 0 ? 11 : 64);
      if (piece >= 4 && piece <= 11 && distance < 2048) {
        parts.push(Buffer.from([1 | ((piece - 4) << 2) | ((distance >> 8) << 5), distance & 0xff]));
      } else if (style % 5 !== 0) {
        parts.push(Buffer.from([2 | ((piece - 1) << 2), distance & 0xff, distance >> 8]));
      } else {
        parts.push(Buffer.from([3 | ((piece - 1) << 2), distance & 0xff, distance >> 8, 0, 0]));
      }
      left -= piece;
    }
  }
  return Buffer.concat(parts);
}

function lz4Length(value: number): number[] {
  if (value < 15) return [];
  const bytes = new Array<number>(Math.floor((value - 15) / 255)).fill(255);
  return [...bytes, (value - 15) % 255];
}

function lz4Block(steps: readonly Step[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { literal, distance, count } of steps) {
    const match = count - 4;
    parts.push(Buffer.from([(Math.min(15, literal.length) << 4) | Math.min(15, match)]));
    parts.push(Buffer.from(lz4Length(literal.length)), literal);
    parts.push(Buffer.from([distance & 0xff, distance >> 8, ...lz4Length(match)]));
  }
  parts.push(Buffer.from([0]));
  return Buffer.concat(parts);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** One block of up to 4 MiB, with all checksums. */
function lz4Frame(block: Buffer, content: Buffer): Buffer {
  const flags = Buffer.from([0x74, 0x70]);
  const header = Buffer.from([(xxhash32(flags, 0, 2) >>> 8) & 0xff]);
  const blockSum = word(xxhash32(block, 0, block.length));
  const contentSum = word(xxhash32(content, 0, content.length));
  return Buffer.concat([
    word(0x184d2204),
    flags,
    header,
    word(block.length),
    block,
    blockSum,
    word(0),
    contentSum,
  ]);
}

describe('snappy', () => {
  test('gives back what any compressor may have made of it', () => {
    fc.assert(
      fc.property(anySteps(300), fc.nat(29), (any, style) => {
        const { steps, output } = replayed(any);
        const block = snappyBlock(steps, output.length, style);
        assert.ok(decompress(COMPRESSION.snappy, block, BYTES_MAX).equals(output));
      }),
    );
  });

  test('of several streams behind one another gives back all of them', () => {
    const header = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
    const block = Buffer.from([0, 0, 0, 5, 3, 2 << 2, 0x61, 0x62, 0x63]);
    const source = Buffer.concat([header, block, block, header, block]);
    assert.equal(decompress(COMPRESSION.snappy, source, BYTES_MAX).toString(), 'abcabcabc');
  });

  test('is refused if it is not as long as it says', () => {
    for (const size of [2, 4, 0xfffffff]) {
      const block = Buffer.from([...varint(size), 2 << 2, 0x61, 0x62, 0x63]);
      assert.throws(() => decompress(COMPRESSION.snappy, block, BYTES_MAX), /than it says/);
    }
  });
});

describe('lz4', () => {
  test('gives back what any compressor may have made of it', () => {
    fc.assert(
      fc.property(anySteps(5000), (any) => {
        const { steps, output } = replayed(any);
        const frame = lz4Frame(lz4Block(steps), output);
        assert.ok(decompress(COMPRESSION.lz4, frame, BYTES_MAX).equals(output));
      }),
    );
  });

  test('is refused for any bit that is changed, by one of its checksums or before', () => {
    const content = Buffer.from('abcabcabcabcabcabcabcabc');
    const frame = lz4Frame(lz4Block([{ literal: Buffer.from('abc'), distance: 3, count: 21 }]), content);
    assert.ok(decompress(COMPRESSION.lz4, frame, BYTES_MAX).equals(content));
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const copy = Buffer.from(frame);
      copy[bit >> 3] ^= 1 << (bit & 7);
      assert.throws(() => decompress(COMPRESSION.lz4, copy, BYTES_MAX), CompressionError, `bit ${bit}`);
    }
  });

  test('knows its checksum', () => {
    const sum = (text: string) => xxhash32(Buffer.from(text), 0, Buffer.byteLength(text));
    assert.deepEqual([sum(''), sum('a'), sum('abc')], [0x02cc5d05, 0x550d7456, 0x32d153ff]);
    assert.equal(sum('Nobody inspects the spammish repetition'), 0xe2293b2f);
  });
});

describe('decompression', () => {
  test('stops at the limit, however small what is to be decompressed is', () => {
    // 60 KB of lz4 that say 15 MB.
    const steps = [{ literal: Buffer.from('a'), distance: 1, count: 15_000_000 }];
    const frame = lz4Frame(lz4Block(steps), Buffer.alloc(0));
    assert.throws(() => decompress(COMPRESSION.lz4, frame, BYTES_MAX), /larger than 1048576 bytes/);
  });

  test('never shows what lies before its output', () => {
    const literal = Buffer.from('abc');
    for (const distance of [0, 4, 60_000]) {
      const steps = [{ literal, distance, count: 8 }];
      const frame = lz4Frame(lz4Block(steps), Buffer.alloc(0));
      assert.throws(() => decompress(COMPRESSION.lz4, frame, BYTES_MAX), /refer to \d+ bytes before byte 3/);
      for (const style of [0, 1]) {
        const block = snappyBlock(steps, 11, style);
        assert.throws(
          () => decompress(COMPRESSION.snappy, block, BYTES_MAX),
          /refer to \d+ bytes before byte 3/,
        );
      }
    }
  });

  test('of noise gives something or is refused, and nothing else', () => {
    const code = fc.constantFrom(...Object.values(COMPRESSION));
    const magics = fc.constantFrom(
      '',
      '1f8b08',
      '28b52ffd',
      '04224d184040c0',
      '82534e4150505900000000010000000100',
    );
    fc.assert(
      fc.property(code, magics, fc.uint8Array({ maxLength: 200 }), (compression, magic, noise) => {
        const source = Buffer.concat([Buffer.from(magic, 'hex'), noise]);
        try {
          decompress(compression, source, 4096);
        } catch (error) {
          assert.ok(error instanceof CompressionError, String(error));
        }
      }),
      { numRuns: 5000 },
    );
  });

  test('by a type that does not exist is refused', () => {
    for (const code of [5, 6, 7]) {
      assert.equal(compressionName(code), undefined);
      assert.throws(() => decompress(code, Buffer.alloc(4), BYTES_MAX), /compression type \d does not exist/);
    }
    assert.equal(compressionName(4), 'zstd');
  });
});

describe('compression', () => {
  const codes = Object.entries(COMPRESSION);

  test('of anything is undone by decompression', () => {
    const text = fc.array(fc.constantFrom('order', 'customer', '{"id":', 'aaaaaaaaaaaaaaaa', ' '), {
      maxLength: 3000,
    });
    const anySource = fc.oneof(
      text.map((words) => Buffer.from(words.join(''))),
      fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
      anySteps(90_000).map((steps) => replayed(steps).output),
    );
    fc.assert(
      fc.property(fc.constantFrom(...codes), anySource, ([name, code], source) => {
        assert.ok(decompress(code, compress(code, source), source.length + 1).equals(source), name);
      }),
    );
  });

  test('makes text smaller, and noise hardly larger', () => {
    const text = Buffer.from(
      Array.from(
        { length: 5000 },
        (_, i) => `{"order":${i * 7},"customer":"c-${i % 90}","state":"paid"}`,
      ).join(''),
    );
    const noise = Buffer.alloc(200_000);
    for (let i = 0, state = 1; i < noise.length; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      noise[i] = state >>> 24;
    }
    for (const [name, code] of codes) {
      if (name === 'none') continue;
      assert.ok(compress(code, text).length < text.length / 2.5, name);
      assert.ok(compress(code, noise).length < noise.length * 1.01, name);
    }
  });

  test('of many lengths around the sizes of blocks is undone', () => {
    for (const around of [0, 12, 32 * 1024, 64 * 1024, 128 * 1024]) {
      for (let length = Math.max(0, around - 14); length <= around + 14; length++) {
        const source = Buffer.alloc(length, 'abcdefg');
        for (const [name, code] of codes) {
          assert.ok(decompress(code, compress(code, source), length + 1).equals(source), `${name} ${length}`);
        }
      }
    }
  });
});
