import { BATCH_HEADER_BYTES } from '../../../src/records/batch-layout.ts';
import { BatchView } from '../../../src/records/batch-view.ts';
import { decompress } from '../../../src/records/compression/compression.ts';
import { RecordCursor } from '../../../src/records/record-cursor.ts';
import { ByteWriter } from '../../../src/wire/kafka/byte-writer.ts';
import type { Message } from '../../../src/wire/kafka/declaration.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { decodeMessage, encodeMessage } from '../../../src/wire/kafka/messages.ts';
import { findProducedFault } from '../../../src/wire/kafka/produced-batch.ts';
import { RECORDED_BATCHES } from './recorded-batches.ts';

/**
 * Prints what the codec costs, in processor time: `node test/wire/kafka/speed.ts`. Messages have 1,000 partitions, in
 * one topic and in 1,000.
 */
const PARTITIONS = 1000;
const MEASURE_MICROSECONDS = 300_000;
const RECORDS = Buffer.alloc(100, 1);
const MUCH = Buffer.alloc(4000, 1);

function processorMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function microseconds(run: () => void): number {
  const began = processorMicroseconds();
  let count = 0;
  while (processorMicroseconds() - began < MEASURE_MICROSECONDS) {
    for (let index = 0; index < 8; index++) run();
    count += 8;
  }
  return (processorMicroseconds() - began) / count;
}

function id(topic: number): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE((Math.imul(topic + 1, 0x9e3779b1) & 0x7fffffff) >>> 0, 3);
  return bytes.toString('base64url');
}

/** Under each name that a topic and its partitions have in the four messages. */
function topics(perTopic: number, partition: (index: number) => object): readonly object[] {
  return Array.from({ length: PARTITIONS / perTopic }, (_, number) => {
    const partitions = Array.from({ length: perTopic }, (_, index) => partition(index));
    const name = `topic-${number}`;
    const all = { partitions, partitionData: partitions, partitionResponses: partitions };
    return { name, topic: name, topicId: id(number), ...all };
  });
}

function report(what: string, message: Message, version: number, value: Record<string, unknown>): void {
  const writer = new ByteWriter(65_536);
  const encode = () => {
    encodeMessage(writer, message, version, value);
    return writer.take();
  };
  const bytes = Buffer.concat(encode());
  const decode = () => decodeMessage(message, version, bytes, 0, bytes.length);
  for (const run of [encode, decode]) microseconds(run);
  const [writing, reading] = [encode, decode].map((run) => microseconds(run).toFixed(0).padStart(6));
  const title = `${message.name} v${version}, ${what}`.padEnd(44);
  console.log(`${title} ${String(bytes.length).padStart(8)} bytes: write ${writing} µs, read ${reading} µs`);
}

for (const perTopic of [PARTITIONS, 1]) {
  const what = `${PARTITIONS / perTopic} topics`;
  const sent = topics(perTopic, (index) => ({ index, records: RECORDS }));
  const asked = topics(perTopic, (partition) => ({
    partition,
    fetchOffset: 123_456_789,
    partitionMaxBytes: 1 << 20,
  }));
  const stored = topics(perTopic, (index) => ({
    index,
    errorCode: 0,
    baseOffset: 12_345_678,
    logStartOffset: 0,
  }));
  const found = (records: Buffer) =>
    topics(perTopic, (partitionIndex) => {
      return { partitionIndex, errorCode: 0, highWatermark: 123_456_789, abortedTransactions: null, records };
    });
  for (const version of [9, 13]) {
    report(what, produce.request, version, { acks: -1, timeoutMs: 30_000, topicData: sent });
    report(what, produce.response, version, { responses: stored });
  }
  for (const version of [12, 18]) {
    report(what, fetch.request, version, {
      maxWaitMs: 500,
      minBytes: 1,
      topics: asked,
      forgottenTopicsData: [],
    });
    report(`${what}, 100 B`, fetch.response, version, { responses: found(RECORDS) });
    report(`${what}, 4 KB`, fetch.response, version, { responses: found(MUCH) });
  }
}

for (const { name, bytes } of RECORDED_BATCHES) {
  if (!name.startsWith('java ')) continue;
  const batch = new BatchView(bytes, 0);
  const records = () => decompress(batch.compression, bytes.subarray(BATCH_HEADER_BYTES), 1 << 20);
  const size = records().length;
  const check = microseconds(() => findProducedFault(bytes, 0, bytes.length));
  const opening = microseconds(records);
  const reading = microseconds(() => {
    const cursor = new RecordCursor(1 << 20).open(bytes, 0);
    while (cursor.next()) cursor.readContent();
  });
  const rate = `${(size / opening).toFixed(0)} MB/s`;
  const each = `${((reading - opening) / batch.recordCount).toFixed(3)} µs a record`;
  console.log(`${name.padEnd(52)} check ${check.toFixed(1)} µs, decompress ${rate}, read ${each}`);
}
