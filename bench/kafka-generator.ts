/**
 * A load of Kafka's Produce or Fetch requests that needs nothing but this repository: batches that were made once, so that
 * one core of the generator keeps a broker busy. Run as a process: `kafka-generator.ts PLAN`; prints its figures as a line of JSON, and
 * goes on until it is killed.
 */
import { connect, type Socket } from 'node:net';
import { RecordBatchBuilder } from '../src/records/batch-builder.ts';
import { BATCH_HEADER_BYTES } from '../src/records/batch-layout.ts';
import { BatchView, batchBytes } from '../src/records/batch-view.ts';
import { ByteWriter } from '../src/wire/kafka/byte-writer.ts';
import type { Api, ByteRange, Fields, StructInput, StructOf } from '../src/wire/kafka/declaration.ts';
import { FrameReader } from '../src/wire/kafka/frame-reader.ts';
import { decodeResponse, encodeRequest } from '../src/wire/kafka/headers.ts';
import { fetch } from '../src/wire/kafka/messages/fetch.ts';
import { produce } from '../src/wire/kafka/messages/produce.ts';
import { createTopics } from '../src/wire/kafka/messages/topics.ts';
import { processFigures } from './process-figures.ts';

export interface KafkaLoadPlan {
  readonly mode: 'produce' | 'consume';
  /** HOST:PORT. */
  readonly bootstrap: string;
  readonly brokerPid: number;
  readonly recordBytes: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export interface KafkaLoadFigures {
  readonly recordsPerSecond: number;
  /** Of the broker: what its threads ran in the measured time, by each record of that time. */
  readonly cpuMicrosPerRecord: number;
}

const TOPIC = 'load';
// What librdkafka speaks, and older brokers do too.
const PRODUCE_VERSION = 7;
const FETCH_VERSION = 11;
const CREATE_TOPICS_VERSION = 4;
/** `batch.size` and `max.in.flight.requests.per.connection` of a Java producer that sets neither. */
const BATCH_BYTES = 16 * 1024;
const IN_FLIGHT = 5;
const PRODUCERS = 4;
const CONSUMERS = 2;
/** `max.partition.fetch.bytes` and `fetch.max.wait.ms` of a consumer that sets neither. */
const FETCH_BYTES = 1024 * 1024;
const FETCH_WAIT_MS = 500;
/** What consumers read, from the beginning again whenever they are through: it stays in memory. */
const BACKLOG_BYTES = 128 * 1024 * 1024;

type OnResponse<S extends Fields> = (response: StructOf<S>) => void;

/** Sends requests of one kind on a connection of its own; each response is decoded in full. */
class Requests<Q extends Fields, S extends Fields> {
  readonly #socket: Socket;
  readonly #api: Api<Q, S>;
  readonly #version: number;

  constructor(bootstrap: string, api: Api<Q, S>, version: number, onResponse: OnResponse<S>) {
    const colon = bootstrap.lastIndexOf(':');
    this.#socket = connect({
      host: bootstrap.slice(0, colon),
      port: Number(bootstrap.slice(colon + 1)),
      noDelay: true,
    });
    this.#api = api;
    this.#version = version;
    const reader = new FrameReader(2 ** 30);
    this.#socket.on('data', (chunk) =>
      reader.push(chunk, (bytes, start, end) => onResponse(decodeResponse(api, version, bytes, start, end))),
    );
    this.#socket.on('error', fail);
    this.#socket.on('close', () => fail(new Error('the broker closed the connection')));
  }

  encode(request: StructInput<Q>): Buffer {
    const writer = new ByteWriter();
    encodeRequest(writer, this.#api, this.#version, 1, 'sluice-bench', request);
    return Buffer.concat(writer.take());
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }
}

let records = 0;

function fail(error: Error): never {
  process.stderr.write(`the Kafka load: ${error.message}\n`);
  process.exit(1);
}

function expectSuccess(errorCode: number, what: string): void {
  if (errorCode !== 0) fail(new Error(`${what}: error ${errorCode}`));
}

