import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { KafkaWireError } from './errors.ts';
import { decompressLz4 } from './lz4.ts';
import { decompressSnappy } from './snappy.ts';

/** How the records of a batch are compressed: bits 0 to 2 of its attributes. */
export const COMPRESSION = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
export type CompressionName = keyof typeof COMPRESSION;

const names = Object.keys(COMPRESSION) as CompressionName[];

/** Undefined for a number that stands for nothing. */
export function compressionName(code: number): CompressionName | undefined {
  return names[code];
}

/**
 * The records as they were. Throws KafkaWireError if they are damaged, or larger than `bytesMax` when decompressed:
 * a small batch may say anything.
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
      throw new KafkaWireError(`compression type ${code} does not exist`);
  }
}

function byRuntime(name: CompressionName, decompress: () => Buffer): Buffer {
  try {
    return decompress();
  } catch (error) {
    throw new KafkaWireError(`records compressed with ${name}: ${(error as Error).message}`);
  }
}
