import assert from 'node:assert/strict';
import {
  type CreateRecordsBatchOptions,
  initProducerIdV5,
  type MessageRecord,
  NumericMap,
} from '@platformatic/kafka';
import type { Broker, Sizes } from './broker.ts';
import { asRecord, type ExpectedRecord, KafkaClient } from './kafka-client.ts';

const SECOND_MS = 1000;

interface ExpectedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly ExpectedRecord[];
}

export interface ExpectedRecords {
  readonly partitions: readonly ExpectedPartition[];
  /** What was last sent by a producer that numbers its records. */
  readonly producer: { readonly id: bigint; readonly epoch: number; readonly lastOffset: number };
}

const RECORDS = 'records';
const COMPACTED = 'compacted';
const NUMBERED = 'numbered';
const PAGED = 'paged';

/** Batches of all codecs, a compacted topic, one that is longer than the memory for messages, numbered batches. */
export async function fillRecords(broker: Broker, sizes: Sizes): Promise<ExpectedRecords> {
  const client = await KafkaClient.open(broker);
  const { producer, numbered } = await fillNumbered(client);
  const partitions = [
    ...(await fillCodecs(client)),
    await fillCompacted(client, sizes),
    await fillPaged(client),
    numbered,
  ];
  await client.close();
  return { partitions, producer };
}

async function fillCodecs(client: KafkaClient): Promise<ExpectedPartition[]> {
  await client.createTopic(RECORDS, 4, { 'retention.ms': '-1', 'max.message.bytes': '2000000' });
  const found: ExpectedPartition[] = [];
  for (const partition of [0, 1, 2]) {
    const records: ExpectedRecord[] = [];
    for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      const messages = messagesOf(`${compression} in ${partition}`, 5);
      const first = await client.produce(RECORDS, partition, messages, { compression });
      records.push(...messages.map((message, at) => asRecord(first + at, message)));
    }
    found.push({ topic: RECORDS, partition, records });
  }
  return [...found, { topic: RECORDS, partition: 3, records: [] }];
}

/** One without a key, one without a value, one with neither headers nor bytes in its value. */
function messagesOf(name: string, count: number): Partial<MessageRecord>[] {
  const headers = new Map([
    [Buffer.from('name'), Buffer.from(name)],
    [Buffer.from('bytes'), Buffer.from([0, 255])],
  ]);
  return Array.from({ length: count }, (_, at) => ({
    ...(at === 1 ? {} : { key: Buffer.from(`key ${at}`) }),
    ...(at === 2 ? {} : { value: Buffer.from(at === 3 ? '' : `${name}, value ${at}`) }),
    ...(at === 3 ? {} : { headers }),
    timestamp: BigInt(1_700_000_000_000 + at * SECOND_MS),
  }));
}

/** Values of a few keys, over and over: what is left of them is the broker's affair, but for the last of each key. */
async function fillCompacted(client: KafkaClient, sizes: Sizes): Promise<ExpectedPartition> {
  const configs = {
    'cleanup.policy': 'compact',
    'segment.bytes': '1048576',
    'min.cleanable.dirty.ratio': '0.01',
    // A compaction ends with a snapshot.
    'min.compaction.lag.ms': sizes === 'large' ? '86400000' : '0',
  };
  await client.createTopic(COMPACTED, 1, configs);
  const records: ExpectedRecord[] = [];
  for (let round = 0; round < 30; round++) {
    const messages = Array.from({ length: 10 }, (_, at) => ({
      key: Buffer.from(`key ${round === 0 ? at : at % 9}`),
      value: Buffer.alloc(8000, `round ${round}, number ${at}; `),
      timestamp: BigInt(Date.now()),
    }));
    const first = await client.produce(COMPACTED, 0, messages);
    records.push(...messages.map((message, at) => asRecord(first + at, message)));
  }
  return { topic: COMPACTED, partition: 0, records };
}

async function fillPaged(client: KafkaClient): Promise<ExpectedPartition> {
  await client.createTopic(PAGED, 1, { 'segment.bytes': '1048576' });
  const records: ExpectedRecord[] = [];
  for (let batch = 0; batch < 12; batch++) {
    const messages = Array.from({ length: 8 }, (_, at) => ({
      value: Buffer.alloc(100_000, `batch ${batch}, record ${at}; `),
      timestamp: BigInt(Date.now()),
    }));
    const first = await client.produce(PAGED, 0, messages);
    records.push(...messages.map((message, at) => asRecord(first + at, message)));
  }
  return { topic: PAGED, partition: 0, records };
}