async function createTopic(bootstrap: string): Promise<void> {
  const created = Promise.withResolvers<void>();
  const requests = new Requests(bootstrap, createTopics, CREATE_TOPICS_VERSION, ({ topics }) => {
    expectSuccess(topics[0].errorCode, 'CreateTopics');
    created.resolve();
  });
  const topic = { name: TOPIC, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  requests.send(requests.encode({ topics: [topic] }));
  await created.promise;
}

/** Produces without end, or until so many records have been sent; resolves when that is so. */
function startProducing(plan: KafkaLoadPlan, recordsMax: number): Promise<void> {
  const { batch, count } = makeBatch(plan.recordBytes);
  const partition = { index: 0, records: batch };
  const request = { acks: -1, timeoutMs: 30_000, topicData: [{ name: TOPIC, partitionData: [partition] }] };
  const done = Promise.withResolvers<void>();
  let sent = 0;
  let acknowledged = 0;
  for (let producer = 0; producer < PRODUCERS; producer++) {
    const requests = new Requests(plan.bootstrap, produce, PRODUCE_VERSION, ({ responses }) => {
      expectSuccess(responses[0].partitionResponses[0].errorCode, 'Produce');
      records += count;
      acknowledged += count;
      sendNext();
      if (acknowledged >= recordsMax && acknowledged === sent) done.resolve();
    });
    const bytes = requests.encode(request);
    const sendNext = () => {
      if (sent >= recordsMax) return;
      sent += count;
      requests.send(bytes);
    };
    for (let request = 0; request < IN_FLIGHT; request++) sendNext();
  }
  return done.promise;
}

function makeBatch(recordBytes: number): { batch: Buffer; count: number } {
  const header = new ByteWriter();
  // No key, a value, no headers.
  header.varint(1);
  header.varint(recordBytes * 2);
  const content = Buffer.concat([...header.take(), Buffer.alloc(recordBytes, 'x'), Buffer.of(0)]);
  const builder = new RecordBatchBuilder(BATCH_BYTES);
  builder.begin();
  const nowMs = Date.now();
  let count = 0;
  while (builder.append(count, nowMs, content, 0, content.length)) count++;
  return { batch: Buffer.from(builder.finishPlain(0)), count };
}

function startConsuming(plan: KafkaLoadPlan): void {
  for (let consumer = 0; consumer < CONSUMERS; consumer++) {
    let offset = 0;
    const requests = new Requests(plan.bootstrap, fetch, FETCH_VERSION, ({ errorCode, responses }) => {
      expectSuccess(errorCode, 'Fetch');
      const partition = responses[0].partitions[0];
      expectSuccess(partition.errorCode, 'Fetch');
      const next = offsetAfter(partition.records, offset);
      records += next - offset;
      offset = next < partition.highWatermark ? next : 0;
      sendNext();
    });
    const sendNext = () => {
      const partition = { partition: 0, fetchOffset: offset, partitionMaxBytes: FETCH_BYTES };
      const topics = [{ topic: TOPIC, partitions: [partition] }];
      const limits = { maxWaitMs: FETCH_WAIT_MS, minBytes: 1, maxBytes: 50 * FETCH_BYTES };
      requests.send(requests.encode({ ...limits, topics, forgottenTopicsData: [] }));
    };
    sendNext();
  }
}

/** The offset after the last whole batch. */
function offsetAfter(batches: ByteRange | null, offset: number): number {
  let next = offset;
  if (batches === null) return next;
  const { bytes, end } = batches;
  for (let at = batches.start; at + BATCH_HEADER_BYTES <= end; ) {
    const batch = new BatchView(bytes, at);
    at += batchBytes(bytes, at);
    if (at <= end) next = batch.lastOffset + 1;
  }
  return next;
}

async function measure(plan: KafkaLoadPlan): Promise<KafkaLoadFigures> {
  await sleep(plan.warmupSeconds);
  const before = await sample(plan.brokerPid);
  await sleep(plan.seconds);
  const after = await sample(plan.brokerPid);
  const count = after.records - before.records;
  return {
    recordsPerSecond: (count * 1000) / (after.atMs - before.atMs),
    cpuMicrosPerRecord: ((after.cpuSeconds - before.cpuSeconds) * 1e6) / count,
  };
}

async function sample(pid: number): Promise<{ atMs: number; records: number; cpuSeconds: number }> {
  const { cpuSeconds } = await processFigures(pid);
  return { atMs: performance.now(), records, cpuSeconds };
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

const plan = JSON.parse(process.argv[2] ?? '') as KafkaLoadPlan;
await createTopic(plan.bootstrap);
if (plan.mode === 'consume') {
  await startProducing(plan, Math.ceil(BACKLOG_BYTES / plan.recordBytes));
  startConsuming(plan);
} else {
  void startProducing(plan, Number.POSITIVE_INFINITY);
}
// Whoever reads this ends the process.
process.stdout.write(`${JSON.stringify(await measure(plan))}\n`);
