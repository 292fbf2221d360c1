import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { CompressionError, tooLarge } from './errors.ts';
import { decompressLz4 } from './lz4.ts';
import { compressLz4 } from './lz4-compressor.ts';
import { decompressSnappy } from './snappy.ts';
import { compressSnappy } from './snappy-compressor.ts';

/** How the records of a batch are compressed: the number stands in bits 0 to 2 of its attributes. */
export const COMPRESSION = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
export type CompressionName = keyof typeof COMPRESSION;

const MIB = 1024 * 1024;

/** No batch that anybody makes has records of more bytes than this when they are decompressed. */
export const DECOMPRESSED_BYTES_MAX = 100 * MIB;
/** Whatever they come from, records may become so large; beyond it, so many times as large as they come. */
const DECOMPRESSED_BYTES_FREE = 16 * MIB;
export const DECOMPRESSION_RATIO_MAX = 1024;

/**
 * How large the records of a batch may be when decompressed that are so large compressed. Data compress by factors of two
 * to fifty, gzip by 1032 at most: what claims more is made to fill memory.
 */
export function decompressedBytesMax(compressedBytes: number): number {
  const byRatio = compressedBytes * DECOMPRESSION_RATIO_MAX;
  return Math.min(DECOMPRESSED_BYTES_MAX, Math.max(DECOMPRESSED_BYTES_FREE, byRatio));
}

const names = Object.keys(COMPRESSION) as CompressionName[];

/** Undefined for a number that stands for nothing. */
export function compressionName(code: number): CompressionName | undefined {
  return names[code];
}

/**
 * The data as it was. Throws CompressionError if it is corrupt, or larger than `bytesMax` when decompressed (`isTooLarge`):
 * a few bytes may say anything.
 */
export function decompress(code: number, source: Buffer, bytesMax: number): Buffer {
  const name = compressionName(code);
  switch (name) {
    case 'none':
      return source;
    case 'gzip':
      return byRuntime(name, source, bytesMax, gunzipSync);
    case 'snappy':
      return decompressSnappy(source, bytesMax);
    case 'lz4':
      return decompressLz4(source, bytesMax);
    case 'zstd':
      return byRuntime(name, source, bytesMax, zstdDecompressSync);
    default:
      throw new CompressionError(`compression type ${code} does not exist`);
  }
}

/** What the runtime's functions give with `info`, of which their types do not know. */
interface Decompressed {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

type Decompressor = (
  source: Buffer,
  options: { readonly maxOutputLength: number; readonly info: true },
) => unknown;

/** The runtime passes over what is behind a frame of zstd, and over zeros behind gzip's: there may be more frames. */
function byRuntime(
  name: CompressionName,
  source: Buffer,
  bytesMax: number,
  decompressFrame: Decompressor,
): Buffer {
  const frames: Buffer[] = [];
  let left = bytesMax;
  let at = 0;
  try {
    do {
      const { buffer, engine } = decompressFrame(source.subarray(at), {
        maxOutputLength: Math.max(1, left),
        info: true,
      }) as Decompressed;
      if (buffer.length > left) throw tooLarge(bytesMax);
      // Of nothing at all there would be no end.
      if (engine.bytesWritten === 0) throw new Error('nothing that is compressed');
      frames.push(buffer);
      left -= buffer.length;
      at += engine.bytesWritten;
    } while (at < source.length);
  } catch (error) {
    if (error instanceof CompressionError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(bytesMax);
    throw new CompressionError(`records compressed with ${name}: ${(error as Error).message}`);
  }
  return frames.length === 1 ? frames[0] : Buffer.concat(frames);
}

/** The opposite of `decompress`, at the level that Kafka's clients have by default, or another one of gzip or zstd. */
export function compress(code: number, source: Buffer, level?: number): Buffer {
  switch (compressionName(code)) {
    case 'none':
      return source;
    case 'gzip':
      return level === undefined ? gzipSync(source) : gzipSync(source, { level });
    case 'snappy':
      return compressSnappy(source);
    case 'lz4':
      return compressLz4(source);
    case 'zstd':
      return level === undefined
        ? zstdCompressSync(source)
        : zstdCompressSync(source, { params: { [constants.ZSTD_c_compressionLevel]: level } });
    default:
      throw new CompressionError(`compression type ${code} does not exist`);
  }
}
