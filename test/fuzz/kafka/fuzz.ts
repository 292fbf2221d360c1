import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { metadata } from '../../../src/wire/kafka/messages/metadata.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { createTopics, deleteTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { batchOf } from '../../broker/streams/bindings/records.ts';
import { KafkaClient } from '../../servers/kafka/kafka-client.ts';
import { FuzzedBroker, survey } from '../broker.ts';
import { KafkaWorker } from './worker.ts';

export interface KafkaFuzzOptions {
  readonly streams: number;
  readonly seed: number;
  readonly first?: number;
  readonly workers?: number;
  readonly checkpoints?: number;
  /** Is told each finding when it is made, too. */
  readonly progress?: (text: string) => void;
  /** Ends the run with the report so far. */
  readonly signal?: AbortSignal;
}

export interface KafkaFuzzReport {
  readonly streams: number;
  readonly connections: number;
  readonly canary: { readonly messages: number; readonly maxMs: number };
  readonly findings: readonly string[];
}

const CANARY = 'canary';
const STREAM_MS_MAX = 30_000;
const CANARY_MS_MAX = 10_000;
const SETTLE_MS_MAX = 15_000;
const HEAP_GROWTH_MAX = 12 * 2 ** 20;
const RESIDENT_GROWTH_MAX = 96 * 2 ** 20;
const FINDINGS_MAX = 30;
/** Classes of which as many objects are alive at each checkpoint. */
export const COUNTED = [
  'KafkaConnection',
  'PendingResponse',
  'DelayedFetch',
  'FetchSession',
  'Stream',
  'Partition',
];

