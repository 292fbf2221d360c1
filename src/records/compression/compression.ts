import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { CompressionError } from './errors.ts';
import { decompressLz4 } from './lz4.ts';
import { compressLz4 } from './lz4-compressor.ts';
import { decompressSnappy } from './snappy.ts';
import { compressSnappy } from './snappy-compressor.ts';

/** How the records of a batch are compressed: the number stands in bits 0 to 2 of its attributes. */
export const COMPRESSION = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
export type CompressionName = keyof typeof COMPRESSION;

/** No batch that anybody makes has records of more bytes than this when they are decompressed. */
export const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024;

const names = Object.keys(COMPRESSION) as CompressionName[];

/** Undefined for a number that stands for nothing. */
export function compressionName(code: number): CompressionName | undefined {
  return names[code];
}

/**
 * The data as it was. Throws CompressionError if it is corrupt, or larger than `bytesMax` when decompressed:
 * a few bytes may say anything.
 */
export function decompress(code: number, source: Buffer, bytesMax: number): Buffer {
  const name = compressionName(code);
  switch (name) {
    case 'none':
      return source;
    case 'gzip':
      return byRuntime(name, () => gunzipSync(source, { maxOutputLength: bytesMax }));
    case 'snappy':
      return decompressSnappy(source, bytesMax);
    case 'lz4':
      return decompressLz4(source, bytesMax);
    case 'zstd':
      return byRuntime(name, () => zstdDecompressSync(source, { maxOutputLength: bytesMax }));
    default:
      throw new CompressionError(`compression type ${code} does not exist`);
  }
}

function byRuntime(name: CompressionName, decompress: () => Buffer): Buffer {
  try {
    return decompress();
  } catch (error) {
    throw new CompressionError(`records compressed with ${name}: ${(error as Error).message}`);
  }
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
