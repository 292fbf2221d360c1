import { crc32c } from '../../../../src/base/crc32c.ts';
import { batchOf } from '../batches.ts';

export interface ProducedBy {
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly isTransactional?: boolean;
}

/** A record batch as a producer makes it that numbers its records. */
export function producedBatch(values: readonly string[], by: ProducedBy): Buffer {
  const batch = batchOf(values);
  batch.writeBigInt64BE(BigInt(by.producerId), 43);
  batch.writeInt16BE(by.epoch, 51);
  batch.writeInt32BE(by.sequence, 53);
  if (by.isTransactional === true) batch.writeInt16BE(batch.readInt16BE(21) | 0x10, 21);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}