/** Random requests, right and wrong and broken, over many connections of the Kafka protocol to a broker of its own. */
export async function fuzzKafka(options: KafkaFuzzOptions): Promise<KafkaFuzzReport> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-kafka-fuzz-'));
  const run = new KafkaFuzzRun(
    options,
    await FuzzedBroker.start(join(directory, 'data'), options.signal !== undefined),
  );
  try {
    return await run.report();
  } finally {
    await run.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

interface Checkpoint {
  readonly heapBytes: number;
  readonly residentBytes: number;
  readonly alive: readonly number[];
}

class KafkaFuzzRun {
  readonly #options: KafkaFuzzOptions;
  readonly #broker: FuzzedBroker;
  readonly #workers: readonly KafkaWorker[];
  readonly #findings: string[] = [];
  readonly #checkpoints: Checkpoint[] = [];
  #errorsSeen = 0;
  #next = 0;
  #sung = 0;
  #waitMsMax = 0;
  #sangMs = performance.now();
  /** The inspector stops the broker for a while: that is no fault of the broker's. */
  #isCounting = false;
  #countedMs = 0;
  #isOver = false;

  constructor(options: KafkaFuzzOptions, broker: FuzzedBroker) {
    this.#options = options;
    this.#broker = broker;
    this.#workers = Array.from(
      { length: options.workers ?? 24 },
      () => new KafkaWorker(broker.kafkaPort, options.seed),
    );
  }

  async report(): Promise<KafkaFuzzReport> {
    const { first = 0, streams, checkpoints = 4, progress, signal } = this.#options;
    signal?.addEventListener('abort', this.#abandon);
    const client = await KafkaClient.connect(this.#broker.kafkaPort, 'canary');
    await prepare(client);
    const song = this.#sing(client);
    progress?.(`the broker is process ${this.#broker.pid}`);
    const watch = setInterval(() => this.#watch(), 200);
    this.#next = first;
    const step = Math.ceil(streams / checkpoints);
    for (let done = first; done < first + streams && !this.#hasFallen; ) {
      done = Math.min(first + streams, done + step);
      await this.#runUntil(done);
      if (!this.#hasFallen) await this.#checkpoint(done - first);
      const { heapBytes = 0, residentBytes = 0 } = this.#checkpoints.at(-1) ?? {};
      progress?.(`${done - first} streams, heap ${mib(heapBytes)}, resident ${mib(residentBytes)}`);
    }
    this.#isOver = true;
    await song;
    client[Symbol.dispose]();
    signal?.removeEventListener('abort', this.#abandon);
    clearInterval(watch);
    this.#watch();
    this.#checkGrowth();
    return {
      streams: this.#next - first,
      connections: this.#workers.reduce((sum, worker) => sum + worker.connections, 0),
      canary: { messages: this.#sung, maxMs: this.#waitMsMax },
      findings: this.#findings,
    };
  }

  async stop(): Promise<void> {
    const status = await this.#broker.stop();
    if (status !== 0) this.#found(`the broker ended with ${status}`);
  }

  get #hasFallen(): boolean {
    const isInterrupted = this.#options.signal?.aborted === true;
    return isInterrupted || this.#broker.hasEnded || this.#findings.length >= FINDINGS_MAX;
  }

  readonly #abandon = (): void => {
    for (const worker of this.#workers) worker.abandon();
  };

  async #runUntil(end: number): Promise<void> {
    await Promise.all(
      this.#workers.map(async (worker) => {
        while (this.#next < end && !this.#hasFallen) await worker.send(this.#next++);
        await worker.end();
      }),
    );
  }

  /** Writes and reads on a topic of its own, and must not notice what happens to the others. */
  async #sing(client: KafkaClient): Promise<void> {
    for (let offset = 0; !this.#isOver; ) {
      const begin = performance.now();
      try {
        const written = await client.request(produce, 9, {
          acks: -1,
          timeoutMs: 1000,
          topicData: [
            { name: CANARY, partitionData: [{ index: 0, records: batchOf([{ key: null, value: 'song' }]) }] },
          ],
        });
        const answer = written.responses[0]?.partitionResponses[0];
        if (answer?.errorCode !== 0 || answer.baseOffset !== offset) {
          this.#found(`the canary: error ${answer?.errorCode}, offset ${answer?.baseOffset} for ${offset}`);
          return;
        }
        const read = await client.request(fetch, 12, fetchOf(offset));
        const length = read.responses[0]?.partitions[0]?.records;
        if (length === null || length === undefined || length.end === length.start) {
          this.#found(`the canary reads nothing at ${offset}`);
        }
        offset++;
      } catch (error) {
        if (!this.#hasFallen) this.#found(`the canary fell: ${error}`);
        return;
      }
      this.#sung++;
      this.#sangMs = performance.now();
      const isDisturbed = this.#isCounting || this.#countedMs > begin;
      if (!isDisturbed) this.#waitMsMax = Math.max(this.#waitMsMax, this.#sangMs - begin);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** All connections but the canary's are over, and all topics but its own deleted: nothing may be left of them. */
  async #checkpoint(streams: number): Promise<void> {
    this.#isCounting = true;
    try {
      using client = await KafkaClient.connect(this.#broker.kafkaPort, 'sweeper');
      await sweep(client);
    } catch (error) {
      const log = this.#broker.errors.slice(-5).join('\n');
      this.#found(`topics cannot be deleted after ${streams} streams: ${error}; the broker says: ${log}`);
      return;
    }
    const deadline = performance.now() + SETTLE_MS_MAX;
    const counts = async () => {
      const found = (await survey(this.#broker)).counts;
      return COUNTED.map((name) => found[name] ?? 0);
    };
    let alive = await counts();
    const before = this.#checkpoints[0]?.alive ?? COUNTED.map(() => 1);
    // What the canary is at just now comes and goes.
    const isMore = (count: number, index: number) => count > (before[index] ?? 0) + (index === 0 ? 0 : 1);
    while (alive.some(isMore) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      alive = await counts();
    }
    for (const [index, name] of COUNTED.entries()) {
      if (!isMore(alive[index] ?? 0, index)) continue;
      this.#found(`${alive[index]} objects of ${name} after ${streams} streams, ${before[index]} at first`);
    }
    const { usedBytes } = await this.#broker.inspector.heap();
    const residentBytes = await this.#broker.residentBytes();
    this.#checkpoints.push({ heapBytes: usedBytes, residentBytes, alive });
    this.#isCounting = false;
    this.#sangMs = this.#countedMs = performance.now();
  }

  #watch(): void {
    const nowMs = performance.now();
    const { errors } = this.#broker;
    for (; this.#errorsSeen < errors.length; this.#errorsSeen++) {
      this.#found(`in the log: ${errors[this.#errorsSeen]}\n  ${this.#inFlight()}`);
    }
    if (this.#broker.hasEnded) {
      this.#found(`the broker has ended\n  ${this.#inFlight()}`);
      this.#abandon();
    }
    if (!this.#isCounting && nowMs - this.#sangMs > CANARY_MS_MAX) {
      this.#sangMs = nowMs;
      this.#found(`the canary was not served for ${CANARY_MS_MAX} ms\n  ${this.#inFlight()}`);
    }
    for (const worker of this.#workers) {
      if (worker.inFlight === null || nowMs - worker.startedMs < STREAM_MS_MAX) continue;
      this.#found(`${worker.inFlight}: not done after ${STREAM_MS_MAX} ms: ${worker.names.join(', ')}`);
      worker.startedMs = nowMs;
      worker.abandon();
    }
  }

  #checkGrowth(): void {
    const first = this.#checkpoints[0];
    const last = this.#checkpoints.at(-1);
    if (first === undefined || last === undefined) return;
    const heap = last.heapBytes - first.heapBytes;
    const resident = last.residentBytes - first.residentBytes;
    if (heap > HEAP_GROWTH_MAX) this.#found(`the heap grew by ${mib(heap)}`);
    if (resident > RESIDENT_GROWTH_MAX) this.#found(`the process grew by ${mib(resident)}`);
  }

  #inFlight(): string {
    const workers = this.#workers.filter(({ inFlight }) => inFlight !== null);
    return workers.map(({ inFlight, names }) => `${inFlight} (${names.join(', ')})`).join('\n  ');
  }

  #found(problem: string): void {
    if (this.#findings.length >= FINDINGS_MAX) return;
    const { seed, progress } = this.#options;
    const finding = `seed ${seed}: ${problem}`;
    this.#findings.push(finding);
    progress?.(`found: ${finding}`);
  }
}

function fetchOf(fetchOffset: number) {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 100_000 }];
  return { maxWaitMs: 2000, minBytes: 1, topics: [{ topic: CANARY, partitions }], forgottenTopicsData: [] };
}

async function prepare(client: KafkaClient): Promise<void> {
  const topic = { name: CANARY, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  await client.request(createTopics, 7, { topics: [topic] });
}

async function sweep(client: KafkaClient): Promise<void> {
  const asked = { includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false };
  const { topics } = await client.request(metadata, 12, { topics: null, ...asked });
  const topicNames = topics.flatMap(({ name }) => (name === null || name === CANARY ? [] : [name]));
  await client.request(deleteTopics, 5, { topicNames, timeoutMs: 5000 });
}

export function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
