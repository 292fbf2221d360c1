import assert from 'node:assert/strict';
import test from 'node:test';
import { crc32cByTable } from '../../src/base/crc32c.ts';
import { RecordBatchBuilder } from '../../src/records/batch-builder.ts';
import { verifyBatch } from '../../src/records/batch-checksum.ts';

function sample(): Buffer {
  const builder = new RecordBatchBuilder(4096);
  builder.begin();
  for (let offset = 7; offset < 12; offset++) builder.append(offset, 1000, Buffer.from('hello'), 0, 5);
  return Buffer.from(builder.finish());
}

test('every flipped bit of a batch is found, those of its base offset too, which Kafka leaves unprotected', () => {
  const batch = sample();
  for (let bit = 0; bit < batch.length * 8; bit++) {
    const at = bit >> 3;
    batch[at] ^= 1 << (bit & 7);
    assert.notEqual(verifyBatch(batch, 0, batch.length), null, `bit ${bit}`);
    batch[at] ^= 1 << (bit & 7);
  }
  assert.equal(verifyBatch(batch, 0, batch.length), null);
});

test('a batch from a producer that knows nothing of our check on the offset is as good', () => {
  const batch = sample();
  batch.writeInt32BE(-1, 53);
  batch.writeUInt32BE(crc32cByTable(batch.subarray(21)), 17);
  batch.writeBigInt64BE(4711n, 0);
  batch.writeInt32BE(3, 12);
  assert.equal(verifyBatch(batch, 0, batch.length), null);
});

test('a batch that was cut short anywhere is found', () => {
  const batch = sample();
  for (let end = 0; end < batch.length; end++) assert.notEqual(verifyBatch(batch, 0, end), null);
});
