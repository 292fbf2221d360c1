import { crc32c } from '../../../../src/base/crc32c.ts';
import type { Stream } from '../../../../src/broker/streams/stream.ts';
import {
  COMPRESSION,
  type CompressionName,
  compress,
} from '../../../../src/records/compression/compression.ts';
import { varintLength, writeVarint } from '../../../../src/records/record-content.ts';

export interface TestRecord {
  readonly key: string | Buffer | null;
  readonly value: string | Buffer | null;
  readonly headers?: readonly (readonly [string, string | Buffer | null])[];
  readonly timestampMs?: number;
}

export interface BatchOptions {
  readonly codec?: CompressionName;
  readonly partition?: number;
}

/** Appends records as a client would that sends whole batches. */
export function appendRecords(
  stream: Stream,
  records: readonly TestRecord[],
  options: BatchOptions = {},
): number {
  const batch = batchOf(records, options.codec ?? 'none');
  const partition = stream.ownPartitions[options.partition ?? 0];
  if (partition === undefined) throw new Error('no such partition');
  return partition.append(batch, 0, batch.length);
}

export function batchOf(
  records: readonly TestRecord[],
  codec: CompressionName = 'none',
  /** A transaction of this producer's. */
  { producerId }: { readonly producerId?: number } = {},
): Buffer {
  const baseMs = records[0]?.timestampMs ?? Date.now();
  let maxMs = baseMs;
  const parts = records.map((record, index) => {
    const timestampMs = record.timestampMs ?? baseMs;
    maxMs = Math.max(maxMs, timestampMs);
    return recordBytes(record, index, timestampMs - baseMs);
  });
  const body = compress(COMPRESSION[codec], Buffer.concat(parts));
  const head = Buffer.alloc(61);
  head.writeInt32BE(61 - 12 + body.length, 8);
  head[16] = 2;
  head.writeInt16BE(COMPRESSION[codec], 21);
  head.writeInt32BE(records.length - 1, 23);
  head.writeBigInt64BE(BigInt(baseMs), 27);
  head.writeBigInt64BE(BigInt(maxMs), 35);
  head.fill(0xff, 43, 57);
  head.writeInt32BE(records.length, 57);
  if (producerId !== undefined) {
    head.writeInt16BE(COMPRESSION[codec] | 0x10, 21);
    head.writeBigInt64BE(BigInt(producerId), 43);
    head.writeInt16BE(0, 51);
    head.writeInt32BE(0, 53);
  }
  const batch = Buffer.concat([head, body]);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

function recordBytes(record: TestRecord, index: number, timestampDelta: number): Buffer {
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(timestampDelta),
    varint(index),
    sized(record.key),
    sized(record.value),
    varint(record.headers?.length ?? 0),
    ...(record.headers ?? []).flatMap(([name, value]) => [sized(name), sized(value)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

function sized(value: string | Buffer | null): Buffer {
  if (value === null) return varint(-1);
  const bytes = Buffer.from(value as string);
  return Buffer.concat([varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintLength(value));
  writeVarint(bytes, 0, value);
  return bytes;
}
