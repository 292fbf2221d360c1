import { RecordBatchBuilder } from '../../../src/records/batch-builder.ts';
import { writeVarint } from '../../../src/records/record-content.ts';

/** A record batch as a producer without sequence numbers makes it, with these values and no keys. */
export function batchOf(values: readonly (string | Buffer)[], timestampMs = 1_700_000_000_000): Buffer {
  const contents = values.map((value) => contentOf(Buffer.from(value)));
  const bytes = contents.reduce((sum, content) => sum + content.length + 32, 256);
  const builder = new RecordBatchBuilder(bytes);
  builder.begin();
  for (const [offset, content] of contents.entries()) {
    builder.append(offset, timestampMs, content, 0, content.length);
  }
  return Buffer.from(builder.finishPlain(0));
}

function contentOf(value: Buffer): Buffer {
  const content = Buffer.alloc(value.length + 12);
  let at = writeVarint(content, 0, -1);
  at = writeVarint(content, at, value.length);
  at += value.copy(content, at);
  at = writeVarint(content, at, 0);
  return content.subarray(0, at);
}
