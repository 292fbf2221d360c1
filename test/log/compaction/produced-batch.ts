import { crc32c } from '../../../src/base/crc32c.ts';
import { RecordBatchBuilder } from '../../../src/records/batch-builder.ts';
import { BATCH_HEADER_BYTES } from '../../../src/records/batch-layout.ts';
import { compress } from '../../../src/records/compression/compression.ts';
import { writeVarint } from '../../../src/records/record-content.ts';

export interface ProducedRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestampMs: number;
}

export interface ProducedOptions {
  readonly baseOffset?: number;
  readonly compression?: number;
  readonly producerId?: number;
  readonly isTransactional?: boolean;
}

/** A record batch as a producer makes it, compressed or not, in a transaction or not. */
export function producedBatch(records: readonly ProducedRecord[], options: ProducedOptions = {}): Buffer {
  const { baseOffset = 0, compression = 0, producerId = -1, isTransactional = false } = options;
  const contents = records.map(({ key, value }) => contentOf(key, value));
  const builder = new RecordBatchBuilder(contents.reduce((sum, content) => sum + content.length + 32, 256));
  builder.begin();
  for (const [index, content] of contents.entries()) {
    builder.append(baseOffset + index, records[index].timestampMs, content, 0, content.length);
  }
  const plain = builder.finishPlain(0);
  const body = compress(compression, plain.subarray(BATCH_HEADER_BYTES));
  const batch = Buffer.concat([plain.subarray(0, BATCH_HEADER_BYTES), body]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt16BE(compression | (isTransactional ? 0x10 : 0), 21);
  batch.writeBigInt64BE(BigInt(producerId), 43);
  if (producerId >= 0) {
    batch.writeInt16BE(0, 51);
    batch.writeInt32BE(0, 53);
  }
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

function contentOf(key: string | null, value: string | null): Buffer {
  const content = Buffer.alloc(Buffer.byteLength(key ?? '') + Buffer.byteLength(value ?? '') + 12);
  let at = 0;
  for (const part of [key, value]) {
    at = writeVarint(content, at, part === null ? -1 : Buffer.byteLength(part));
    if (part !== null) at += content.write(part, at);
  }
  at = writeVarint(content, at, 0);
  return content.subarray(0, at);
}
