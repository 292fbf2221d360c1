import {
  Connection,
  type CreateRecordsBatchOptions,
  createTopicsV7,
  fetchV13,
  type KafkaRecord,
  type MessageRecord,
  metadataV12,
  produceV10,
  type SASLOptions,
} from '@platformatic/kafka';
import kafkajs, { type Kafka } from 'kafkajs';
import type { Broker } from './broker.ts';

/** The machine may be busy with other tests: nothing here is a matter of time. */
const TIMEOUT_MS = 60_000;
export const TIMEOUTS = { connectTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS };

export interface ExpectedRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

export interface ReadPartition {
  readonly records: readonly ExpectedRecord[];
  readonly highWatermark: number;
  readonly lastStableOffset: number;
}

type FetchedPartition = Awaited<
  ReturnType<typeof fetchV13.api.async>
>['responses'][number]['partitions'][number];

/** Requests of this client library without the client above them: each is sent once, as it is said here. */
export class KafkaClient {
  readonly connection: Connection;

  private constructor(connection: Connection) {
    this.connection = connection;
  }

  static async open(broker: Broker, sasl?: SASLOptions): Promise<KafkaClient> {
    const login = sasl ?? { mechanism: 'PLAIN', username: 'guest', password: 'guest' };
    const connection = new Connection('upgrade', { sasl: login, ...TIMEOUTS });
    connection.on('error', () => undefined);
    await connection.connect('127.0.0.1', broker.port('kafka'));
    return new KafkaClient(connection);
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  async createTopic(
    name: string,
    numPartitions: number,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const topic = {
      name,
      numPartitions,
      replicationFactor: 1,
      assignments: [],
      configs: Object.entries(configs).map(([config, value]) => ({ name: config, value })),
    };
    await createTopicsV7.api.async(this.connection, [topic], TIMEOUT_MS, false);
  }

  async topicId(name: string): Promise<string> {
    const { topics } = await metadataV12.api.async(this.connection, [name], false);
    return topics[0].topicId;
  }

  /** One batch. Resolves with its first offset. */
  async produce(
    topic: string,
    partition: number,
    messages: readonly Partial<MessageRecord>[],
    options: Partial<CreateRecordsBatchOptions> = {},
  ): Promise<number> {
    const records = messages.map((message) => ({ ...message, topic, partition }) as MessageRecord);
    const response = await produceV10.api.async(this.connection, -1, TIMEOUT_MS, records, options);
    if (typeof response === 'boolean') throw new Error('no answer to a Produce request');
    return Number(response.responses[0].partitionResponses[0].baseOffset);
  }

  /** All that a consumer is given, from the beginning. */
  async read(topic: string, partition: number, committedOnly = false): Promise<ReadPartition> {
    const topicId = await this.topicId(topic);
    const records: ExpectedRecord[] = [];
    for (let offset = 0; ; ) {
      const fetched = await this.#fetch(topicId, partition, offset, committedOnly ? 1 : 0);
      records.push(...visibleRecords(fetched, committedOnly).filter((record) => record.offset >= offset));
      const last = fetched.records?.at(-1);
      const end = Number(committedOnly ? fetched.lastStableOffset : fetched.highWatermark);
      const next = last === undefined ? end : Number(last.firstOffset) + last.lastOffsetDelta + 1;
      offset = Math.max(next, offset);
      if (offset >= end || last === undefined) {
        const { highWatermark, lastStableOffset } = fetched;
        return { records, highWatermark: Number(highWatermark), lastStableOffset: Number(lastStableOffset) };
      }
    }
  }

  async #fetch(
    topicId: string,
    partition: number,
    offset: number,
    isolation: number,
  ): Promise<FetchedPartition> {
    const asked = {
      partition,
      currentLeaderEpoch: -1,
      fetchOffset: BigInt(offset),
      lastFetchedEpoch: -1,
      partitionMaxBytes: 1_000_000,
    };
    const topics = [{ topicId, partitions: [asked] }];
    const bytes = 50_000_000;
    const { connection } = this;
    const response = await fetchV13.api.async(connection, 0, 0, bytes, isolation, 0, -1, topics, [], '');
    return response.responses[0].partitions[0];
  }
}

/** The higher client of the other library, for what is made of several requests. */
export function kafkaJs(broker: Broker): Kafka {
  const sasl = { mechanism: 'plain', username: 'guest', password: 'guest' } as const;
  const { Kafka: Client, logLevel } = kafkajs;
  return new Client({
    brokers: [`127.0.0.1:${broker.port('kafka')}`],
    sasl,
    logLevel: logLevel.NOTHING,
    connectionTimeout: TIMEOUT_MS,
    authenticationTimeout: TIMEOUT_MS,
  });
}

export function asRecord(offset: number, message: Partial<MessageRecord>): ExpectedRecord {
  const { key, value, headers, timestamp } = message;
  return {
    offset,
    timestamp: Number(timestamp),
    key: textOf(key),
    value: textOf(value),
    headers: Array.from(headers ?? [], ([name, each]) => [name.toString(), textOf(each)] as const),
  };
}

/** As a consumer has to do it: without control records and, if it asks so, what was aborted (KIP-98). */
function visibleRecords(partition: FetchedPartition, committedOnly: boolean): ExpectedRecord[] {
  const aborted = [...(committedOnly ? (partition.abortedTransactions ?? []) : [])];
  const producers = new Set<bigint>();
  const visible: ExpectedRecord[] = [];
  for (const batch of partition.records ?? []) {
    for (let at = 0; at < aborted.length; ) {
      if (aborted[at].firstOffset <= batch.firstOffset + BigInt(batch.lastOffsetDelta)) {
        producers.add(aborted.splice(at, 1)[0].producerId);
      } else at++;
    }
    const isTransactional = (batch.attributes & 0x10) !== 0;
    if ((batch.attributes & 0x20) !== 0) {
      producers.delete(batch.producerId);
      continue;
    }
    if (isTransactional && producers.has(batch.producerId)) continue;
    visible.push(...batch.records.map((record) => recordIn(batch, record)));
  }
  return visible;
}

function recordIn(
  batch: { readonly firstOffset: bigint; readonly firstTimestamp: bigint },
  record: KafkaRecord,
): ExpectedRecord {
  return {
    offset: Number(batch.firstOffset) + record.offsetDelta,
    timestamp: Number(batch.firstTimestamp + record.timestampDelta),
    key: textOf(record.key),
    value: textOf(record.value),
    headers: record.headers.map(([name, value]) => [String(name), textOf(value)]),
  };
}

function textOf(bytes: Buffer | null | undefined): string | null {
  return bytes === null || bytes === undefined ? null : bytes.toString('latin1');
}
