import { BatchView } from '../../../src/records/batch-view.ts';
import { RecordCursor } from '../../../src/records/record-cursor.ts';
import { ERROR_CODES, errorName } from '../../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { createTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import type { KafkaClient } from '../../servers/kafka/kafka-client.ts';

const FETCH_BYTES = 4 * 1024 * 1024;
const BATCH_RECORDS = 5000;
const ABORT = 0;

export function check(errorCode: number, what: string): void {
  if (errorCode !== ERROR_CODES.NONE) throw new Error(`${what}: ${errorName(errorCode) ?? errorCode}`);
}

export async function createTopic(client: KafkaClient, name: string, numPartitions: number): Promise<void> {
  const response = await client.request(createTopics, 5, {
    topics: [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 10_000,
    validateOnly: false,
  });
  check(response.topics[0].errorCode, `creating ${name}`);
}

/** Partition by partition, the numbers from 0 on as texts: `records` in all. */
export async function fillTopic(
  client: KafkaClient,
  name: string,
  partitions: number,
  records: number,
): Promise<void> {
  for (let index = 0; index < partitions; index++) {
    const count = Math.ceil((records - index) / partitions);
    for (let from = 0; from < count; from += BATCH_RECORDS) {
      const size = Math.min(BATCH_RECORDS, count - from);
      const values = Array.from({ length: size }, (_, i) => String(from + i));
      const response = await client.request(produce, 9, {
        acks: -1,
        timeoutMs: 10_000,
        topicData: [{ name, partitionData: [{ index, records: batchOf(values) }] }],
      });
      check(response.responses[0].partitionResponses[0].errorCode, `filling ${name}`);
    }
  }
}

export interface Records {
  readonly values: readonly string[];
  readonly nextOffset: number;
}

/** As a consumer does that reads only what is committed: it leaves out what was aborted, and what ends transactions. */
export async function readCommitted(
  client: KafkaClient,
  topic: string,
  partition: number,
  fetchOffset: number,
  bytesMax = FETCH_BYTES,
): Promise<Records> {
  const response = await client.request(fetch, 12, {
    maxWaitMs: 100,
    minBytes: 1,
    maxBytes: bytesMax,
    isolationLevel: 1,
    topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: bytesMax }] }],
  });
  const found = response.responses[0].partitions[0];
  check(found.errorCode, `reading ${topic}`);
  const aborted = [...(found.abortedTransactions ?? [])].sort((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<number>();
  const values: string[] = [];
  let nextOffset = fetchOffset;
  const { bytes, start, end } = found.records ?? { bytes: Buffer.alloc(0), start: 0, end: 0 };
  for (let at = start; at + 61 <= end; ) {
    const batch = new BatchView(bytes, at);
    if (batch.end > end) break;
    while (aborted.length > 0 && aborted[0].firstOffset <= batch.lastOffset)
      open.add(aborted.shift()!.producerId);
    const cursor = new RecordCursor(FETCH_BYTES).open(bytes, at);
    while (cursor.next()) {
      cursor.readContent();
      if (batch.isControl) {
        if (cursor.bytes.readInt16BE(cursor.keyStart + 2) === ABORT) open.delete(batch.producerId);
      } else if (cursor.offset >= fetchOffset && !(batch.isTransactional && open.has(batch.producerId))) {
        values.push(
          cursor.bytes.toString('latin1', cursor.valueStart, cursor.valueStart + cursor.valueLength),
        );
      }
    }
    nextOffset = batch.lastOffset + 1;
    at = batch.end;
  }
  return { values, nextOffset };
}

export async function stableEnd(client: KafkaClient, name: string, partitionIndex: number): Promise<number> {
  const response = await client.request(listOffsets, 7, {
    replicaId: -1,
    isolationLevel: 1,
    topics: [{ name, partitions: [{ partitionIndex, timestamp: -1 }] }],
  });
  const found = response.topics[0].partitions[0];
  check(found.errorCode, `the end of ${name}`);
  return found.offset;
}