/** Three batches of two records each by an idempotent producer. */
async function fillNumbered(
  client: KafkaClient,
): Promise<{ numbered: ExpectedPartition; producer: ExpectedRecords['producer'] }> {
  await client.createTopic(NUMBERED, 1, { 'retention.ms': '-1' });
  const { producerId: id, producerEpoch: epoch } = await initProducerIdV5.api.async(
    client.connection,
    null,
    60_000,
  );
  const records: ExpectedRecord[] = [];
  let lastOffset = -1;
  for (const sequence of [0, 2, 4]) {
    const messages = numberedMessages(sequence);
    lastOffset = await client.produce(NUMBERED, 0, messages, numberedBy({ id, epoch }, sequence));
    records.push(...messages.map((message, at) => asRecord(lastOffset + at, message)));
  }
  return { numbered: { topic: NUMBERED, partition: 0, records }, producer: { id, epoch, lastOffset } };
}

function numberedMessages(sequence: number): Partial<MessageRecord>[] {
  return [sequence, sequence + 1].map((each) => ({
    value: Buffer.from(String(each)),
    timestamp: 1_700_000_000_000n,
  }));
}

function numberedBy(
  { id, epoch }: { readonly id: bigint; readonly epoch: number },
  sequence: number,
): Partial<CreateRecordsBatchOptions> {
  const sequences = new NumericMap([[`${NUMBERED}:0`, sequence]]);
  return { producerId: id, producerEpoch: epoch, sequences };
}

/** Reads all, and adds a record to each partition. @returns what is in them then */
export async function verifyRecords(broker: Broker, expected: ExpectedRecords): Promise<ExpectedRecords> {
  const client = await KafkaClient.open(broker);
  const partitions: ExpectedPartition[] = [];
  for (const { topic, partition, records } of expected.partitions) {
    const where = `${topic}, partition ${partition}`;
    const found = await client.read(topic, partition);
    if (topic === COMPACTED) compareCompacted(found.records, records);
    else compare(where, found.records, records);
    const end = (records.at(-1)?.offset ?? -1) + 1;
    assert.equal(found.highWatermark, end, `end of ${where}`);
    assert.equal(found.lastStableOffset, end, `last stable offset of ${where}`);
    if (topic === NUMBERED) {
      partitions.push({ topic, partition, records });
      continue;
    }
    const message = { key: Buffer.from('added'), value: Buffer.from('added'), timestamp: BigInt(Date.now()) };
    assert.equal(await client.produce(topic, partition, [message]), end, `offset of what ${where} is given`);
    partitions.push({ topic, partition, records: [...records, asRecord(end, message)] });
  }
  await verifyNumbered(client, expected.producer);
  await client.close();
  return { ...expected, partitions };
}

/** The broker still knows the last batch: what is sent once more is not stored, and what leaves a gap is refused. */
async function verifyNumbered(client: KafkaClient, producer: ExpectedRecords['producer']): Promise<void> {
  const again = await client.produce(NUMBERED, 0, numberedMessages(4), numberedBy(producer, 4));
  assert.equal(again, producer.lastOffset, 'the offset of a batch that is sent twice');
  await assert.rejects(client.produce(NUMBERED, 0, numberedMessages(8), numberedBy(producer, 8)));
}

function compare(where: string, found: readonly ExpectedRecord[], wanted: readonly ExpectedRecord[]): void {
  assert.equal(found.length, wanted.length, `records in ${where}`);
  // To print the difference of values of kilobytes would take minutes.
  found.forEach((record, at) => {
    assert.ok(
      record.value === wanted[at].value,
      `value at ${record.offset} of ${where}: ${shortened(record)}`,
    );
    assert.deepEqual({ ...record, value: null }, { ...wanted[at], value: null }, where);
  });
}

function shortened({ value }: ExpectedRecord): string {
  return value === null ? 'none' : value.slice(0, 50);
}

function compareCompacted(found: readonly ExpectedRecord[], wanted: readonly ExpectedRecord[]): void {
  const byOffset = new Map(wanted.map((record) => [record.offset, record]));
  const known = found.map(({ offset }) => byOffset.get(offset)!);
  compare(COMPACTED, found, known);
  const last = new Map(wanted.map((record) => [record.key, record.offset]));
  const offsets = new Set(found.map(({ offset }) => offset));
  for (const [key, offset] of last) assert.ok(offsets.has(offset), `the last value of '${key}' is there`);
}
